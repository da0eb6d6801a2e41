"""The page on biased noise: its exact numbers, its training, its page."""

import dataclasses
import json
import math
import sys

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import stats

from annealed.inference.fitting import fit_posterior
from annealed.inference.normal import Normal
from annealed.inference.objectives import log_weight
from annealed.utils.errors import UsageError
from reproduce.experiments.noise import design, exact, model, page, run, summary
from reproduce.experiments.noise.__main__ import main
from reproduce.experiments.units import Place, finish
from reproduce.pages import commentary

TRUTH = model.truth()
OTHER = model.Parameters(
    torch.tensor([[0.4, -1.2], [0.9, 0.3]], dtype=torch.float64),
    torch.tensor(0.35, dtype=torch.float64),
)
TINY = design.Budget(2, steps=6, count=40, batch=20, samples=3, draws=30, hidden=4, starts=1)
CODE = {"commit": "abc"}


def closed_form(x: np.ndarray, parameters: model.Parameters) -> float:
    """log p(x) of one x by 4 N(x; 0, A A^T + sigma^2 I) P(z > 0 | x) under x = A z + sigma eps."""
    a, variance = parameters.weight.numpy(), parameters.sigma.item() ** 2
    spread = np.linalg.inv(a.T @ a / variance + np.eye(2))
    mean = spread @ a.T @ x / variance
    plain = stats.multivariate_normal(np.zeros(2), a @ a.T + variance * np.eye(2)).logpdf(x)
    return np.log(4) + plain + np.log(stats.multivariate_normal(-mean, spread).cdf(np.zeros(2)))


@pytest.mark.parametrize("parameters", [TRUTH, OTHER])
def test_log_p_is_the_closed_form(parameters):
    z, eps = torch.randn(2, 6, 2, generator=torch.Generator().manual_seed(0)).double()
    x = z.abs() @ parameters.weight.T + parameters.sigma * eps
    expected = [closed_form(one, parameters) for one in x.numpy()]
    results = exact.log_marginal(x, parameters)
    np.testing.assert_allclose(results.numpy(), expected, rtol=0, atol=1e-6)


def test_folding_four_quadrants_into_one_is_the_full_grid():
    x = model.draw(5, 0, 0)
    at, weight = exact.half_line(exact.NODES)
    at, weight = torch.cat([-at, at]), torch.cat([weight, weight])
    z = torch.cartesian_prod(at, at)
    mass = torch.cartesian_prod(weight, weight).log().sum(-1)
    target = model.FoldedLinear(OTHER.weight, OTHER.sigma.item())
    log_likelihood, log_prior = target(x, z[:, None].expand(-1, len(x), -1))
    full = (mass[:, None] + log_likelihood + log_prior).logsumexp(0)
    torch.testing.assert_close(exact.log_marginal(x, OTHER), full, rtol=0, atol=1e-10)


def test_the_density_integrates_to_one_and_the_draws_are_its():
    axis = torch.linspace(-12.0, 12.0, 161, dtype=torch.float64)
    x = torch.cartesian_prod(axis, axis)
    density = exact.log_marginal(x, TRUTH).exp() * (axis[1] - axis[0]) ** 2
    assert density.sum().item() == pytest.approx(1.0, abs=1e-8)
    draws = model.draw(20_000, 1, 0)
    mean = density @ x
    error = draws.std(0) / len(draws) ** 0.5
    assert ((draws.mean(0) - mean).abs() < 4 * error).all()
    covariance = (density[:, None] * (x - mean)).T @ (x - mean)
    torch.testing.assert_close(draws.T.cov(), covariance, rtol=0.05, atol=0.02)


def test_the_posterior_is_normalised_and_even():
    x = run.shown_points()[0]
    axis = torch.linspace(-5.0, 5.0, 201, dtype=torch.float64)
    z = torch.cartesian_prod(axis, axis)
    density = exact.log_posterior(x, TRUTH, z).exp().reshape(201, 201)
    assert (density.sum() * 0.05**2).item() == pytest.approx(1.0, abs=1e-4)
    torch.testing.assert_close(density, density.flip(0))
    torch.testing.assert_close(density, density.flip(1))
    quarter = density[101:, 101:].sum() * 0.05**2
    assert quarter.item() == pytest.approx(0.25, abs=1e-3)  # its modes lie apart


def test_the_maximum_is_one_and_is_reached_from_anywhere():
    x = model.draw(300, 0, 0)
    best, reached = exact.maximum_likelihood(x, 0, 2)
    assert len(reached) == 3
    assert max(reached) - min(reached) < 1e-9
    weight = best.weight.clone().requires_grad_()
    sigma = best.sigma.clone().requires_grad_()
    value = exact.log_marginal(x, model.Parameters(weight, sigma)).mean()
    slopes = torch.autograd.grad(value, [weight, sigma])
    assert all(slope.abs().max() < 1e-6 for slope in slopes)
    assert value.item() > exact.log_marginal(x, TRUTH).mean().item()


