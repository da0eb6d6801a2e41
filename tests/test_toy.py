import math

import pytest
import torch

from annealed import energies, randomness
from reproduce import toy, toy_score

SCALE = [1.5, 0.7]


def replicas(method, seeds, count=3):
    made = [toy.posterior(method, count, SCALE, 8, seed).double() for seed in seeds]
    return toy.Replicas(made), made


def noise_of(made, seeds):
    shape = (made[0].draws, 6, 1, 2)
    return torch.stack(
        [randomness.normal(shape, s, "posterior", 0, dtype=torch.float64) for s in seeds]
    )


@pytest.mark.parametrize("method", ["iaf", "householder", "hvi"])
@pytest.mark.parametrize(
    ("name", "coin"), [("elbo", 0.0), ("avo", 0.0), ("mixture", 0.1), ("mixture", 0.9)]
)
def test_gradients_side_by_side_are_those_of_each_seed_alone(method, name, coin):
    seeds, target = [0, 3, 5], energies.energy("d")
    stacked, _ = replicas(method, seeds)
    alone = [toy.posterior(method, 3, SCALE, 8, seed).double() for seed in seeds]
    noise = noise_of(alone, seeds)
    bound = toy.Bound(target, stacked.model, toy.objective(name, 3))
    value = stacked.value(bound, noise, coin)
    value.sum().backward()
    for r, q in enumerate(alone):
        own = toy.Bound(target, q, toy.objective(name, 3))(noise[r], coin)
        own.backward()
        torch.testing.assert_close(value[r], own, rtol=0, atol=1e-10)
        for key, p in q.named_parameters():
            expected = torch.zeros_like(p) if p.grad is None else p.grad
            torch.testing.assert_close(
                stacked.state[key].grad[r], expected, rtol=0, atol=1e-10, msg=key
            )


def test_a_seed_trained_beside_others_is_the_seed_trained_alone():
    target, phases = energies.energy("d"), [("avo", 3), ("mixture", 10), ("elbo", 3)]
    together, _ = replicas("iaf", [0, 1])
    toy.train(target, together, phases, [0, 1], 2, 4, 1e-2)
    alone, _ = replicas("iaf", [1])
    toy.train(target, alone, phases, [1], 2, 4, 1e-2)
    for name, p in alone.state.items():
        torch.testing.assert_close(together.state[name][1], p[0], rtol=0, atol=1e-10, msg=name)


@pytest.mark.parametrize("name", ["elbo", "avo"])
def test_iaf_learns_a_correlated_gaussian(name):
    target = energies.correlated_gaussian(0.8)
    made = [toy.posterior("iaf", 2, [2.0, 2.0], 8, seed) for seed in (0, 1)]
    found = toy.Replicas(made)
    curve = toy.train(target, found, [(name, 500)], [0, 1], 2, 32, 2e-2)
    for index in (0, 1):
        _, log_w = toy_score.draw(target, found.one(index), 2, 4000, index)
        assert toy_score.divergences(log_w, 0.0)["kl"] < 0.03
    assert len(curve) == 50


@pytest.mark.parametrize("method", ["householder", "iaf"])
def test_the_kl_of_a_gaussian_pair_is_the_closed_form(method):
    covariance = torch.tensor([[1.0, 0.6], [0.6, 2.0]], dtype=torch.float64)
    q = toy.posterior(method, 0, SCALE, 8, 0)
    _, log_w = toy_score.draw(energies.gaussian(covariance), q, 2, 100_000, 0)
    found = toy_score.divergences(log_w, 0.0)
    spread = torch.tensor(SCALE, dtype=torch.float64).square().diag()
    exact = energies.gaussian_kl(spread, covariance)
    assert abs(found["kl"] - exact) < 4 * found["kl_mc_error"] < 0.05


def test_a_reflection_leaves_a_round_gaussian_and_the_spectrum_of_any():
    q = toy.posterior("householder", 3, [2.0, 0.5], 8, 0)
    z, log_w = toy_score.draw(energies.energy("d"), q, 2, 20_000, 0)
    assert torch.linalg.eigvalsh(z.T.cov()).tolist() == pytest.approx([0.25, 4.0], rel=0.05)
    assert torch.isfinite(log_w).all()
    round_q = toy.posterior("householder", 3, [1.0, 1.0], 8, 0)
    _, log_w = toy_score.draw(energies.correlated_gaussian(0.0), round_q, 2, 1000, 0)
    assert toy_score.divergences(log_w, 0.0)["kl"] == pytest.approx(0.0, abs=1e-6)


def test_total_variation_and_a_density_that_is_lost_outside():
    assert toy_score.total_variation(torch.tensor(energies.MASSES)) == 0.0
    assert toy_score.total_variation(torch.tensor([0.0, 0.0, 1.0, 0.0])) == pytest.approx(0.6)
    z = torch.tensor([[0.5, 0.5], [0.5, 0.5], [-0.5, 0.5], [9.0, 0.0]])
    density = toy_score.histogram(z, 1.0, 2)
    torch.testing.assert_close(density, torch.tensor([[0.0, 0.25], [0.0, 0.5]]))


def test_log_weights_without_a_limit_are_told_as_null():
    found = toy_score.divergences(torch.tensor([0.0, -math.inf, 1.0]), 0.0)
    assert found["kl"] is None
