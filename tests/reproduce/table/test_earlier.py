"""A table that is written again keeps the rows whose results are there, and says what it loses."""

import json

import pandas as pd
import pytest
from results import result
from stand_ins import Cheap

from annealed.utils.errors import UsageError
from reproduce.__main__ import write_table


def finished(runs, row, seed=0, **changes):
    """A finished run of `row`."""
    run = Cheap("short", "mnist", row, seed, str(runs))
    run.folder().mkdir(parents=True)
    run.results()[0].write_text(
        json.dumps(result(row, seed, 87.0 + seed, **changes)), encoding="utf-8"
    )
    return run


def lines(folder):
    """Row and seed of every run that the table in `folder` is of."""
    cells = pd.read_csv(folder / "nll_cells.csv")
    return list(zip(cells.row, cells.seed, strict=True))


def test_other_rows_join_those_that_a_table_has(tmp_path, capsys):
    vae = [finished(tmp_path, "vae", seed) for seed in (0, 1)]
    write_table(vae, tmp_path / "table", "", [])
    assert "keeps" not in capsys.readouterr().out
    write_table([finished(tmp_path, "hvi")], tmp_path / "table", "", [])
    assert lines(tmp_path / "table") == [("hvi", 0), ("vae", 0), ("vae", 1)]
    shown = capsys.readouterr().out
    assert "nll_table.md keeps vae seed 0, vae seed 1, whose results are still there" in shown
    assert "| VAE |" in shown


def test_rows_whose_runs_are_elsewhere_are_named_as_they_go(tmp_path, capsys):
    write_table([finished(tmp_path / "a", "vae")], tmp_path / "table", "", [])
    write_table([finished(tmp_path / "b", "hvi")], tmp_path / "table", "", [])
    assert lines(tmp_path / "table") == [("hvi", 0)]
    assert "no longer has vae seed 0: no result that fits is there" in capsys.readouterr().out


def test_what_does_not_fit_the_runs_asked_for_goes_and_is_named(tmp_path, capsys):
    write_table([finished(tmp_path, "vae", samples=50)], tmp_path / "table", "", [])
    write_table([finished(tmp_path, "hvi")], tmp_path / "table", "", [])
    assert lines(tmp_path / "table") == [("hvi", 0)]
    assert "no longer has vae seed 0" in capsys.readouterr().out


def test_a_table_of_before_that_cannot_be_read_is_no_obstacle(tmp_path):
    (tmp_path / "table").mkdir()
    (tmp_path / "table" / "nll_cells.csv").write_text("row\n\x00", encoding="utf-8")
    write_table([finished(tmp_path, "vae")], tmp_path / "table", "", [])
    assert lines(tmp_path / "table") == [("vae", 0)]


def test_without_a_finished_run_the_last_sentence_names_what_failed(tmp_path):
    run = Cheap("short", "mnist", "vae", 0, str(tmp_path))
    with pytest.raises(UsageError) as refusal:
        write_table([run], tmp_path / "table", "", ["vae seed 0: no luck (see log.txt)"])
    assert str(refusal.value) == (
        "no run of preset short has finished, so there is no table; 1 failed, as told above: "
        "vae seed 0."
    )