def test_columns_may_change_places_and_not_their_signs():
    x = model.draw(50, 0, 0)
    swapped = TRUTH._replace(weight=TRUTH.weight.flip(1))
    torch.testing.assert_close(exact.log_marginal(x, swapped), exact.log_marginal(x, TRUTH))
    turned = TRUTH._replace(weight=TRUTH.weight * torch.tensor([-1.0, 1.0]))
    assert (exact.log_marginal(x, turned) - exact.log_marginal(x, TRUTH)).mean() < -0.1
    assert model.align(swapped.weight, TRUTH.weight) == [1, 0]
    assert model.align(TRUTH.weight, TRUTH.weight) == [0, 1]


def gaussian_bound(x, weight, sigma, loc, scale):
    """The ELBO of q = N(loc, scale^2), each (N, 2), in closed form: (N,) nats.

    |z_i| is folded normal, with mean scale sqrt(2 / pi) exp(-r^2 / 2) + loc erf(r / sqrt(2)) for
    r = loc / scale, and E z_i^2 = loc^2 + scale^2; the latents are independent under q.
    """
    r = loc / scale
    mean = scale * math.sqrt(2 / math.pi) * (-0.5 * r**2).exp() + loc * torch.erf(r / 2**0.5)
    square = loc**2 + scale**2
    spread = (square - mean**2) @ weight.square().sum(0)
    distance = (x - mean @ weight.T).square().sum(-1) + spread
    log_likelihood = -0.5 * distance / sigma**2 - 2 * sigma.log() - math.log(2 * math.pi)
    return log_likelihood - 0.5 * (square - 1.0 - 2 * scale.log()).sum(-1)


def best_gaussian_bound(x, start):
    """The highest mean ELBO over A, sigma and a Gaussian of its own for each x, from `start`."""
    weight, log_sigma = start.weight.clone(), start.sigma.log().clone()
    g = torch.Generator().manual_seed(0)
    loc = 0.1 * torch.randn(x.shape, generator=g, dtype=x.dtype)
    log_scale = torch.zeros_like(x)
    free = [p.requires_grad_() for p in (weight, log_sigma, loc, log_scale)]
    lbfgs = torch.optim.LBFGS(free, max_iter=500, line_search_fn="strong_wolfe")

    def loss():
        lbfgs.zero_grad()
        value = -gaussian_bound(x, weight, log_sigma.exp(), loc, log_scale.exp()).mean()
        value.backward()
        return value

    lbfgs.step(loss)
    return log_sigma.exp().item(), -loss().item()


def test_the_closed_form_bound_is_the_packages():
    one = design.member("VAE", TINY, 0).double()
    x = model.draw(3, 0, 0)
    noise = torch.randn(1, 200_000, 3, 2, generator=torch.Generator().manual_seed(0)).double()
    with torch.no_grad():
        log_w = log_weight(one.target, x, one.posterior(x, noise))
        q, separate = one.posterior.start(x)[0], one.target.values()
        exact_bound = gaussian_bound(x, separate.weight, separate.sigma, q.loc, q.scale)
    error = log_w.std(0) / len(log_w) ** 0.5
    assert ((log_w.mean(0) - exact_bound).abs() < 4 * error).all()
    assert error.max() < 0.03


def test_the_vae_is_as_biased_as_its_bounds_own_optimum():
    x = model.draw(300, 0, 0)
    mle = exact.maximise(x, TRUTH)[0].sigma.item()
    results = [best_gaussian_bound(x, start) for start in (TRUTH, model.initial(1).values())]
    sigma, bound = max(results, key=lambda pair: pair[1])
    assert sigma - mle > 0.3
    one = design.member("VAE", design.BUDGETS["quick"], 0)
    settings = {"x": x.float(), "samples": 10, "batch_size": 100, "learning_rate": 5e-3}
    fit_posterior(one.target, one.posterior, one.objective, 1000, **settings)
    assert one.target.values().sigma.item() == pytest.approx(sigma, abs=0.03)
    with torch.no_grad():
        q, separate = one.posterior.double().start(x)[0], one.target.values()
        reached = gaussian_bound(x, separate.weight, separate.sigma, q.loc, q.scale).mean().item()
    assert bound - 0.05 < reached < bound + 1e-6  # amortised, so never above


class Standard(torch.nn.Module):
    """q(z | x) = N(0, I), whatever x."""

    def forward(self, context):
        return Normal(torch.zeros_like(context), torch.ones_like(context))


