"""A score by AIS of a run of another table: kept for that table's columns, or refused."""

import json
import sys

import pandas as pd
import pytest
from test_estimators import FULL, SLACK, change, numbers, write_run

from annealed.evaluation.result import RESULT
from annealed.utils.errors import UsageError
from reproduce.experiments.estimators import __main__ as command, kept, page
from reproduce.experiments.estimators.scoring import Scoring
from reproduce.results import scored, store
from reproduce.results.store import RESULTS
from reproduce.table import nll_table

ROWS = ("hvi", "hvi_avo", "iaf")


@pytest.fixture
def runs(tmp_path, monkeypatch):
    """The folders by row of runs of preset paper, which AIS scored; the table has two of them."""
    monkeypatch.chdir(tmp_path)
    folders = {}
    for row in ROWS:
        work = Scoring("paper", "mnist", row, 0, FULL.options)
        write_run(work)
        folders[row] = work.folder()
    table = store.pack_of("paper", "mnist")
    for row in ROWS[:2]:
        record = json.loads((folders[row] / RESULT).read_text(encoding="utf-8"))
        table.add(f"{row}/seed0", record, None, numbers(row, 0)[0])
    return folders


def kept_files():
    there = (RESULTS / "estimators").glob("**/*")
    return {path: path.read_bytes() for path in there if path.is_file()}


def test_it_fills_the_columns_of_its_row_alone(runs, tmp_path, monkeypatch):
    monkeypatch.setattr(page, "write", lambda *_: "of another preset")
    folder = runs["hvi"].absolute()
    score = json.loads((folder / FULL.options.name).read_text(encoding="utf-8"))
    process = {**score["provenance"], "command": f"evaluate {folder}"}
    change(folder / FULL.options.name, provenance=process)
    options = ["--preset", "full", "--page", "--table", str(folder)]
    for _ in range(2):  # a second time in its own place
        monkeypatch.setattr(sys, "argv", ["estimators", *options])
        command.main()
    made = store.committed_results("paper", "mnist")
    (one,) = scored.scored_among([result.read() for result in made])
    assert one.result["ais"]["provenance"]["command"] == "evaluate runs/paper/mnist/hvi/seed0"
    expected = -numbers("hvi", 0)[1].mean()
    assert one.nll_ais == pytest.approx(expected, abs=1e-4)
    assert one.nll_is == pytest.approx(expected + SLACK["hvi"], abs=0.1)
    nll_table.write(made, tmp_path, "paper", scored=[one])
    table = pd.read_csv(tmp_path / "nll_table.csv").set_index("row")
    assert table.nll_ais["hvi"] == pytest.approx(expected, abs=1e-3)
    assert table.nll_ais.notna().sum() == 1


@pytest.mark.parametrize(
    ("row", "change_run", "change_score", "expected"),
    [
        ("iaf", {}, {}, r"iaf/seed0 is not among the results of .*paper.mnist\.jsonl; it is put"),
        ("hvi", {"samples": 7}, {}, "is not among the results of"),
        ("hvi", {}, {"annealing": {}}, r"T500\.json has chains None \(now 16\), "),
        ("hvi", {}, {"bdmc": None}, "has no BDMC; score the run again"),
    ],
)
def test_another_is_refused_and_what_is_kept_stays(runs, row, change_run, change_score, expected):
    folder = RESULTS / "estimators"
    kept.add_of_table(runs["hvi_avo"], FULL, folder)
    before = kept_files()
    change(runs[row] / RESULT, **change_run)
    change(runs[row] / FULL.options.name, **change_score)
    with pytest.raises(UsageError, match=expected):
        kept.add_of_table(runs[row], FULL, folder)
    assert kept_files() == before != {}


def test_a_run_of_the_page_itself_is_refused(runs):
    work = Scoring(FULL.preset, FULL.data, "vae", 0, FULL.options)
    write_run(work)
    with pytest.raises(UsageError, match="is of preset short on mnist, which this page makes"):
        kept.add_of_table(work.folder(), FULL, RESULTS / "estimators")
    assert kept_files() == {}
