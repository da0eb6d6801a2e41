import math

import pytest
import torch

from annealed import energies, randomness
from annealed.replicas import Replicas, turn
from reproduce import toy, toy_score

SCALE = [1.5, 0.7]


def toys(method, seeds, count=3, target="d"):
    made = [toy.posterior(method, count, SCALE, 8, seed).double() for seed in seeds]
    return Replicas([toy.Toy(energies.energy(target), q) for q in made])


@pytest.mark.parametrize("method", ["iaf", "householder", "hvi"])
@pytest.mark.parametrize(
    ("name", "choice"), [("elbo", 0.0), ("avo", 1.0), ("mixture", 1.0), ("mixture", 0.0)]
)
def test_gradients_side_by_side_are_those_of_each_seed_alone(method, name, choice):
    seeds = [0, 3, 5]
    together, alone = toys(method, seeds), [toys(method, [seed]) for seed in seeds]
    for replicas in (together, *alone):
        for member in replicas.members:
            member.objective = toy.objective(name, 3)
    shape = (together.members[0].posterior.draws, 6, 1, 2)
    noise = torch.stack(
        [randomness.normal(shape, s, "posterior", 0, dtype=torch.float64) for s in seeds]
    )
    value = together.backward((noise,), choice)
    for r, own in enumerate(alone):
        expected = own.backward((noise[r : r + 1],), choice)
        torch.testing.assert_close(value[r : r + 1], expected, rtol=0, atol=1e-10)
        for (key, p), (_, q) in zip(
            together.named_parameters(), own.named_parameters(), strict=True
        ):
            assert (p.grad is None) == (q.grad is None), key
            if q.grad is not None:
                mine = turn(p.grad, together.turned)[r]
                torch.testing.assert_close(mine, q.grad[0], rtol=0, atol=1e-10, msg=key)


def test_a_seed_trained_beside_others_is_the_seed_trained_alone():
    lengths = {"avo": 3, "mixture": 10, "elbo": 3}
    phases = [(toy.objective(name, 3), length) for name, length in lengths.items()]
    together, alone = toys("iaf", [0, 1]), toys("iaf", [1])
    toy.train(together, phases, [0, 1], 4, 1e-2)
    toy.train(alone, phases, [1], 4, 1e-2)
    mine, own = together.stacked(), alone.stacked()
    for name, p in mine.items():
        torch.testing.assert_close(p[1], own[name][0], rtol=0, atol=1e-10, msg=name)


@pytest.mark.parametrize("name", ["elbo", "avo"])
def test_iaf_learns_a_correlated_gaussian(name):
    target = energies.correlated_gaussian(0.8)
    made = [toy.posterior("iaf", 2, [2.0, 2.0], 8, seed) for seed in (0, 1)]
    replicas = Replicas([toy.Toy(target, q) for q in made])
    curve = toy.train(replicas, [(toy.objective(name, 2), 500)], [0, 1], 32, 2e-2)
    for seed, q in enumerate(made):
        _, log_w = toy_score.draw(target, q, 2, 4000, seed)
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
