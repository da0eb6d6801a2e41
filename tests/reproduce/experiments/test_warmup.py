"""The page on warm-up: its plan, its numbers from trials."""

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
        options = [*TINY, f"runs={root / 'runs' / trial.place}", "trainer.replicas=2"]
        options += ["evaluate.split=validation", "network.latent=4"]
        options += [] if trial == trial.base else [trial.change]
        first = fit(configuration.load(trial.row, options))
        paths = [first.with_name(f"seed{seed}") / RESULT for seed in (0, 1)]
        assert commit_results(paths, root, trial.place) == []
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
        (t.row, t.change, seed): one.read()
        for t, by_seed in by_trial.items()
        for seed, one in by_seed.items()
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


NLL = {  # by row and schedule, of three seeds; None diverged
    ("hvi", "none"): [30.0, 31.0, 32.0],
    ("hvi", "default"): [20.0, 20.0, 20.0],
    ("hvi_avo", "none"): [None, None, None],
    ("hvi_avo", "default"): [21.0, None, 21.0],
    ("hvi_avo", "cyclical, 4 cycles"): [22.0, 22.0, 22.0],
    ("hvi", "cyclical, 4 cycles"): [23.0, 23.0, None],
}


def table(nll):
    """`trials.table` of runs with these NLLs."""
    changes, lines = design.schedules("mnist"), []
    for (row, name), values in nll.items():
        for seed, value in enumerate(values):
            line = {"row": row, "change": changes[name], "seed": seed, "status": "diverged"}
            numbers = dict.fromkeys(summary.MEASURES, value)
            lines.append(line if value is None else {**line, **numbers, "status": "finished"})
    return pd.DataFrame(lines)


def test_a_row_is_not_more_robust_for_having_diverged():
    runs = table(NLL)
    spreads = summary.spread(runs)
    assert spreads.to_numpy().tolist() == [["hvi", 0, 10.0], ["hvi", 1, 11.0]]
    assert summary.left_out(runs) == {"hvi": 1, "hvi_avo": 3}
    text = page.spread_table(spreads)
    assert "hvi_avo" not in text
    assert "schedule of the page: seeds, 1 of hvi, 3 of hvi_avo." in page.left_out(
        summary.left_out(runs)
    )


def test_seeds_that_diverged_are_counted_and_a_row_without_others_is_named():
    text = page.schedules_table(summary.summary(table(NLL), "mnist"), pd.DataFrame())
    assert "| none | hvi | 3 | 31.00 ± 2.48 |" in text
    assert "| none | hvi_avo | 0 (3 diverged) | - |" in text
    assert "| default | hvi_avo | 2 (1 diverged) | 21.00 ± 0.00 |" in text
    whole = table({key: values for key, values in NLL.items() if None not in values})
    assert "diverged" not in summary.summary(whole, "mnist")
    assert page.left_out({}) == ""
