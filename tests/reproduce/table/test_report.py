"""The committed results, and the report that is made of them alone."""

import json
import sys

import numpy as np
import pandas as pd
import pytest
from conftest import TINY
from results import replace_result
from scipy import stats

from annealed import config as configuration
from annealed.runs.run import fit
from annealed.utils.errors import UsageError
from reproduce.results import paired, statistics, store
from reproduce.table import curves, report


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Two seeds of two rows, trained for seconds."""
    folder = tmp_path_factory.mktemp("runs")
    options = [*TINY, f"runs={folder}", "trainer.replicas=2"]
    first = [fit(configuration.load(row, options)) for row in ("vae", "hvi")]
    return [one.with_name(f"seed{seed}") for one in first for seed in (0, 1)]


def test_a_committed_result_is_the_runs_own_and_is_not_replaced(runs, tmp_path):
    committed = [store.commit_result(run, tmp_path) for run in runs]
    assert str(committed[0]) == f"{tmp_path}/quick/digits.jsonl#vae/seed0"
    assert store.committed_results("quick", "digits", tmp_path) == committed
    assert set(store.every_result(tmp_path)) == set(committed)
    written = json.loads((runs[0] / "result.json").read_text(encoding="utf-8"))
    assert written["config"]["runs"] == str(runs[0].parents[3])
    written["config"]["runs"] = "runs"
    assert committed[0].read() == written
    metrics = pd.read_csv(runs[0] / "metrics.csv")
    pd.testing.assert_frame_equal(committed[0].metrics(), metrics, check_exact=True)
    scores = np.load(runs[0] / "result.npz")["log_prob"]
    assert committed[0].log_prob().tolist() == scores.astype(np.float32).tolist()
    assert -committed[0].log_prob().mean() == pytest.approx(written["nll"], abs=1e-4)
    before = committed[0].pack.path.read_bytes()
    assert store.commit_result(runs[0], tmp_path) == committed[0]  # the same again is no harm
    assert committed[0].pack.path.read_bytes() == before
    replace_result(committed[0], nll=1.0)
    with pytest.raises(UsageError, match="#vae/seed0 holds another run's result, of the same"):
        store.commit_result(runs[0], tmp_path)
    assert committed[0].read()["nll"] == 1.0


def test_a_line_of_another_run_is_refused(runs, tmp_path):
    committed = store.commit_result(runs[0], tmp_path)
    replace_result(committed, seed=7)
    sentence = "#vae/seed0 is a copy: it holds the result of quick/digits/vae/seed7. Remove its"
    with pytest.raises(UsageError, match=sentence):
        committed.read()


def test_a_report_needs_nothing_but_the_committed_results(runs, tmp_path):
    for run in runs:
        store.commit_result(run, tmp_path / "committed")
    folder = report.write("quick", "digits", tmp_path / "committed", tmp_path / "report")
    table = pd.read_csv(folder / "nll_table.csv").set_index("row")
    nll = [json.loads((run / "result.json").read_text(encoding="utf-8"))["nll"] for run in runs]
    assert table.loc["vae", "nll"] == pytest.approx(np.mean(nll[:2]))
    assert table.loc["hvi", "seeds"] == 2
    pairs = pd.read_csv(folder / "paired.csv").set_index(["row", "against"])
    difference = pairs.loc[("hvi", "vae"), "difference"]
    assert difference == pytest.approx(np.mean(nll[2:]) - np.mean(nll[:2]), abs=1e-4)
    assert "| hvi | vae | 2 |" in (folder / "paired.md").read_text(encoding="utf-8")
    assert (folder / "curves.png").read_bytes().startswith(b"\x89PNG")


def test_what_a_report_has_no_more_goes_with_it(runs, tmp_path):
    for run in runs:
        store.commit_result(run, tmp_path / "committed")
    folder = report.write("quick", "digits", tmp_path / "committed", tmp_path / "report")
    for name in ("paired_ais.csv", "curves.csv"):
        (folder / name).write_text("of before\n", encoding="utf-8")
    pack = store.pack_of("quick", "digits", tmp_path / "committed")
    lines = pack.path.read_text(encoding="utf-8").splitlines(keepends=True)
    pack.path.write_text("".join(line for line in lines if '"hvi' not in line), encoding="utf-8")
    report.write("quick", "digits", tmp_path / "committed", folder)
    names = {path.name for path in folder.glob("*.*")}
    assert not names & {"paired.csv", "paired.md", "order.csv", "paired_ais.csv", "curves.csv"}
    assert {"nll_table.csv", "curves.png", "curves.md"} <= names


def test_a_finished_result_without_its_images_is_no_result_that_diverged(runs, tmp_path):
    committed = [store.commit_result(run, tmp_path) for run in runs[1:3]]
    pack = committed[0].pack
    pack.add("vae/seed1", committed[0].read(), committed[0].metrics(), None)
    with pytest.raises(UsageError, match=r"digits\.npz lacks log p\(x\) of vae/seed1"):
        report.write("quick", "digits", tmp_path, tmp_path / "report")


def test_curves_hold_every_seed_and_epoch(runs, tmp_path):
    paths = [store.commit_result(run, tmp_path) for run in runs]
    metrics = curves.gather(paths)
    assert metrics.groupby(["row", "seed"]).size().tolist() == [3, 3, 3, 3]


def test_the_interval_over_seeds_is_students_and_the_bootstrap_knows_both_sources():
    g = np.random.default_rng(0)
    seeds, images = 5, 400
    by_seed, by_image = g.normal(0.3, 0.2, (seeds, 1)), g.normal(0.0, 1.0, (1, images))
    difference = by_seed + by_image + g.normal(0.0, 0.1, (seeds, images))
    compared = statistics.compare(difference)
    interval = stats.t.interval(0.95, seeds - 1, difference.mean(), stats.sem(difference.mean(1)))
    assert (compared["t_low"], compared["t_high"]) == pytest.approx(interval)
    # the variance of the mean: seeds resampled and images resampled
    expected = difference.mean(1).var() / seeds + difference.mean(0).var() / images
    width = (compared["bootstrap_high"] - compared["bootstrap_low"]) / 2 / 1.96
    assert width == pytest.approx(expected**0.5, rel=0.1)
    assert statistics.compare(difference) == compared  # the same numbers every time


def test_pairs_are_of_the_seeds_that_both_rows_have(runs, tmp_path):
    committed = [store.commit_result(run, tmp_path) for run in (runs[0], runs[2], runs[3])]
    (line,) = paired.table(committed).itertuples()
    assert (line.row, line.against, line.seeds) == ("hvi", "vae", 1)


def test_without_results_one_sentence_says_how_to_get_them(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["reproduce.table.report", "--preset", "short"])
    with pytest.raises(UsageError, match=r"reports/results/short/mnist\.jsonl has no results"):
        report.main()
    sys.argv[-1] = "shrot"
    with pytest.raises(UsageError, match="--preset is 'shrot'; accepted: quick, short, paper"):
        report.main()
    sys.argv[1:] = ["--shorter", "nowhere"]
    with pytest.raises(UsageError, match=r"nowhere/result\.json is not there"):
        report.main()
