"""The page on posterior collapse: the linear VAE's closed forms, its training, its page."""

import dataclasses
import json
import shutil
import sys

import numpy as np
import pandas as pd
import pytest
import torch
from conftest import ROOT

from annealed.evaluation.latents import moment_kl
from annealed.inference.avo import AVO
from annealed.inference.fitting import fit_posterior
from annealed.inference.normal import Normal
from annealed.inference.objectives import log_weight
from annealed.inference.posteriors import Posterior
from annealed.models.targets import LinearGaussian
from annealed.utils.errors import UsageError
from reproduce.experiments import page_work
from reproduce.experiments.collapse import page
from reproduce.experiments.collapse.__main__ import main
from reproduce.experiments.collapse.linear import (
    design,
    optimum,
    run,
    score,
    section,
    summary,
    tables,
)
from reproduce.experiments.units import Place, finish
from reproduce.pages import commentary
from reproduce.results import trials

X = design.data()
SPECTRUM = optimum.spectrum(X)
LEVELS = design.variances(SPECTRUM, design.ACTIVE)
TINY = design.Budget(2, steps=6, active=(4, 0), batch=20, draws=30, counted=40, hidden=4)
CODE = {"commit": "abc"}


def model(point: optimum.Point, variance: float) -> LinearGaussian:
    """The model at a stationary point."""
    return LinearGaussian(point.weight, point.bias, variance**0.5)


@pytest.mark.parametrize("variance", LEVELS)
def test_the_optimums_log_p_is_that_of_its_model(variance):
    best = optimum.optimum(SPECTRUM, variance, design.LATENT)
    results = model(best, variance).log_marginal(X).mean().item()
    assert best.log_p == pytest.approx(results, abs=1e-9)


@pytest.mark.parametrize("kept", [[0, 1, 2, 3], [1, 3], [0, 4, 2], []])
def test_kept_eigenvalues_make_a_stationary_point_and_only_the_largest_a_maximum(kept):
    variance = LEVELS[design.ACTIVE.index(7)]
    point = optimum.stationary(SPECTRUM, variance, kept, 4)
    target = model(point, variance)
    value = target.log_marginal(X).mean()
    slopes = torch.autograd.grad(value, [target.weight, target.bias])
    assert all(slope.abs().max() < 1e-8 for slope in slopes)
    assert point.log_p == pytest.approx(value.item(), abs=1e-9)
    best = optimum.optimum(SPECTRUM, variance, 4)
    missing = [i for i in range(4) if i not in kept]
    if not missing:
        assert point.log_p == pytest.approx(best.log_p)
        g = torch.Generator().manual_seed(0)
        for _ in range(20):
            moved = 1e-2 * torch.randn(*point.weight.shape, generator=g, dtype=torch.float64)
            near = LinearGaussian(point.weight + moved, point.bias, variance**0.5)
            assert near.log_marginal(X).mean() < value
    else:
        assert point.log_p < best.log_p
        column = len(kept) if len(kept) < 4 else 3
        moved = torch.zeros_like(point.weight)
        moved[:, column] = 1e-3 * SPECTRUM.vectors[:, missing[0]]
        near = LinearGaussian(point.weight + moved, point.bias, variance**0.5)
        assert near.log_marginal(X).mean() > value  # a saddle: one way leads up


class Exact(torch.nn.Module):
    """The posterior of a stationary point as a head that reads x."""

    def __init__(self, point):
        super().__init__()
        self.point = point

    def forward(self, x):
        loc = (x - self.point.bias) @ self.point.reading.T
        return Normal(loc, self.point.scale.expand_as(loc))


def test_at_the_optimum_every_weight_is_log_p_and_the_rates_are_those_of_q():
    variance = LEVELS[design.ACTIVE.index(5)]
    best = optimum.optimum(SPECTRUM, variance, design.LATENT)
    target, q = model(best, variance), Posterior(torch.nn.Identity(), Exact(best))
    noise = torch.randn(1, 3, len(X), design.LATENT, generator=torch.Generator().manual_seed(0))
    log_w = log_weight(target, X, q(X, noise.double()))
    torch.testing.assert_close(log_w, target.log_marginal(X).expand(3, -1), rtol=0, atol=1e-9)
    assert log_w.mean().item() == pytest.approx(best.log_p)
    rates = score.gaussian_rates(q.start(X)[0]).mean(0)
    torch.testing.assert_close(rates, best.rates, rtol=0, atol=1e-10)
    torch.testing.assert_close(optimum.direction_rates(best.weight, variance), best.rates)


