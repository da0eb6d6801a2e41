import pytest
import torch
from conftest import D, H
from torch import distributions

from annealed.inference.transitions import MeanField, Refinement, ResidualRefinement

S, B = 4, 5


@pytest.fixture
def inputs():
    g = torch.Generator().manual_seed(0)
    z, noise = torch.randn(2, S, B, D, generator=g, dtype=torch.float64)
    return z, torch.randn(B, H, generator=g, dtype=torch.float64), noise


@pytest.fixture
def step():
    torch.manual_seed(0)
    return Refinement(D, H, hidden=4, sigma=0.3).double()


def literal_kernel(kernel, z, context):
    """The design's equations, one unit after another, as a torch distribution."""
    hidden = z @ kernel.from_z.weight.T + kernel.from_z.bias
    hidden = torch.nn.functional.elu(hidden + context @ kernel.from_context.weight.T)
    weights = kernel.heads.weight.split(D)
    biases = kernel.heads.bias.split(D)
    m, gate, s = (hidden @ w.T + b for w, b in zip(weights, biases, strict=True))
    gate = 1 / (1 + torch.exp(-gate))
    scale = torch.log1p(torch.exp(s)) + 1e-6
    return distributions.Normal(gate * m + (1 - gate) * z, scale)


def test_log_ratio_is_that_of_the_two_densities(step, inputs):
    z, context, noise = inputs
    new, log_ratio = step(z, context, noise)
    q = literal_kernel(step.ahead, z, context)
    r = literal_kernel(step.back, new, context)
    torch.testing.assert_close(new, q.loc + q.scale * noise, rtol=0, atol=1e-12)
    expected = q.log_prob(new).sum(-1) - r.log_prob(z).sum(-1)
    torch.testing.assert_close(log_ratio, expected, rtol=0, atol=1e-10)


def test_a_mean_field_steps_log_ratio_is_that_of_the_two_densities(inputs):
    torch.manual_seed(0)
    step = MeanField(D, H, hidden=4).double()
    z, context, noise = inputs
    new, log_ratio = step(z, context, noise)
    scale = torch.nn.functional.softplus(step.scale(context)) + 1e-6
    q = distributions.Normal(z, scale.expand_as(z))
    r = literal_kernel(step.back, new, context)
    torch.testing.assert_close(new, z + scale * noise, rtol=0, atol=1e-12)
    expected = q.log_prob(new).sum(-1) - r.log_prob(z).sum(-1)
    torch.testing.assert_close(log_ratio, expected, rtol=0, atol=1e-10)


@pytest.mark.parametrize("sigma", [0.05, 0.3])
def test_starts_near_the_identity_and_as_quiet_as_asked(sigma):
    torch.manual_seed(0)
    step = Refinement(D, H, hidden=40, sigma=sigma, gate_bias=-2.0).double()
    torch.nn.init.zeros_(step.ahead.heads.weight)
    z = torch.randn(1, 2, D, dtype=torch.float64)
    kernel = step.ahead(z, torch.randn(2, H, dtype=torch.float64))
    torch.testing.assert_close(kernel.scale, torch.full_like(z, sigma), rtol=1e-3, atol=0)
    moved = (kernel.loc - z).norm() / (z - step.ahead.heads.bias[:D]).norm()
    assert moved < 0.13  # sigmoid(-2) = 0.119


def test_a_residual_kernel_is_its_equations(inputs):
    torch.manual_seed(0)
    step = ResidualRefinement(D, H, hidden=7, sigma=0.3).double()
    for kernel in (step.ahead, step.back):
        torch.nn.init.normal_(kernel.heads.weight)
        torch.nn.init.normal_(kernel.heads.bias)

    def literal(kernel, z, context):
        hidden = z @ kernel.from_z.weight.T + kernel.from_z.bias
        hidden = (hidden + context @ kernel.from_context.weight.T).clamp_min(0.0)
        change, scale = (hidden @ kernel.heads.weight.T + kernel.heads.bias).split(D, -1)
        return distributions.Normal(z + change, torch.log1p(torch.exp(scale)) + 1e-6)

    z, context, noise = inputs
    new, log_ratio = step(z, context, noise)
    q = literal(step.ahead, z, context)
    torch.testing.assert_close(new, q.loc + q.scale * noise, rtol=0, atol=1e-12)
    r = literal(step.back, new, context)
    expected = q.log_prob(new).sum(-1) - r.log_prob(z).sum(-1)
    torch.testing.assert_close(log_ratio, expected, rtol=1e-12, atol=1e-10)


@pytest.mark.parametrize("sigma", [0.3, 1.0])
def test_a_residual_transition_starts_as_noise_around_z_whose_reverse_is_the_same(sigma, inputs):
    step = ResidualRefinement(D, H, sigma=sigma).double()
    z, context, noise = inputs
    new, log_ratio = step(z, context, noise)
    torch.testing.assert_close(new, z + sigma * noise, rtol=0, atol=1e-5)
    torch.testing.assert_close(log_ratio, torch.zeros_like(log_ratio), rtol=0, atol=1e-12)
