import math

import pytest
import torch
from gaussians import gaussian_kl

from annealed.inference.annealed_path import AnnealedPosterior
from annealed.inference.divergence import divergences, sample
from annealed.inference.langevin import Langevin
from annealed.inference.marginal_kl import log_densities, marginal_kl
from annealed.inference.normal import Normal
from annealed.models import energies
from annealed.utils import randomness
from reproduce.experiments import paths

SCALE = [1.5, 0.7]


def contracting(share, sigma, count):
    """Refinements to N((1 - share) z, sigma^2): from a Gaussian, every marginal is one."""
    q = paths.posterior("hvi", count, SCALE, 8, 0)
    with torch.no_grad():
        for step in q.transitions:
            for p in step.ahead.parameters():
                p.zero_()
            bias = step.ahead.heads.bias
            bias[2:4], bias[4:] = math.log(share / (1 - share)), math.log(math.expm1(sigma))
    return q


@pytest.mark.parametrize(("share", "sigma", "count"), [(0.3, 0.5, 1), (0.5, 0.8, 3)])
def test_the_bounds_enclose_the_kl_of_a_gaussian_marginal(share, sigma, count):
    covariance = torch.tensor([[1.0, 0.6], [0.6, 2.0]], dtype=torch.float64)
    variance = torch.tensor(SCALE, dtype=torch.float64) ** 2
    for _ in range(count):
        variance = (1 - share) ** 2 * variance + sigma**2
    exact = gaussian_kl(variance.diag(), covariance)
    q = contracting(share, sigma, count)
    actual = marginal_kl(energies.gaussian(covariance), q, 0.0, 20_000, 2000, 0)
    slack = 4 * actual["kl_marginal_mc_error"]
    assert actual["kl_marginal_low"] - slack < exact < actual["kl_marginal"] + slack
    assert 0 < actual["kl_marginal"] - actual["kl_marginal_low"] < 0.01
    assert slack < 0.06


def test_the_bounds_enclose_the_kl_of_a_langevin_path_whose_marginals_are_gaussian():
    covariance, h = torch.tensor([[1.0, 0.0], [0.0, 2.0]], dtype=torch.float64), 0.2
    target, variance = energies.gaussian(covariance), torch.tensor(SCALE, dtype=torch.float64) ** 2
    steps = [Langevin(2, step_size=h) for _ in range(3)]
    q = AnnealedPosterior.unconditional(2, SCALE, steps, target=target)
    precision, start = 1 / covariance.diagonal(), 1 / variance
    for alpha in (1 / 3, 2 / 3, 1.0):
        slope = (1 - alpha) * start + alpha * precision
        variance = (1 - h * slope) ** 2 * variance + 2 * h
    exact = gaussian_kl(variance.diag(), covariance)
    actual = marginal_kl(target, q, 0.0, 20_000, 2000, 0)
    slack = 4 * actual["kl_marginal_mc_error"]
    assert actual["kl_marginal_low"] - slack < exact < actual["kl_marginal"] + slack
    assert 0 < actual["kl_marginal"] - actual["kl_marginal_low"] < 0.01
    assert slack < 0.06


def test_more_particles_bring_the_bounds_together():
    q, target = contracting(0.3, 0.2, 2), energies.energy("d")
    wide, narrow = (marginal_kl(target, q, target.log_z, 500, m, 0) for m in (20, 2000))
    gaps = [actual["kl_marginal"] - actual["kl_marginal_low"] for actual in (wide, narrow)]
    assert 0 < 10 * gaps[1] < gaps[0]


def test_the_path_s_kl_is_above_the_marginal_s():
    q, target = paths.posterior("hvi", 4, SCALE, 8, 1), energies.energy("d")
    actual = marginal_kl(target, q, target.log_z, 5000, 5000, 0)
    _, log_w = sample(target, q, 10_000)
    path = divergences(log_w, target.log_z)
    slack = 4 * (path["kl_mc_error"] + actual["kl_marginal_mc_error"])
    assert path["kl"] > actual["kl_marginal"] - slack
    assert actual["kl_marginal_low"] > 0


def test_every_pair_has_the_density_of_the_kernel():
    z = randomness.normal((4, 3), 0, "posterior", 0)
    loc, scale = (randomness.normal((5, 1, 3), 0, "posterior", k) for k in (1, 2))
    kernels = Normal(loc, scale.exp())
    expected = Normal(kernels.loc.double(), kernels.scale.double()).log_prob(z[None].double()).T
    torch.testing.assert_close(log_densities(z, kernels), expected, rtol=0, atol=1e-9)