def test_the_optimum_counts_what_the_eigenvalues_say():
    counts = []
    for active, variance in zip(design.ACTIVE, LEVELS, strict=True):
        best = optimum.optimum(SPECTRUM, variance, design.LATENT)
        above = int((SPECTRUM.values[: design.LATENT] > variance).sum())
        assert above == active
        counts.append(optimum.collapsed(best.rates))
    assert counts == [design.LATENT - active for active in design.ACTIVE]
    assert len(set(counts)) == len(counts)


def test_what_cannot_be_kept_is_refused():
    with pytest.raises(ValueError, match="cannot keep eigenvalues"):
        optimum.stationary(SPECTRUM, SPECTRUM.values[2].item(), [0, 2], 4)
    with pytest.raises(ValueError, match="with 1 latents"):
        optimum.stationary(SPECTRUM, 0.01, [0, 1], 1)


def test_a_rotation_of_the_latents_changes_no_direction():
    variance = LEVELS[2]
    best = optimum.optimum(SPECTRUM, variance, design.LATENT)
    g = torch.Generator().manual_seed(0)
    square = torch.randn(design.LATENT, design.LATENT, generator=g, dtype=torch.float64)
    turn, _ = torch.linalg.qr(square)
    rates = optimum.direction_rates(best.weight @ turn, variance)
    torch.testing.assert_close(rates, best.rates, rtol=0, atol=1e-9)


def test_rates_from_draws_are_those_of_the_gaussian_without_bias():
    g = torch.Generator().manual_seed(0)
    q = Normal(torch.tensor([[0.0, 0.3, 0.0]]), torch.tensor([[1.0, 1.0, 0.5]]))
    draws = q.rsample(torch.randn(20, 40_000, 3, generator=g))
    results = moment_kl(draws.double())
    error = results.std(0) / len(results) ** 0.5
    exact = score.gaussian_rates(q)[0].double()
    assert ((results.mean(0) - exact).abs() < 4 * error).all()
    assert error.max() < 0.001  # the bias that is taken out is 0.05
    assert exact.tolist() == pytest.approx([0.0, 0.045, 0.3181], abs=1e-4)


@pytest.mark.parametrize("row", design.ROWS)
def test_a_noise_and_seed_beside_others_is_the_one_alone(row):
    pairs = [(LEVELS[0], 0), (LEVELS[0], 1), (LEVELS[4], 1)]

    def trained(wanted):
        members = [design.member(row, TINY, s, v, X.shape[1]).double() for v, s in wanted]
        targets, posteriors = zip(*((one.target, one.posterior) for one in members), strict=True)
        settings = {"samples": TINY.samples(row), "batch_size": TINY.batch, "x": X}
        settings |= {"learning_rate": TINY.rate, "beta": design.beta(row, 12)}
        seeds, goal = [seed for _, seed in wanted], members[0].objective
        curve = fit_posterior(targets, posteriors, goal, 12, seed=seeds, **settings)
        return members, curve.tolist()

    (together, curve), (alone, separate) = trained(pairs), trained(pairs[2:])
    assert [bound[2] for bound in curve] == pytest.approx(
        [bound[0] for bound in separate], abs=1e-8
    )
    for name, p in alone[0].named_parameters():
        beside = together[2].get_parameter(name)
        torch.testing.assert_close(beside, p, rtol=0, atol=1e-9, msg=name)
    assert curve[-1][1] != pytest.approx(curve[-1][2], abs=1e-3)  # the noise differs
    assert curve[-1][0] != pytest.approx(curve[-1][1], abs=1e-6)  # the seed differs


def test_the_elbo_finds_the_optimum_of_a_few_latents(monkeypatch):
    monkeypatch.setattr(design, "LATENT", 3)
    size = design.Budget(1, steps=1500, active=(), rate=2e-2)
    variance = LEVELS[design.ACTIVE.index(3)]
    one = design.member("ELBO", size, 0, variance, X.shape[1])
    settings = {"x": X.float(), "samples": 1, "batch_size": size.batch, "learning_rate": size.rate}
    fit_posterior(one.target, one.posterior, one.objective, size.steps, **settings)
    best = optimum.optimum(SPECTRUM, variance, 3)
    results = one.target.double().log_marginal(X).mean().item()
    assert -0.05 < results - best.log_p < 0.0
    start = design.member("ELBO", size, 0, variance, X.shape[1]).target.double()
    assert start.log_marginal(X).mean().item() < best.log_p - 1.0


