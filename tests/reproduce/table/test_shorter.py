"""Runs of fewer epochs than a table's: in its curves, in no row, and what is refused."""

import json
import sys

import numpy as np
import pandas as pd
import pytest
from results import bounds, commit_made_up

from annealed import config as configuration
from annealed.utils.errors import UsageError
from reproduce.results.store import committed_results
from reproduce.table import curves, report, shorter

PAPER = ("preset=paper", "trainer.epochs=40")
LOG_PROB = np.random.default_rng(0).normal(-87.0, 9.0, 50)
RISE = np.linspace(-100.0, -95.0, 40)


@pytest.fixture
def results(tmp_path):
    """A table of HVI-AVO and VAE, one seed each."""
    results = tmp_path / "reports" / "results"
    for row, shift in (("hvi_avo", 0.5), ("vae", 0.0)):
        commit_made_up(results, row, 0, bounds(RISE + shift), LOG_PROB, *PAPER)
    return results


def run_folder(tmp_path, row, epochs, *options, seed=0):
    """A run folder of `row` with a limit of `epochs`, HVI a nat above the VAE."""
    options = [*PAPER[:1], f"trainer.epochs={epochs}", *options]
    frame = bounds(RISE[:epochs] + 1.0)
    made = commit_made_up(tmp_path / "scratch", row, seed, frame, LOG_PROB, *options)
    folder = tmp_path.joinpath("runs", *made.pack.path.with_suffix("").parts[-2:], made.name)
    folder.mkdir(parents=True)
    config = configuration.load(row, [*options, f"seed={seed}"])
    (folder / "config.yaml").write_text(configuration.to_yaml(config), encoding="utf-8")
    (folder / "result.json").write_text(json.dumps(made.read()), encoding="utf-8")
    np.savez(folder / "result.npz", log_prob=LOG_PROB)
    frame.to_csv(folder / "metrics.csv", index=False)
    return folder


def test_a_shorter_run_is_in_the_curves_and_in_no_row_until_a_whole_one_is_there(
    results, tmp_path, monkeypatch
):
    run = run_folder(tmp_path, "hvi", 16)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(
        sys, "argv", ["report", "--preset", "paper", "--shorter", str(run.relative_to(tmp_path))]
    )
    report.main()
    folder = tmp_path / "reports" / "paper"
    assert set(pd.read_csv(folder / "nll_table.csv").row) == {"hvi_avo", "vae"}
    assert "Not in the table, whose runs are longer: HVI, seed 0, 16 epochs." in (
        folder / "curves.md"
    ).read_text(encoding="utf-8")
    ahead = pd.read_csv(folder / "curves.csv").set_index(["row", "against"])
    assert ahead.loc[("hvi_avo", "hvi"), "epochs"].max() == 16
    assert ahead.loc[("hvi_avo", "hvi"), "bound"].dropna().to_numpy() == pytest.approx(-0.5)
    assert ahead.loc[("hvi_avo", "vae"), "epochs"].max() == 40
    assert ahead.loc[("hvi_avo", "vae"), "bound"].dropna().to_numpy() == pytest.approx(0.5)
    commit_made_up(results, "hvi", 0, bounds(RISE), LOG_PROB, *PAPER)
    report.write("paper", "mnist", results, folder)
    assert "Not in the table" not in (folder / "curves.md").read_text(encoding="utf-8")
    made = committed_results("paper", "mnist", results)
    assert shorter.beside(made, "paper", "mnist", results) == []
    assert len(curves.gather(made)) == 3 * 40


@pytest.mark.parametrize(
    ("epochs", "options", "preset", "sentence"),
    [
        (
            40,
            (),
            "paper",
            "has trainer.epochs=40; accepted by --shorter: fewer than the table's 40",
        ),
        (16, (), "short", "is of preset paper on mnist, not short on mnist"),
        (
            16,
            ("optimiser.milestones=[0.5]", "optimiser.factors=[0.1]"),
            "paper",
            r"has optimiser\.milestones, .*Accepted by --shorter: a constant learning rate",
        ),
        (
            16,
            ("trainer.warmup=cyclical",),
            "paper",
            r"has trainer\.warmup=cyclical, .*Accepted by --shorter: .* and a linear warm-up",
        ),
        (
            16,
            ("optimiser.learning_rate=0.01",),
            "paper",
            r"yaml has optimiser\.learning_rate=0\.01; accepted by --shorter: 0\.0002, as its row",
        ),
    ],
)
def test_what_is_no_beginning_of_a_run_of_the_table_is_refused(
    results, tmp_path, epochs, options, preset, sentence
):
    run = run_folder(tmp_path, "hvi", epochs, *options)
    with pytest.raises(UsageError, match=sentence):
        shorter.keep(run, preset, "mnist", results)
    assert committed_results("paper", "mnist", results, shorter.BELOW) == []


def test_where_there_is_no_table_a_run_belongs_into_it(tmp_path):
    run = run_folder(tmp_path, "hvi", 16)
    with pytest.raises(UsageError, match="fewer than the table's runs have, and there are none"):
        shorter.keep(run, "paper", "mnist", tmp_path / "results")
