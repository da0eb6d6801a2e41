"""The thermodynamic objective against its integral by quadrature, and its limits."""

import math
from itertools import pairwise

import pytest
import torch
from conftest import noise_for, posterior
from torch import nn
from torch.distributions import Normal

import annealed as al
from annealed.inference.objectives import ObjectiveInputs, elbo, iwae, log_weight
from annealed.inference.thermodynamic import Thermodynamic

X = torch.zeros(1, 1, dtype=torch.float64)


class OneLatent(nn.Module):
    """log f(z; theta), not Gaussian and not normalised, with a parameter."""

    def __init__(self):
        super().__init__()
        self.theta = nn.Parameter(torch.tensor([0.7, -0.3], dtype=torch.float64))

    def forward(self, x, z):
        a, b = self.theta
        return -0.25 * (z[..., 0] - a).pow(4) + b * z[..., 0], -0.5 * z[..., 0].square()


class Start(nn.Module):
    """N(mu, exp(s)^2) for every x."""

    def __init__(self):
        super().__init__()
        self.mu = nn.Parameter(torch.tensor([0.4], dtype=torch.float64))
        self.s = nn.Parameter(torch.tensor([-0.2], dtype=torch.float64))

    def forward(self, context):
        return al.Normal(self.mu.expand(len(context), 1), self.s.exp().expand(len(context), 1))


def one_dimensional():
    """A target and a posterior of one latent."""
    return OneLatent(), al.Posterior(nn.Identity(), Start())


def riemann(target, q, betas):
    """sum_k (b_{k+1} - b_k) E_{pi_{b_k}}[log w] by quadrature, differentiable."""
    z = torch.linspace(-9, 9, 4001, dtype=torch.float64)
    base = q.head(X)
    log_q = Normal(base.loc[0, 0], base.scale[0, 0]).log_prob(z)
    log_w = sum(target(X, z[:, None, None]))[:, 0] - log_q
    total = 0.0
    for low, high in pairwise(betas):
        total = total + (high - low) * ((log_q + low * log_w).softmax(0) * log_w).sum()
    return total


def test_value_and_gradient_are_those_of_the_riemann_sum():
    target, q = one_dimensional()
    objective = Thermodynamic(200_000, 4, first_beta=0.2)
    parameters = [*target.parameters(), *q.parameters()]
    expected = riemann(target, q, objective.betas)
    slopes = torch.autograd.grad(expected, parameters)
    for p, slope in zip(parameters, slopes, strict=True):  # of the quadrature itself
        for i in range(len(p)):
            with torch.no_grad():
                p[i] += 1e-5
                high = riemann(target, q, objective.betas)
                p[i] -= 2e-5
                low = riemann(target, q, objective.betas)
                p[i] += 1e-5
            assert (high - low).item() / 2e-5 == pytest.approx(slope[i].item(), abs=1e-7)
    values, gradients = [], []
    for seed in range(12):
        g = torch.Generator().manual_seed(seed)
        noise = torch.randn(1, objective.samples, 1, 1, generator=g, dtype=torch.float64)
        ((value, _),) = objective(ObjectiveInputs(target, q, X, noise))
        values.append(value.detach())
        gradients.append(torch.cat(torch.autograd.grad(value.sum(), parameters)))
    for draws, exact in ((values, expected.reshape(1)), (gradients, torch.cat(slopes))):
        draws = torch.stack(draws)
        error = draws.std(0) / len(draws) ** 0.5
        assert (error < 0.01).all()
        assert ((draws.mean(0) - exact).abs() < 5 * error + 1e-4).all()


def test_one_partition_is_the_elbo_in_value_and_expected_gradient():
    target, q = one_dimensional()
    objective = Thermodynamic(400_000, 1)
    assert objective.betas == [0.0, 1.0]
    g = torch.Generator().manual_seed(0)
    noise = torch.randn(1, objective.samples, 1, 1, generator=g, dtype=torch.float64)
    parameters = [*target.parameters(), *q.parameters()]
    bound = elbo(log_weight(target, X, q(X, noise)))
    ((value, _),) = objective(ObjectiveInputs(target, q, X, noise))
    torch.testing.assert_close(value, bound, rtol=0, atol=1e-12)
    pathwise = torch.autograd.grad(bound.sum(), parameters)
    for actual, expected in zip(
        torch.autograd.grad(value.sum(), parameters), pathwise, strict=True
    ):
        torch.testing.assert_close(actual, expected, rtol=0.02, atol=0.02)


