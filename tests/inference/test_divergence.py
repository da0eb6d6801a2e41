import math

import pytest
import torch
from gaussians import gaussian_kl

from annealed.evaluation.result import trusted_k
from annealed.inference.divergence import K_MOST, divergences, estimate, histogram, sample
from annealed.models import energies
from reproduce.experiments import paths

SCALE = [1.5, 0.7]


@pytest.mark.parametrize("method", ["householder", "iaf"])
def test_the_kl_of_a_gaussian_pair_is_the_closed_form(method):
    covariance = torch.tensor([[1.0, 0.6], [0.6, 2.0]], dtype=torch.float64)
    q = paths.posterior(method, 0, SCALE, 8, 0)
    _, log_w = sample(energies.gaussian(covariance), q, 100_000)
    actual = divergences(log_w, 0.0)
    spread = torch.tensor(SCALE, dtype=torch.float64).square().diag()
    exact = gaussian_kl(spread, covariance)
    assert abs(actual["kl"] - exact) < 4 * actual["kl_mc_error"] < 0.05


def test_a_reflection_leaves_a_round_gaussian_and_the_spectrum_of_any():
    q = paths.posterior("householder", 3, [2.0, 0.5], 8, 0)
    z, log_w = sample(energies.energy("d"), q, 20_000)
    assert torch.linalg.eigvalsh(z.T.cov()).tolist() == pytest.approx([0.25, 4.0], rel=0.05)
    assert torch.isfinite(log_w).all()
    round_q = paths.posterior("householder", 3, [1.0, 1.0], 8, 0)
    _, log_w = sample(energies.correlated_gaussian(0.0), round_q, 1000)
    assert divergences(log_w, 0.0)["kl"] == pytest.approx(0.0, abs=1e-6)


def test_a_density_that_is_lost_outside():
    z = torch.tensor([[0.5, 0.5], [0.5, 0.5], [-0.5, 0.5], [9.0, 0.0]])
    density = histogram(z, 1.0, 2)
    torch.testing.assert_close(density, torch.tensor([[0.0, 0.25], [0.0, 0.5]]))


def test_log_weights_without_a_limit_are_told_as_null():
    actual = divergences(torch.tensor([0.0, -math.inf, 1.0]), 0.0)
    assert actual["kl"] is None


def test_the_worst_k_hat_is_a_number_and_neither_the_best_nor_none_is():
    one = torch.randn(1_000_000, generator=torch.Generator().manual_seed(0)) - 2000.0
    one[0] = 0.0
    assert estimate(one).k_hat.item() == math.inf
    assert divergences(one, 0.0)["k_hat"] == K_MOST > trusted_k(len(one))
    assert divergences(torch.zeros(500), 0.0)["k_hat"] is None
    assert divergences(torch.arange(10.0), 0.0)["k_hat"] is None  # too few for a tail


def test_draws_do_not_depend_on_how_many_are_asked_for_beyond_a_block():
    q = paths.posterior("hvi", 2, SCALE, 8, 0)
    z, log_w = sample(energies.energy("d"), q, 25_000)
    more, others = sample(energies.energy("d"), q, 30_000)
    assert z.shape == (25_000, 2)
    torch.testing.assert_close(more[:25_000], z)
    torch.testing.assert_close(others[:25_000], log_w)


def test_no_draw_comes_twice_in_any_block_or_of_another_seed():
    q = paths.posterior("hvi", 2, SCALE, 8, 0)
    draws = [sample(energies.energy("d"), q, 25_000, seed)[0] for seed in (0, 1)]
    assert len(torch.cat(draws).unique(dim=0)) == 50_000


def test_log_z_of_a_scaled_gaussian_by_its_own_proposal_is_exact():
    q = paths.posterior("hvi", 0, [1.0, 1.0], 8, 0)
    target = energies.gaussian(torch.eye(2, dtype=torch.float64))
    _, log_w = sample(target, q, 500)
    actual = estimate(log_w + 2.5)
    assert actual.log_prob.item() == pytest.approx(2.5, abs=1e-6)
    assert actual.std_error.item() == pytest.approx(0.0, abs=1e-6)
    assert str(actual).startswith("log Z = 2.5000 nats, standard error 0.0000, ESS 500, k-hat ")


def test_without_a_known_log_z_what_needs_it_is_null():
    actual = divergences(torch.randn(100, generator=torch.Generator().manual_seed(0)), None)
    assert actual["kl"] is None
    assert actual["log_z_error"] is None
    assert actual["log_z_mc_error"] > 0.0
