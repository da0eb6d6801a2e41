"""The ablation: its design, its numbers from committed results, its page."""

import numpy as np
import pandas as pd
import pytest
from conftest import TINY
from scipy import stats

from annealed import config as configuration
from annealed.config.datasets import BINARY
from annealed.evaluation.result import RESULT
from annealed.runs.folders import run_folder
from annealed.runs.run import fit
from annealed.utils.errors import UsageError
from reproduce.experiments.ablations import design, page, summary
from reproduce.experiments.ablations.design import planned
from reproduce.pages import trial_page
from reproduce.results import trials
from reproduce.results.store import commit_results, committed_results
from reproduce.results.trials import Trial

BASE = Trial("all images", "vae")
OTHER = Trial("all images", "vae", "optimiser.learning_rate=5e-4")


@pytest.fixture(scope="module")
def pool(tmp_path_factory):
    """Two seeds of a row's defaults and of one change, in a pool of results."""
    root = tmp_path_factory.mktemp("pool")
    for trial in (BASE, OTHER):
        runs = root / "runs" / trial.place
        options = [*TINY, f"runs={runs}", "trainer.replicas=2", "evaluate.split=validation"]
        options += [trial.change] if trial == OTHER else []
        first = fit(configuration.load("vae", options))
        paths = [first.with_name(f"seed{seed}") / RESULT for seed in (0, 1)]
        assert commit_results(paths, root, trial.place) == []
    return root


@pytest.mark.parametrize("data", BINARY)
def test_every_planned_trial_has_a_valid_configuration_and_a_folder_of_its_own(data):
    trials, budget = design.read(data)
    configs = [trial.as_run("ablation", data, "runs", replicas=3).config() for trial in trials]
    assert len({run_folder(config) for config in configs}) == len(configs)
    for trial, config in zip(trials, configs, strict=True):
        assert config.evaluate.split == "validation"
        defaults = trial.base.as_run("ablation", data, "runs", replicas=3).config()
        same = {**configuration.to_dict(config), "runs": defaults.runs}
        assert (trial == trial.base) == (same == configuration.to_dict(defaults)), trial
    rows = [trial.row for trial in trials if trial.setting == "all images"]
    assert all(rows.count(row) >= budget for row in ("vae", "hvi", "hvi_avo", "iaf"))
    assert {trial.setting for trial in planned("quick", data)} == {"all images"}
    assert planned("full", data) == trials


def test_defaults_come_before_their_changes():
    trials, _ = design.read("mnist")
    assert all(trials.index(t.base) <= trials.index(t) for t in trials)


def test_numbers_are_those_of_the_kept_runs(pool):
    results = trials.gather([BASE, OTHER], pool, "quick", "digits")
    table = trials.table(results)
    (_, one) = committed_results("quick", "digits", pool, OTHER.place)
    result = one.read()
    metrics = pd.read_csv(next((pool / "runs" / OTHER.place).rglob("seed1/metrics.csv")))
    best = metrics.loc[metrics["val/elbo"].idxmax()]
    line = table[(table.change == OTHER.change) & (table.seed == 1)].iloc[0]
    assert line.nll == result["nll"]
    assert result["test_images"] == len(one.log_prob())
    assert line.gap == pytest.approx(best["train/elbo"] - best["val/elbo"])
    effects = summary.effects([BASE, OTHER], table, results, budget=1).set_index("change")
    assert list(effects.trial) == [1, 2]
    assert list(effects.in_budget) == [True, False]
    pairs = table.pivot(index="seed", columns="change", values="nll")
    each = pairs[OTHER.change] - pairs["defaults"]
    low, high = stats.t.interval(0.95, 1, each.mean(), stats.sem(each))
    assert effects.difference[OTHER.change] == pytest.approx(each.mean(), abs=1e-4)
    assert effects.t_low[OTHER.change] == pytest.approx(low, abs=1e-3)
    assert effects.t_high[OTHER.change] == pytest.approx(high, abs=1e-3)
    assert np.isnan(effects.difference["defaults"])