def test_the_quadrants_distance_of_an_exact_sampler_and_of_one_mode():
    g = torch.Generator().manual_seed(0)
    z = torch.randn(500, 300, 2, generator=g)
    assert run.quadrant_distance(z) == pytest.approx(run.sampler_distance(500), rel=0.05)
    assert run.quadrant_distance(z.abs()) == 0.75


def test_importance_numbers_are_those_of_the_exact_model():
    one = design.member("VAE", TINY, 0)
    one.posterior.encoder, one.posterior.head = torch.nn.Identity(), Standard()
    x = model.draw(20, 0, 0)
    results = run.importance_numbers(one, x, 20_000, 0)
    log_p = exact.log_marginal(x, one.target.values()).mean().item()
    assert -results["nll"] == pytest.approx(log_p, abs=5 * results["nll_mc_error"] + 1e-4)
    assert results["elbo"] < log_p  # its gap is a KL divergence


@pytest.mark.parametrize("row", design.ROWS)
def test_a_seed_beside_others_is_the_seed_alone(row):
    data = torch.stack([run.data(TINY, seed)[0] for seed in (0, 2)])
    both = [design.member(row, TINY, seed).double() for seed in (0, 2)]
    alone = design.member(row, TINY, 2).double()
    settings = {"samples": 3, "batch_size": 20, "learning_rate": 1e-2}
    curves = fit_posterior(
        [one.target for one in both],
        [one.posterior for one in both],
        alone.objective,
        12,
        x=data,
        seed=[0, 2],
        **settings,
    )
    fitted = alone.target, alone.posterior, alone.objective
    curve = fit_posterior(*fitted, 12, x=data[1], seed=2, **settings)
    torch.testing.assert_close(curves[:, 1], curve, rtol=0, atol=1e-9)
    for name, p in alone.named_parameters():
        torch.testing.assert_close(both[1].get_parameter(name), p, rtol=0, atol=1e-9, msg=name)
    moved = design.member(row, TINY, 2).double().target.log_sigma
    assert abs((moved - alone.target.log_sigma).item()) > 1e-3


def test_rows_of_a_seed_start_from_the_same_model_and_q0():
    first, *others = [design.member(row, TINY, 1).state_dict() for row in design.ROWS]
    for other in others:
        assert all(torch.equal(value, other[name]) for name, value in first.items())


