"""The section on autoregressive decoders: its plan and its numbers from trials."""

import numpy as np
import pandas as pd
import pytest
from conftest import TINY

from annealed import config as configuration
from annealed.evaluation.result import RESULT
from annealed.runs.run import fit
from reproduce.experiments.collapse.nonlinear import section as nonlinear
from reproduce.results import trials
from reproduce.results.store import commit_results, every_result

PLAN = [t for t in nonlinear.plan("digits") if t.row != "hvi" and t == t.base]


@pytest.fixture(scope="module")
def pool(tmp_path_factory):
    """Two seeds of two rows under the preset's warm-up."""
    root = tmp_path_factory.mktemp("pool")
    for trial in PLAN:
        options = [*TINY, f"runs={root / 'runs'}", "trainer.replicas=2", "network.latent=3"]
        options += ["evaluate.split=validation", *trials.SETTINGS[trial.setting]]
        first = fit(configuration.load(trial.row, options))
        paths = [first.with_name(f"seed{seed}") / RESULT for seed in (0, 1)]
        assert commit_results(paths, root, trial.place) == []
    return root


@pytest.mark.parametrize(
    ("preset", "data"), [("quick", "digits"), ("ablation", "digits"), ("ablation", "mnist")]
)
def test_every_trial_has_the_autoregressive_decoder_and_a_schedule_of_its_own(preset, data):
    configs = [trial.as_run(preset, data, "runs").config() for trial in nonlinear.plan(data)]
    assert all(config.network.decoder == "autoregressive" for config in configs)
    kinds = {(c.row, c.trainer.warmup, c.trainer.warmup_epochs > 0) for c in configs}
    assert len(kinds) == 9


def test_the_section_shows_what_the_trials_found(pool):
    section = nonlinear.section(pool, "quick", "digits")
    results = {(one.row, one.seed): one.read() for one in every_result(pool)}
    assert len(results) == len(section.results) == 4
    line = section.frames["nonlinear_digits"].set_index("row").loc["vae"]
    values = [results["vae", seed]["mutual_information"] for seed in (0, 1)]
    assert line.mutual_information == pytest.approx(np.mean(values))
    (text,) = section.tables
    gap = np.mean([results["hvi_avo", s]["nll"] - results["vae", s]["nll"] for s in (0, 1)])
    assert f"{gap:+.2f} ±" in text
    assert "7 of 9 trials are still to be run" in "\n".join(section.blocks)
    assert len(section.figures["nonlinear_digits"].axes[1].lines) == 2


def test_seeds_that_diverged_are_counted_and_a_row_without_others_is_named():
    numbers = dict.fromkeys(nonlinear.MEASURES, 1.0)
    runs = pd.DataFrame(
        [
            {"row": "vae", "change": trials.DEFAULTS, "status": "finished", **numbers},
            {"row": "vae", "change": trials.DEFAULTS, "status": "diverged"},
            {"row": "hvi", "change": trials.DEFAULTS, "status": "diverged"},
        ]
    )
    text = nonlinear.table({}, nonlinear.summary(runs), "")
    assert "| linear | vae | 1 (1 diverged) | 1.00 |" in text
    assert "| linear | hvi | 0 (1 diverged) | - |" in text
    assert "diverged" not in nonlinear.summary(runs[:1])
