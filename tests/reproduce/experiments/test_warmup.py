"""The page on warm-up: its plan, its numbers from trials."""

import json

import numpy as np
import pandas as pd
import pytest
from conftest import TINY

from annealed import config as configuration
from annealed.evaluation.result import RESULT
from annealed.runs.run import fit
from reproduce.experiments.warmup import design, page, summary
from reproduce.results import trials
from reproduce.results.store import commit_results
from reproduce.results.trials import Trial

PLAN = [
    t
    for t in design.planned("full", "digits")
    if t.change in ("defaults", "trainer.warmup=cyclical")
]


@pytest.fixture(scope="module")
def pool(tmp_path_factory):
    """Two seeds of both rows under two schedules."""
    root = tmp_path_factory.mktemp("pool")
    for trial in PLAN:
        options = [*TINY, f"runs={trial.folder(root / 'runs')}", "trainer.replicas=2"]
        options += ["evaluate.split=validation", "network.latent=4"]
        options += [] if trial == trial.base else [trial.change]
        first = fit(configuration.load(trial.row, options))
        paths = [first.with_name(f"seed{seed}") / RESULT for seed in (0, 1)]
        assert commit_results(paths, trial.folder(root)) == []
    return root


@pytest.mark.parametrize("data", ["mnist", "digits"])
def test_schedules_are_what_they_are_called(data):
    betas = {}
    for name, change in design.schedules(data).items():
        config = Trial(design.SETTING, "hvi", change).as_run("ablation", data, "runs").config()
        betas[name] = (config.trainer.warmup, config.trainer.warmup_epochs)
    epochs = config.trainer.epochs
    assert betas["none"] == ("linear", 0)
    assert betas["four fifths"] == ("linear", 4 * epochs / 5)
    if data == "digits":
        assert betas["a tenth"] == ("linear", epochs / 10)
        assert betas["all"] == ("linear", epochs)
    assert 0 < betas["default"][1] < betas["four fifths"][1]
    assert betas["cyclical, 4 cycles"][0] == "cyclical"
    assert config.trainer.cycles == 4


def test_numbers_are_those_of_the_trials(pool):
    by_trial = trials.gather(PLAN, pool, "quick", "digits")
    runs = trials.table(by_trial)
    results = {
        (t.row, t.change, seed): json.loads(path.read_text(encoding="utf-8"))
        for t, paths in by_trial.items()
        for seed, path in paths.items()
    }
    assert len(results) == len(runs) == 8
    line = (
        summary.summary(runs, "digits").set_index(["schedule", "row"]).loc[("default", "hvi_avo")]
    )
    nll = [results["hvi_avo", "defaults", seed]["nll"] for seed in (0, 1)]
    assert line.nll == pytest.approx(np.mean(nll))
    pair = summary.differences(by_trial, "digits").set_index("schedule").difference["default"]
    other = [results["hvi", "defaults", seed]["nll"] for seed in (0, 1)]
    assert pair == pytest.approx(np.mean(nll) - np.mean(other), abs=1e-4)
    spreads = summary.spread(runs).set_index(["row", "seed"])["spread"]
    both = [results["hvi", t.change, 0]["nll"] for t in PLAN if t.row == "hvi"]
    assert spreads["hvi", 0] == pytest.approx(max(both) - min(both))
    latents = summary.latents(by_trial, "digits")
    of_run = latents[(latents.row == "hvi") & (latents.seed == 1) & (latents.schedule == "default")]
    stored = results["hvi", "defaults", 1]["kl_by_latent"]
    assert of_run.kl.tolist() == sorted(stored, reverse=True)


def test_the_page_holds_both_rows_and_says_what_is_missing(pool, tmp_path):
    folder = tmp_path / "page"
    page.write(design.planned("full", "digits"), pool, folder, "quick", "digits", tmp_path / "none")
    text = (tmp_path / "page.md").read_text(encoding="utf-8")
    assert "`make reproduce-warmup PRESET=quick DATA=digits SEEDS=2`" in text
    assert "8 of 12 trials are still to be run" in text
    assert "| hvi_avo less hvi | 2 |" in text
    assert (folder / "latents.png").read_bytes().startswith(b"\x89PNG")
    assert (folder / "schedules.pdf").read_bytes().startswith(b"%PDF")
    assert len(pd.read_csv(folder / "runs.csv")) == 8