@pytest.mark.parametrize("samples", [2, 3, 10])
def test_the_gradient_at_beta_zero_is_unbiased_with_few_samples(samples):
    target, q = one_dimensional()
    parameters = [*target.parameters(), *q.parameters()]
    exact = torch.cat(torch.autograd.grad(riemann(target, q, [0.0, 1.0]), parameters))
    objective, images = Thermodynamic(samples, 1), 100_000
    x = X.expand(images, 1)
    gradients = []
    for seed in range(12):
        g = torch.Generator().manual_seed(seed)
        noise = torch.randn(1, samples, images, 1, generator=g, dtype=torch.float64)
        ((value, _),) = objective(ObjectiveInputs(target, q, x, noise))
        gradients.append(torch.cat(torch.autograd.grad(value.mean(), parameters)))
    draws = torch.stack(gradients)
    error = draws.std(0) / len(draws) ** 0.5
    assert (error < 0.02).all()
    assert ((draws.mean(0) - exact).abs() < 5 * error).all()


@pytest.mark.parametrize("spacing", ["linear", "geometric"])
def test_many_partitions_are_the_importance_weighted_bound_of_the_same_draws(
    linear_gaussian, spacing
):
    target, x = linear_gaussian
    q = posterior("gaussian")
    noise = noise_for(q, 6, len(x))
    expected = iwae(log_weight(target, x, q(x, noise)))
    errors = []
    for partitions in (1, 4, 16, 2000):
        objective = Thermodynamic(6, partitions, spacing, first_beta=1 / (2 * partitions))
        objective = objective if partitions > 1 else Thermodynamic(6, 1)
        ((value, _),) = objective(ObjectiveInputs(target, q, x, noise))
        assert (value <= expected + 1e-12).all()
        errors.append((expected - value).max().item())
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < 0.02 * errors[0]


def test_the_sum_rises_to_log_z_with_its_partitions():
    target, q = one_dimensional()
    z = torch.linspace(-9, 9, 4001, dtype=torch.float64)
    log_z = sum(target(X, z[:, None, None])).logsumexp(0).item() + math.log((z[1] - z[0]).item())
    sums = [riemann(target, q, Thermodynamic(2, k, "linear").betas).item() for k in (1, 2, 8, 500)]
    assert sums == sorted(sums)
    assert sums[-1] < log_z
    assert sums[-1] == pytest.approx(log_z, abs=0.01)


def test_a_warm_up_of_the_rate_is_in_every_weight(linear_gaussian):
    target, x = linear_gaussian
    q = posterior("gaussian")
    noise = noise_for(q, 6, len(x))
    ((value, terms),) = Thermodynamic(6, 2, "linear")(ObjectiveInputs(target, q, x, noise, 0.3))
    log_w = terms.log_likelihood - 0.3 * terms.rate
    expected = 0.5 * log_w.mean(0) + 0.5 * ((0.5 * log_w).softmax(0) * log_w).sum(0)
    torch.testing.assert_close(value, expected)


def test_it_fits_a_gaussian_to_anyones_target():
    target = al.Energy(lambda z: -0.5 * ((z - 1.0) / torch.tensor([0.5, 2.0])).square().sum(-1))
    torch.manual_seed(0)
    q = al.Posterior(nn.Identity(), al.GaussianHead(1, 2))
    al.fit_posterior(target, q, Thermodynamic(64, 5), steps=800, samples=64, learning_rate=0.03)
    base, _ = q.start(torch.ones(1, 1))
    torch.testing.assert_close(base.loc[0], torch.ones(2), rtol=0, atol=0.1)
    torch.testing.assert_close(base.scale[0], torch.tensor([0.5, 2.0]), rtol=0.1, atol=0)


def test_what_it_cannot_do_is_refused(linear_gaussian):
    target, x = linear_gaussian
    for arguments, problem in (((1, 5), "from 2; got 1"), ((5, 0), "partitions is 0; accepted")):
        with pytest.raises(ValueError, match=problem):
            Thermodynamic(*arguments)
    q = posterior(2)
    with pytest.raises(ValueError, match="a posterior without steps"):
        list(Thermodynamic(5, 5)(ObjectiveInputs(target, q, x, noise_for(q, 5, len(x)))))