def test_the_best_of_a_budget_looks_at_no_trial_beyond_it():
    lines = [("vae", "defaults", 1, True, 9.0), ("vae", "a", 2, True, 8.0)]
    lines += [("vae", "b", 3, False, 7.0), ("hvi", "defaults", 1, True, 8.5)]
    table = pd.DataFrame(lines, columns=["row", "change", "trial", "in_budget", "nll"])
    table = table.assign(setting="s", seeds=1, nll_half=np.nan)
    best = summary.equal_budget(table, "s").set_index("row")
    assert best.choice["vae"] == "a"
    assert best.best["vae"] == 8.0
    assert best.defaults["vae"] == 9.0
    assert best.choice["hvi"] == "defaults"


def test_rows_are_compared_under_shared_choices_and_where_the_plan_says_so(pool):
    results = trials.gather([BASE, OTHER], pool, "quick", "digits")
    base, other = results[BASE], results[OTHER]
    long = Trial("all images", "hvi_avo", "trainer.epochs=25")
    known = {BASE: base, Trial("all images", "hvi"): other, long: base, OTHER: other}
    (shared, extra) = summary.rows(known, [(long, Trial("all images", "hvi"))]).itertuples()
    assert (shared.row, shared.choice, shared.against) == ("hvi", "defaults", "vae")
    assert (extra.row, extra.choice, extra.against) == ("hvi_avo", "trainer.epochs=25", "hvi")
    assert shared.difference == pytest.approx(-extra.difference)
    assert [(one.change, other.row) for one, other in design.matched("digits")] == [
        ("trainer.epochs=500", "hvi")
    ]


def test_a_result_on_test_images_is_refused(pool, tmp_path):
    options = [*TINY, f"runs={tmp_path}", "trainer.epochs=1"]
    commit_results([fit(configuration.load("vae", options)) / RESULT], tmp_path, BASE.place)
    results = trials.gather([BASE], tmp_path, "quick", "digits")
    with pytest.raises(UsageError, match="was scored on test, not on validation"):
        trials.table(results)


def test_trials_go_where_the_command_line_says(monkeypatch, tmp_path):
    asked = []
    monkeypatch.setattr(trials, "run", lambda *arguments: asked.append(arguments[-1]) or [])
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,6")
    options = ["--preset", "quick", "--data", "digits", "--runs", str(tmp_path)]
    for where in (["--devices", "0,1", "--threads", "2"], ["--jobs", "3"], ["--gpus", "1"]):
        monkeypatch.setattr("sys.argv", ["ablations", *options, *where])
        with pytest.raises(UsageError, match=r"has no trial of this page|is of --engine ray"):
            trial_page.run("ablations", "", planned, page.write)
    placed = [(engine.jobs, engine.threads, engine.devices) for engine in asked]
    assert placed == [(2, 2, ["4", "6"]), (3, 1, [])]


def test_kept_trials_are_not_made_again_where_only_missing_ones_are_asked_for(pool):
    plan = [BASE, OTHER, Trial("all images", "hvi")]
    assert trials.missing(plan, pool, "quick", "digits", 2) == {plan[2]: 0}
    further = trials.missing(plan, pool, "quick", "digits", 3)
    assert further == {BASE: 2, OTHER: 2, plan[2]: 0}
    run = BASE.as_run("quick", "digits", "runs", further[BASE], replicas=1)
    assert run.config().seed == 2


def test_trials_that_take_a_gpu_are_left_out_without_one_and_named(monkeypatch, tmp_path, capsys):
    kept, taking = (Trial("all images", "vae", c) for c in ("defaults", "trainer.precision=tf32"))
    asked = []
    monkeypatch.setattr(trials, "run", lambda made, *_: asked.append(list(made)) or [])
    options = ["--preset", "quick", "--data", "digits", "--runs", str(tmp_path)]
    monkeypatch.setattr("sys.argv", ["ablations", *options])
    for here in (False, True):
        monkeypatch.setattr("torch.cuda.is_available", lambda here=here: here)
        with pytest.raises(UsageError, match="has no trial of this page"):
            trial_page.run("ablations", "", lambda *_: [kept, taking], page.write)
    assert asked == [[kept], [kept, taking]]
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith("left out")
    assert line.endswith(": vae (all images, trainer.precision=tf32)")