def test_a_control_differs_from_its_row_in_the_model_alone():
    for row, control in zip(design.ROWS, design.CONTROLS, strict=True):
        actual, other = design.member(row, TINY, 1), design.member(control, TINY, 1)
        assert type(actual.objective) is type(other.objective)
        pair = zip(actual.posterior.parameters(), other.posterior.parameters(), strict=True)
        assert all(torch.equal(a, b) for a, b in pair)
        begun = other.target.values()
        torch.testing.assert_close(begun.weight, TRUTH.weight)
        assert begun.sigma.item() == pytest.approx(TRUTH.sigma.item(), abs=1e-6)
        assert (actual.target.values().weight - TRUTH.weight).abs().max() > 0.1


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The results of every row with two seeds, tiny, and its unit."""
    units = {unit.name: unit for unit in run.units(TINY, tmp_path_factory.mktemp("runs"), "full")}
    return {row: finish(unit, [0, 1], CODE)[row] for row, unit in units.items()}, units


def test_results_that_are_there_are_not_made_again(made, monkeypatch):
    results, units = made
    monkeypatch.setattr(run, "fit_posterior", None)
    for row, unit in units.items():
        assert finish(unit, [0, 1], CODE) == {row: results[row]}
        assert (
            json.loads(unit.places[row].path(0).read_text(encoding="utf-8"))["provenance"] == CODE
        )


def test_a_seed_that_is_missing_is_added_beside_the_others(made):
    results, units = made
    path = units["VAE"].places["VAE"].path(0)
    before = path.read_bytes()
    three = finish(units["VAE"], [0, 1, 2], CODE)["VAE"]
    assert three[:2] == results["VAE"]
    assert three[2]["trained_beside"] == [2]
    assert path.read_bytes() == before


def test_a_result_of_another_setup_is_refused(made):
    place = made[1]["VAE"].places["VAE"]
    other = Place(place.folder, {**place.setup, "steps": 7})
    changed = dataclasses.replace(made[1]["VAE"], places={"VAE": other})
    with pytest.raises(UsageError, match="another setup"):
        finish(changed, [0], CODE)


def test_differences_are_from_the_mle_of_the_same_seed(made):
    results, _ = made
    table = summary.seeds(results)
    mle = {r["seed"]: r for r in results[run.MLE]}
    for r in results["HVI"]:
        line = table[(table.row == "HVI") & (table.seed == r["seed"])].iloc[0]
        assert line.sigma_bias == pytest.approx(r["sigma"] - mle[r["seed"]]["sigma"])
        assert line.train_loss < 0  # nothing fits the data better than the MLE
        weights = (np.array(one["weight"]) for one in (r, mle[r["seed"]]))
        a, b = weights
        nearest = min(np.linalg.norm(a - b), np.linalg.norm(a[:, ::-1] - b))
        assert line.weight_distance == pytest.approx(nearest)
    rows = summary.rows(table).set_index("row")
    bias = table[table.row == "IWAE"].sigma_bias
    low, high = stats.t.interval(0.95, 1, bias.mean(), stats.sem(bias))
    assert rows.sigma_bias["IWAE"] == pytest.approx(bias.mean())
    assert rows.sigma_bias_half["IWAE"] == pytest.approx((high - low) / 2)
    assert rows.quadrature_error.max() < 1e-9
    start = summary.starts(table).set_index("row").loc["IWAE"]
    begun_right = table[table.row == "IWAE, from the truth"].sigma_bias
    assert start.random == pytest.approx(bias.mean())
    assert start.sigma == pytest.approx(begun_right.mean() - bias.mean())
    pair = summary.pairs(table).set_index(["row", "against"]).loc[("IWAE", "VAE")]
    gap = bias.abs().mean() - table[table.row == "VAE"].sigma_bias.abs().mean()
    assert pair.bias == pytest.approx(gap)


def test_the_gap_is_that_of_the_learned_model(made):
    results, units = made
    r = results["VAE"][1]
    parameters = model.Parameters(
        torch.tensor(r["weight"], dtype=torch.float64), torch.tensor(r["sigma"]).double()
    )
    log_p = exact.log_marginal(run.data(TINY, 1)[1], parameters).mean().item()
    assert r["gap"] == pytest.approx(log_p - r["elbo"])
    assert r["gap"] > 0
    assert math.isfinite(r["quadrant_distance"])
    z = np.load(units["VAE"].places["VAE"].arrays(1))["z"]
    assert z.shape == (run.SHOWN, len(run.LATENTS), 2)


def test_a_reading_is_shown_under_its_own_numbers_alone(made, tmp_path):
    results, units = made
    places = {row: unit.folder for row, unit in units.items()}
    note = tmp_path / "reading.md"
    note.write_text(
        f"<!-- written for none -->\nYes.\n{commentary.BREAK}\nBecause.\n", encoding="utf-8"
    )
    arguments = results, places, TINY, tmp_path / "page", "full", note
    digest = page.write(*arguments)
    assert "No conclusion is drawn here" in (tmp_path / "page" / "index.md").read_text(
        encoding="utf-8"
    )
    note.write_text(
        f"<!-- written for {digest} -->\nYes.\n{commentary.BREAK}\nBecause.\n", encoding="utf-8"
    )
    assert page.write(*arguments) == digest
    text = (tmp_path / "page" / "index.md").read_text(encoding="utf-8")
    for shown in ("Yes.", "Because.", "commit abc", "S = 30", "HVI-AVO"):
        assert shown in text
    assert str(tmp_path) not in text
    for name, start in (("bias", b"\x89PNG"), ("posteriors", b"\x89PNG")):
        assert (tmp_path / "page" / f"{name}.png").read_bytes().startswith(start)
        assert (tmp_path / "page" / f"{name}.pdf").read_bytes().startswith(b"%PDF")
    assert len(pd.read_csv(tmp_path / "page" / "seeds.csv")) == 18


def test_a_seed_that_diverged_is_counted_and_left_out(made, tmp_path):
    results, units = made
    lost = {
        k: results["IWAE"][1][k] for k in ("seed", "cpu_seconds", "trained_beside", "provenance")
    }
    results = {**results, "IWAE": [results["IWAE"][0], lost | {"status": "diverged"}]}
    page.write(results, {row: unit.folder for row, unit in units.items()}, TINY, tmp_path, "full")
    assert "| IWAE | 1 (1 diverged) |" in (tmp_path / "index.md").read_text(encoding="utf-8")


def test_a_row_whose_numbers_are_not_finite_says_so():
    one = design.member("VAE", TINY, 0)
    with torch.no_grad():
        one.target.log_sigma.fill_(math.nan)
    assert run.scored(one, TINY, 0) == {"status": "diverged"}


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (["--seeds", "0"], "--seeds is 0; accepted: 1 or more"),
        (["--jobs", "0"], "--jobs is 0; accepted: 1 or more"),
        (["--preset", "short"], "--preset is 'short'; accepted: quick, full"),
    ],
)
def test_a_wrong_option_is_refused(monkeypatch, wrong, said):
    monkeypatch.setattr(sys, "argv", ["reproduce.experiments.noise", *wrong])
    with pytest.raises(UsageError, match=said):
        main()
