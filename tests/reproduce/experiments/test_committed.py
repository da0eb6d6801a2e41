"""What the runs of a page made, in two files, and the page made of these alone."""

import json
import sys
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from test_noise import TINY

from annealed.config import to_dict
from annealed.utils.errors import UsageError
from reproduce.experiments import committed, page_command, page_work
from reproduce.experiments.committed import UnitPage
from reproduce.experiments.invertible.page import rows
from reproduce.experiments.noise import design, page
from reproduce.experiments.page_work import Source
from reproduce.experiments.units import finish

CODE = {"commit": "abc", "command": "python --runs runs"}  # as it is committed
SEEDS = 2


def read(path):
    return path.read_text(encoding="utf-8")


def result_of(run):
    """What a finished run says of itself, but for its numbers."""
    config = to_dict(run.config()) | {"runs": "runs"}  # as it is committed
    named = {"row": run.row, "preset": run.preset, "data": run.data, "seed": run.seed}
    return {"status": "finished", **named, "provenance": CODE, "config": config}


def make(source, folder):
    """The text of every file of the page."""
    page.make(source, folder)
    return {p.name: read(p) for p in folder.iterdir() if p.suffix in (".md", ".csv")}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A source whose units are made and committed, and the page of it."""
    root = tmp_path_factory.mktemp("made")
    source = Source("full", SEEDS, str(root / "runs"), root / "results")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(design.BUDGETS, "full", TINY)
        for work in source.plan("noise"):
            for unit in work.units:
                code = {**CODE, "command": f"python --runs {source.runs}"}
                finish(unit, list(range(SEEDS)), code)
        committed.commit(page.PAGE, source)
        yield source, make(source, root / "page")


@pytest.fixture
def results(made, tmp_path):
    """A copy of the committed files to spoil."""
    for name in ("noise.jsonl", "noise.npz"):
        (tmp_path / name).write_bytes((made[0].results / name).read_bytes())
    return tmp_path


def test_the_page_of_the_committed_files_is_that_of_the_runs(made, tmp_path):
    source, text = made
    again = committed.restore(page.PAGE, source.results, tmp_path / "runs")
    assert again.seeds == SEEDS
    assert make(again, tmp_path / "page") == text
    shown = [p.relative_to(tmp_path / "runs") for p in (tmp_path / "runs").rglob("*.npz")]
    assert sorted(p.parent.name for p in shown) == sorted(design.ROWS)
    for path in shown:
        here, there = np.load(tmp_path / "runs" / path), np.load(f"{source.runs}/{path}")
        assert here["z"].tobytes() == there["z"].tobytes()


def test_where_this_machine_has_its_runs_is_not_committed(made):
    text = read(made[0].results / "noise.jsonl")
    assert made[0].runs not in text
    assert '"command": "python --runs runs"' in text


def test_committed_again_the_files_are_the_same_bytes_and_hold_no_curve(made, tmp_path):
    source, _ = made
    again = replace(source, results=tmp_path)
    committed.commit(page.PAGE, again)
    for name in ("noise.jsonl", "noise.npz"):
        assert (tmp_path / name).read_bytes() == (source.results / name).read_bytes()
    lines = read(tmp_path / "noise.jsonl").splitlines()
    assert len(lines) == len(source.plan("noise"))
    assert all(list(json.loads(line)["results"]) == ["seed0.json", "seed1.json"] for line in lines)
    assert not any("curve" in line for line in lines)


def test_seeds_of_another_process_have_a_line_of_their_own(made, tmp_path):
    source, _ = made
    copy = replace(source, runs=str(tmp_path / "runs"), results=tmp_path)
    committed.restore(page.PAGE, source.results, tmp_path / "runs")
    path = copy.plan("noise")[1].places[0].path(1)
    text = read(path).replace('"abc"', '"def"')
    path.write_text(text, encoding="utf-8")
    committed.commit(page.PAGE, copy)
    lines = [json.loads(line) for line in read(tmp_path / "noise.jsonl").splitlines()]
    assert len(lines) == len(source.plan("noise")) + 1
    committed.restore(page.PAGE, tmp_path, tmp_path / "again")
    assert json.loads(
        (tmp_path / "again" / path.relative_to(copy.runs)).read_text(encoding="utf-8")
    ) == json.loads(read(path))


def test_what_is_committed_is_taken_where_a_run_has_no_result_and_the_setup_is_todays(
    made, results, tmp_path
):
    source, _ = made
    path = results / "noise.jsonl"
    text = read(path).replace('"steps": 6', '"steps": 7', 1)  # the first line's
    path.write_text(text, encoding="utf-8")
    copy = replace(source, runs=str(tmp_path / "runs"), results=results)
    other, begun, *rest = [place for work in copy.plan("noise") for place in work.places]
    own = begun.path(0)
    own.parent.mkdir(parents=True)
    own.write_text("{}", encoding="utf-8")
    assert committed.take(page.PAGE, copy) == SEEDS * len(rest) + 1
    assert read(own) == "{}"
    assert not other.path(0).exists()
    taken = [begun.read(1), *(place.read(seed) for place in rest for seed in range(SEEDS))]
    assert all(result["provenance"] == CODE for result in taken)
    assert committed.take(page.PAGE, copy) == 0


def test_where_nothing_is_committed_nothing_is_taken_and_a_broken_file_is_refused(made, tmp_path):
    copy = replace(made[0], runs=str(tmp_path / "runs"), results=tmp_path / "none")
    assert committed.take(page.PAGE, copy) == 0
    copy.results.mkdir()
    (copy.results / "noise.jsonl").write_text("{", encoding="utf-8")
    with pytest.raises(UsageError, match="has no readable results"):
        committed.take(page.PAGE, copy)


def test_with_missing_a_page_trains_only_what_is_not_committed(made, tmp_path, monkeypatch):
    source, text = made
    monkeypatch.chdir(tmp_path)
    (tmp_path / "reports").mkdir()
    monkeypatch.setattr(design, "BUDGETS", {**design.BUDGETS, "full": TINY})
    monkeypatch.setattr(page_work, "Source", partial(Source, results=source.results))
    begun = []
    monkeypatch.setattr(page_work, "run", lambda arguments, works: begun.extend(works))
    options = ["--preset", "full", "--seeds", str(SEEDS), "--missing"]
    options += ["--runs", str(tmp_path / "runs")]  # the units of "runs" may be known already
    monkeypatch.setattr(sys, "argv", ["reproduce.experiments.noise", *options])
    page_command.run(page.PAGE, "noise", "", design.BUDGETS)
    assert begun
    assert all(work.done() for work in begun)
    folder = tmp_path / "reports" / "noise"
    assert {p.name: read(p) for p in folder.iterdir() if p.suffix in (".md", ".csv")} == text


def test_a_smoke_run_is_not_committed(made, tmp_path):
    committed.commit(page.PAGE, replace(made[0], preset="quick", results=tmp_path / "none"))
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize(
    ("old", "new", "phrase"),
    [
        ('"noise/full/VAE"', '"noise/full/other"', "has no result noise/full/VAE/seed0.json"),
        ('"seed1.json"', '"seed7.json"', "has no result noise/full/exact-MLE/seed1.json"),
        ('"steps": 6', '"steps": 7', "noise/full/exact-MLE/seed0.json was made by another setup"),
        ('"results"', '"other"', "has no readable results of a page"),
        ("{", "", "has no readable results of a page"),
    ],
)
def test_files_that_are_not_of_the_page_of_today_are_one_sentence(
    results, tmp_path, old, new, phrase
):
    path = results / "noise.jsonl"
    path.write_text(read(path).replace(old, new, 1), encoding="utf-8")
    with pytest.raises(UsageError, match=f"noise.jsonl.* {phrase}"):
        committed.restore(page.PAGE, results, tmp_path / "runs")


def test_runs_beside_the_units_are_committed_with_them(tmp_path, monkeypatch):
    beside = UnitPage("beside", page.make, lambda s: [r for r in rows(s) if r.row == "iaf"])
    monkeypatch.setattr(Source, "plan", lambda *_: [])
    source = Source("full", 1, str(tmp_path / "runs"), tmp_path / "results")
    (run,) = beside.works(source)
    (path,) = run.results()
    path.parent.mkdir(parents=True)
    record = result_of(run)
    path.write_text(json.dumps(record), encoding="utf-8")
    np.savez(path.with_suffix(".npz"), log_prob=np.array([-1.5, -2.5]), k_hat=np.zeros(2))
    committed.commit(beside, source)
    committed.restore(beside, source.results, tmp_path / "again")
    again = tmp_path / "again" / path.relative_to(source.runs)
    assert json.loads(read(again)) == json.loads(read(path))
    with np.load(again.with_suffix(".npz")) as stored:
        assert list(stored) == ["log_prob"]
        assert stored["log_prob"].tolist() == [-1.5, -2.5]
    claimed = replace(source, runs=str(tmp_path / "taken"))
    assert committed.take(beside, claimed) == 1
    (taken,) = beside.works(claimed)
    assert taken.done()
    assert committed.take(beside, claimed) == 0


def test_a_run_of_another_configuration_is_not_taken_and_no_page_is_made_of_it(
    tmp_path, monkeypatch
):
    beside = UnitPage("beside", page.make, lambda s: [r for r in rows(s) if r.row == "iaf"])
    monkeypatch.setattr(Source, "plan", lambda *_: [])
    source = Source("full", 1, str(tmp_path / "runs"), tmp_path / "results")
    (run,) = beside.works(source)
    record = result_of(replace(run, changes=("trainer.epochs=7",)))
    (path,) = run.results()
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(record), encoding="utf-8")
    committed.commit(beside, source)
    copy = replace(source, runs=str(tmp_path / "copy"))
    assert committed.take(beside, copy) == 0
    assert not beside.works(copy)[0].folder().exists()
    with pytest.raises(UsageError, match=r"iaf/seed0/result.json was made by another setup"):
        committed.restore(beside, source.results, tmp_path / "again")