def test_what_a_plan_rounds_to_tensorfloat_32_takes_a_gpu():
    plan = planned("full", "mnist")
    configs = {trial: trial.as_run("ablation", "mnist", "runs").config() for trial in plan}
    rounded = [trial for trial in plan if configs[trial].trainer.precision == "tf32"]
    assert [trial for trial in plan if trial.takes_gpu] == rounded != []


def test_the_page_alone_takes_no_image(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ANNEALED_DATA", str(tmp_path))
    monkeypatch.setattr("sys.argv", ["ablations", "--preset", "full", "--page"])
    with pytest.raises(UsageError, match="has no trial of this page"):  # not: MNIST is not there
        trial_page.run("ablations", "", planned, page.write)


def test_the_page_says_what_was_run_and_what_was_not(pool, tmp_path):
    plan, folder = [BASE, OTHER, Trial("all images", "hvi")], tmp_path / "page"
    arguments = plan, pool, folder, "quick", "digits"
    written = page.write(*arguments, tmp_path / "none", budget=2)
    text = (tmp_path / "page.md").read_text(encoding="utf-8")
    assert "1 of 3 trials are still to be run" in text
    assert "No conclusion is drawn here" in text
    assert "| `optimiser.learning_rate=5e-4` | 2 |" in text
    assert (folder / "effects.png").read_bytes().startswith(b"\x89PNG")
    assert len(pd.read_csv(folder / "runs.csv")) == 4
    note = tmp_path / "reading.md"
    note.write_text(f"<!-- {written} -->\nIt matters.\n", encoding="utf-8")
    page.write(*arguments, note, budget=2)
    assert "It matters." in (tmp_path / "page.md").read_text(encoding="utf-8")


def test_a_reading_of_avo_is_set_against_hvi_of_the_same_start_and_kernel():
    tried = design.readings("mnist")
    assert len({reading.name for reading in tried}) == len(tried) == 7
    for reading in tried:
        assert (reading.hvi.row, reading.hvi_avo.row) == ("hvi", "hvi_avo")
        hvi, avo = (t.as_run("ablation", "mnist", "runs").config() for t in reading[:0:-1])
        assert hvi.posterior == avo.posterior
        assert hvi.method_options.transitions == avo.method_options.transitions
        assert {reading.hvi, reading.hvi_avo} <= set(planned("full", "mnist"))
    assert design.readings("digits") == []


def test_a_reading_has_its_options_and_the_difference_of_its_own_pair(tmp_path):
    change = "posterior.start=prior method.avo.train_decoder=every method.transitions.sigma=1.0"
    start = "posterior.start=prior method.transitions.sigma=1.0"
    pair = Trial("100 epochs", "hvi_avo", change), Trial("100 epochs", "hvi", start)
    for trial in pair:
        options = [*TINY, f"runs={tmp_path / trial.place}", *trial.change.split()]
        options += ["trainer.replicas=2", "evaluate.split=validation"]
        first = fit(configuration.load(trial.row, options))
        paths = [first.with_name(f"seed{seed}") / RESULT for seed in (0, 1)]
        assert commit_results(paths, tmp_path / "pool", trial.place) == []
    results = trials.gather(list(pair), tmp_path / "pool", "quick", "digits")
    unmade = design.Reading("unmade", pair[0], Trial("100 epochs", "hvi"))
    table = summary.readings(results, [design.Reading("tried", *pair), unmade])
    (line,) = table.itertuples()
    options = (line.start, line.sigma, line.gate_bias, line.train_decoder, line.train_encoder)
    assert options == ("prior", 1.0, -2.0, "every", False)
    avo, hvi = ([results[t][s].read()["nll"] for s in (0, 1)] for t in pair)
    assert (line.hvi_avo, line.hvi) == pytest.approx((np.mean(avo), np.mean(hvi)))
    assert line.difference == pytest.approx(np.mean(avo) - np.mean(hvi), abs=1e-4)
    assert "| tried | prior | 1 | -2 | every | none |" in page.readings_table(table)
