import math
import sys

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import stats

from annealed.inference.objectives import ObjectiveInputs
from annealed.utils.errors import UsageError
from reproduce.experiments import paths
from reproduce.experiments.corners import design, figures, page, run, summary, tables, targets
from reproduce.experiments.corners.__main__ import main
from reproduce.experiments.units import finish
from reproduce.pages import commentary

TINY = design.Budget(steps=4, samples=4, draws=200, points=50, hidden=4)
CODE = {"commit": "abc"}
ALL = [
    targets.FAR,
    targets.NEAR,
    *(targets.modes_name(dim) for dim in targets.DIMENSIONS),
    *(targets.funnel_name(dim) for dim in targets.FUNNELS),
]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Two cases of tiny settings with two seeds, and where they are."""
    runs = tmp_path_factory.mktemp("runs")
    every = design.cases()
    small = {"tuned": every["tuned"], "funnel": every["funnel"]}
    settings = dict.fromkeys(line.setting for case in small.values() for line in case.lines)
    units = {setting: run.unit(setting, TINY, runs, "quick") for setting in settings}
    results = {s: finish(unit, [0, 1], CODE)[s] for s, unit in units.items()}
    return small, results, {setting: unit.folder for setting, unit in units.items()}, runs


@pytest.mark.parametrize("name", ALL)
def test_the_exact_masses_are_those_of_exact_samples(name):
    goal = targets.target(name)
    z = goal.sample(40_000, 0, 0)
    assert z.shape == (40_000, len(goal.scale))
    shares = goal.shares(z)
    torch.testing.assert_close(shares, torch.tensor(goal.masses), rtol=0, atol=0.01)
    assert goal.view(z).shape == (40_000, 2)
    assert goal.energy.log_z == 0.0
    assert not torch.equal(z, goal.sample(40_000, 0, 1))


def test_a_start_that_does_not_reach_the_far_modes_finds_none():
    goal = targets.target(targets.FAR)
    z = torch.randn(10_000, 2, generator=torch.Generator().manual_seed(0))
    assert (goal.shares(z) < 0.1 * torch.tensor(goal.masses)).all()


@pytest.mark.parametrize("dim", targets.DIMENSIONS)
def test_the_start_is_equally_far_from_the_modes_in_every_dimension(dim):
    goal = targets.target(targets.modes_name(dim))
    z = torch.randn(200_000, dim, generator=torch.Generator().manual_seed(dim))
    log_q = torch.distributions.Normal(0.0, 1.0).log_prob(z).sum(1)
    kl = (log_q - goal.energy.log_density(z)).double()
    flat = targets.target(targets.modes_name(2)).energy.log_density
    axis = torch.linspace(-9.0, 9.0, 401, dtype=torch.float64)
    points = torch.cartesian_prod(axis, axis)
    log_0 = -0.5 * points.square().sum(1) - math.log(2.0 * math.pi)
    exact = ((log_0 - flat(points)) * log_0.exp()).sum().item() * (axis[1] - axis[0]).item() ** 2
    assert kl.mean().item() == pytest.approx(exact, abs=5 * kl.std().item() / len(z) ** 0.5)


def test_a_setting_of_several_cases_is_trained_once_and_every_folder_is_one_settings(tmp_path):
    settings = design.settings()
    places = [run.folder(tmp_path, "full", setting) for setting in settings]
    assert len(set(places)) == len(set(settings)) == len(settings)
    for case in design.cases().values():
        assert {line.against for line in case.lines} <= set(settings)
        assert len({line.label for line in case.lines}) == len(case.lines)
    for setting in settings:
        assert run.objective(setting, 1.0).alphas[-1] == 1.0
        assert sum(steps for _, steps in run.setup(setting, TINY)["phases"]) in (2, 4)


def test_rho_0_is_the_elbo_and_one_transition_makes_avo_the_elbo():
    setting = design.mixed(targets.FAR, 1, 1.0)
    goal = targets.target(setting.target)
    q = paths.posterior("hvi", 1, goal.scale, 4, 0)
    noise = torch.randn(q.num_draws, 8, 1, 2, generator=torch.Generator().manual_seed(1))
    values = []
    for objective in (
        run.objective(setting, 0.0),
        run.objective(setting, 1.0),
        paths.objective("elbo", 1),
    ):
        step = ObjectiveInputs(
            goal.energy, q, torch.ones(1, 1), noise, mode=objective.draw_mode(0.5)
        )
        values.append(sum(part.sum() for part, _ in objective(step)))
    slopes = [torch.autograd.grad(value, list(q.parameters())) for value in values]
    for value, slope in zip(values[:2], slopes[:2], strict=True):
        torch.testing.assert_close(value, values[2])
        for actual, alone in zip(slope, slopes[2], strict=True):
            torch.testing.assert_close(actual, alone)


def test_fine_tuning_goes_on_from_the_row_it_is_compared_with(made):
    small, results, _, _ = made
    lines = {line.label: line.setting for line in small["tuned"].lines}
    half = results[lines[f"{targets.NEAR}, AVO, half the steps"]]
    both = results[lines[f"{targets.NEAR}, the same, then ELBO"]]
    for a, b in zip(half, both, strict=True):
        assert b["curve"][: len(a["curve"])] == a["curve"]
        assert len(b["curve"]) == 2 * len(a["curve"])


def test_differences_are_paired_by_seed_and_a_reference_has_none(made):
    small, results, _, _ = made
    rows = summary.by_row(results, small, summary.by_seed(results, small))
    rows = rows.set_index(["case", "row"])
    name = targets.funnel_name(10)
    a, b = ([r["kl"] for r in results[design.mixed(name, design.SHORT, rho)]] for rho in (1.0, 0.0))
    gap = np.subtract(a, b)
    low, high = stats.t.interval(0.95, 1, gap.mean(), stats.sem(gap))
    line = rows.loc[("funnel", f"{name}, AVO")]
    assert line.kl_difference == pytest.approx(gap.mean())
    assert line.kl_difference_half == pytest.approx((high - low) / 2)
    assert np.isnan(rows.loc[("funnel", f"{name}, ELBO"), "kl_difference"])
    assert line.training_cpu_seconds >= 0


def test_a_marginal_kl_is_stated_where_its_bounds_are_tight_alone(made):
    small, results, _, _ = made
    name = targets.funnel_name(10)
    settings = [design.mixed(name, design.SHORT, rho) for rho in (1.0, 0.0)]

    def line(apart):
        bounds = {"kl_marginal": 0.5, "kl_marginal_low": 0.5 - apart}
        known = {setting: [{**r, **bounds} for r in results[setting]] for setting in settings}
        known[settings[0]] = [{**r, "kl_marginal": 0.52} for r in known[settings[0]]]
        every = {**results, **known}
        rows = summary.by_row(every, small, summary.by_seed(every, small))
        return rows.set_index(["case", "row"]).loc[("funnel", f"{name}, AVO")]

    assert line(0.05).kl_marginal_difference == pytest.approx(0.02)
    assert np.isnan(line(0.2).kl_marginal)
    assert np.isnan(line(0.2).kl_marginal_difference)
    assert np.isfinite(line(0.2).kl_difference)


def test_the_table_counts_the_seeds_whose_marginal_kl_is_stated(made):
    small, results, _, _ = made
    name = targets.funnel_name(10)
    setting = design.mixed(name, design.SHORT, 1.0)

    def output(*apart):
        pairs = zip(results[setting], apart, strict=True)
        known = [{**r, "kl_marginal": 0.5, "kl_marginal_low": 0.5 - a} for r, a in pairs]
        every = {**results, setting: known}
        rows = summary.by_row(every, small, summary.by_seed(every, small))
        table = tables.case(rows[rows.case == "funnel"], small["funnel"], TINY.draws)
        (line,) = (line for line in table.splitlines() if line.startswith(f"| {name}, AVO |"))
        return line.split(" | ")[1]

    assert output(0.05, 0.2) == "0.500 (0.450; 1 of 2 seeds)"
    assert output(0.05, 0.05).endswith("(0.450)")
    assert output(0.2, 0.2) == "-"


def test_results_are_not_made_again_and_another_setup_is_refused(made, monkeypatch):
    _, results, _, runs = made
    setting = next(iter(results))
    monkeypatch.setattr(run, "fit_posterior", None)
    unit = run.unit(setting, TINY, runs, "quick")
    assert finish(unit, [0, 1], CODE) == {setting: results[setting]}
    with pytest.raises(UsageError, match="another setup"):
        finish(run.unit(setting, design.Budget(steps=5), runs, "quick"), [0], CODE)


def test_a_reading_is_shown_case_by_case_under_its_own_numbers_alone(made, tmp_path, monkeypatch):
    small, results, places, _ = made
    monkeypatch.setattr(figures, "every", lambda *a: {"funnel": figures.funnels(places, 0)})
    note, folder = tmp_path / "reading.md", tmp_path / "page"
    arguments = results, small, places, TINY, folder, "full", note
    numbers = page.write(*arguments)
    assert "No conclusion is drawn here" in (folder / "index.md").read_text(encoding="utf-8")
    note.write_text(
        f"<!-- written for {numbers} -->\nAll.\n{commentary.BREAK}\nOne.\n", encoding="utf-8"
    )
    with pytest.raises(UsageError, match="1 parts after its answer; cases: 2"):
        page.write(*arguments)
    parts = f"\n{commentary.BREAK}\n".join(["All.", "One.", "Two."])
    note.write_text(f"<!-- written for {numbers} -->\n{parts}\n", encoding="utf-8")
    assert page.write(*arguments) == numbers
    text = (folder / "index.md").read_text(encoding="utf-8")
    titles = [f"## {case.title}" for case in small.values()]
    at = [text.index(part) for part in ("All.", titles[0], "One.", titles[1], "Two.")]
    assert at == sorted(at)
    assert "commit abc" in text
    assert str(tmp_path) not in text
    assert (folder / "funnel.png").read_bytes().startswith(b"\x89PNG")
    assert len(pd.read_csv(folder / "seeds.csv")) == 2 * sum(len(c.lines) for c in small.values())


def test_the_digest_does_not_depend_on_how_fast_a_machine_was(made, tmp_path, monkeypatch):
    small, results, places, _ = made
    monkeypatch.setattr(figures, "every", lambda *a: {})

    def changed(name):
        """The results with more of one number."""
        return {s: [{**r, name: r[name] + 9.0} for r in rs] for s, rs in results.items()}

    different = results, changed("training_cpu_seconds"), changed("kl")
    numbers = [page.write(rs, small, places, TINY, tmp_path, "quick") for rs in different]
    assert numbers[0] == numbers[1] != numbers[2]


def test_a_seed_that_diverged_is_counted_and_left_out(made, tmp_path, monkeypatch):
    small, results, places, _ = made
    monkeypatch.setattr(figures, "every", lambda *a: {})
    setting = design.mixed(targets.funnel_name(2), design.SHORT, 1.0)
    lost = {"seed": 1, "status": "diverged", "kl": None, "log_z_error": None, "k_hat": None}
    lost |= {"training_cpu_seconds": 1.0, "provenance": CODE}
    results = {**results, setting: [results[setting][0], lost]}
    page.write(results, small, places, TINY, tmp_path, "full")
    assert "(1 of 2 diverged)" in (tmp_path / "index.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("wrong", [["--seeds", "0"], ["--jobs", "0"], ["--preset", "short"]])
def test_a_wrong_argument_is_refused(monkeypatch, wrong):
    monkeypatch.setattr(sys, "argv", ["reproduce.experiments.corners", *wrong])
    with pytest.raises(UsageError, match=f"{wrong[0]} is"):
        main()