def test_warm_ups_and_objectives_are_those_of_their_rows():
    assert [design.beta("ELBO", 100)(s) for s in (0, 99)] == [1.0, 1.0]
    warm = design.beta("ELBO, warm-up", 100)
    assert [warm(s) for s in (0, 12, 24, 60)] == pytest.approx([0.04, 0.52, 1.0, 1.0])
    cyclical = [design.beta("ELBO, cyclical", 100)(s) for s in (0, 24, 25, 99)]
    assert cyclical[0] == cyclical[2] < cyclical[1] == cyclical[3] == 1.0
    assert isinstance(design.objective("HVI-AVO", 1), AVO)
    assert design.objective("IWAE", 5).samples == TINY.samples("IWAE") == 5


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The results of every row with two seeds, tiny, and its unit."""
    units = run.units(TINY, tmp_path_factory.mktemp("runs"), "full")
    by_row = {row: unit for unit in units for row in unit.places}
    return {row: finish(unit, [0, 1], CODE)[row] for row, unit in by_row.items()}, by_row


def test_results_that_are_there_are_not_made_again(made, monkeypatch):
    results, units = made
    monkeypatch.setattr(run, "fit_posterior", None)
    for row, unit in units.items():
        assert finish(unit, [0, 1], CODE) == {row: results[row]}
    place = units["HVI"].places["HVI"]
    assert json.loads(place.path(1).read_text(encoding="utf-8"))["setup"] == place.setup
    other = {"HVI": Place(place.folder, {**place.setup, "steps": 7})}
    with pytest.raises(UsageError, match="another setup"):
        finish(dataclasses.replace(units["HVI"], places=other), [0], CODE)


def test_the_numbers_of_a_row_are_exact_and_counted_by_the_rule(made):
    results, _ = made
    table = summary.seeds(results)
    assert len(table) == len(design.ROWS) * 2 * 2
    assert (table.log_p_loss < 0).all()
    assert set(table.exact) == {8, 12}
    for p in results["HVI"][1]["points"]:
        line = table[(table.row == "HVI") & (table.seed == 1) & (table.variance == p["variance"])]
        assert line.by_q.item() == sum(rate < 0.01 for rate in p["rates"])
        assert line.by_decoder.item() == sum(rate < 0.01 for rate in p["directions"])
        assert p["rates"] == sorted(p["rates"], reverse=True)
    assert (table.gap > 0).all()
    rows = summary.rows(table).set_index(["row", "variance"])
    of_row = table[(table.row == "IWAE") & (table.variance == LEVELS[-1])]
    assert rows.log_p_loss["IWAE", LEVELS[-1]] == pytest.approx(of_row.log_p_loss.mean())
    assert rows.same_by_q["IWAE", LEVELS[-1]] == (of_row.by_q == 12).sum()


def test_a_model_that_diverged_is_one_of_all_models_of_its_row(made):
    results, _ = made
    points = results["HVI"][0]["points"]
    lost = [{**p, "status": "diverged"} for p in points]
    one = {"HVI": [{**results["HVI"][0], "points": [points[0], lost[1]]}, results["HVI"][1]]}
    none = {"IWAE": [{**results["IWAE"][0], "points": lost}]}
    text = tables.overall(summary.rows(summary.seeds({**one, **none})))
    counts = {line.split("|")[1].strip(): line for line in text.splitlines()}
    assert counts["HVI"].count(" of 4 |") == 2
    assert counts["IWAE"].startswith("| IWAE | 0 of 2 | 0 of 2 | - |")


def test_a_scored_model_is_scored_by_its_exact_log_p():
    one = design.member("ELBO", TINY, 0, LEVELS[3], X.shape[1])
    results = score.scored(one, X, TINY, 0, LEVELS[3])
    with torch.no_grad():
        log_p = one.target.double().log_marginal(X)
    assert results["log_p"] == pytest.approx(log_p.mean().item(), abs=1e-6)
    one.target.float()
    estimate, _ = score.sampled(one, X[:20], 3000, 0)
    exact = log_p[:20].mean().item()
    assert -estimate["nll"] <= exact + 5 * estimate["nll_mc_error"]
    assert estimate["elbo"] < exact


def test_a_reading_is_shown_under_its_own_numbers_alone(made, tmp_path):
    results, _ = made
    note = tmp_path / "reading.md"
    note.write_text(
        f"<!-- written for none -->\nYes.\n{commentary.BREAK}\nBecause.\n", encoding="utf-8"
    )
    sections, folder = [section.section(results, TINY)], tmp_path / "page"
    digest = page.write(sections, 2, folder, "full", note)
    assert "No conclusion is drawn here" in (folder / "index.md").read_text(encoding="utf-8")
    note.write_text(
        f"<!-- written for {digest} -->\nYes.\n{commentary.BREAK}\nBecause.\n", encoding="utf-8"
    )
    assert page.write(sections, 2, folder, "full", note) == digest
    text = (folder / "index.md").read_text(encoding="utf-8")
    for shown in (
        "Yes.",
        "Because.",
        "commit abc",
        "SEEDS=2",
        "2 seeds",
        "S = 30",
        "## The linear VAE",
    ):
        assert shown in text
    for name in ("linear_counts", "linear_spectra"):
        assert (folder / f"{name}.png").read_bytes().startswith(b"\x89PNG")
        assert (folder / f"{name}.pdf").read_bytes().startswith(b"%PDF")
    assert len(pd.read_csv(folder / "linear_seeds.csv")) == len(design.ROWS) * 4
    ranked = pd.read_csv(folder / "linear_rates.csv")
    assert len(ranked) == len(design.ROWS) * 4 * design.LATENT


def test_a_second_section_follows_the_first(made, tmp_path):
    results, _ = made
    first = section.section(results, TINY)
    second = dataclasses.replace(first, title="Another", blocks=["text"], figures={}, frames={})
    one = page.write([first], 2, tmp_path, "quick")
    two = page.write([first, second], 2, tmp_path, "quick")
    text = (tmp_path / "index.md").read_text(encoding="utf-8")
    assert text.index("## The linear VAE") < text.index("## Another\n\ntext")
    assert "SMOKE RUN" in text
    assert one != two


def test_a_model_that_diverged_is_counted_and_left_out(made, tmp_path):
    one = design.member("ELBO", TINY, 0, LEVELS[0], X.shape[1])
    with torch.no_grad():
        one.target.weight.fill_(np.nan)
    lost = score.scored(one, X, TINY, 0, LEVELS[0])
    assert lost == {"variance": LEVELS[0], "status": "diverged"}
    results, _ = made
    first, second = results["IWAE"]
    points = [*second["points"][:1], {**second["points"][1], "status": "diverged"}]
    results = {**results, "IWAE": [first, {**second, "points": points}]}
    page.write([section.section(results, TINY)], 2, tmp_path, "full")
    assert "(1 diverged)" in (tmp_path / "index.md").read_text(encoding="utf-8")


def test_with_missing_neither_committed_units_nor_committed_trials_are_made(monkeypatch, tmp_path):
    shutil.copytree(ROOT / "reports" / "results", tmp_path / "reports" / "results")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(page, "make", lambda source, folder: "none")
    done, asked = [], []
    monkeypatch.setattr(page_work, "run", lambda _, works: done.extend(w.done() for w in works))
    monkeypatch.setattr(trials, "run", lambda planned, *_: asked.extend(planned) or [])
    options = ["--preset", "full", "--missing", "--runs", str(tmp_path / "runs")]
    monkeypatch.setattr(sys, "argv", ["reproduce.experiments.collapse", *options])
    main()
    assert done
    assert all(done)
    assert asked == []


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (["--seeds", "0"], "--seeds is 0; accepted: 1 or more"),
        (["--preset", "short"], "--preset is 'short'; accepted: quick, full"),
    ],
)
def test_a_wrong_option_is_refused(monkeypatch, wrong, said):
    monkeypatch.setattr(sys, "argv", ["reproduce.experiments.collapse", *wrong])
    with pytest.raises(UsageError, match=said):
        main()
