import copy

import pytest
import torch
from conftest import D, H
from torch import distributions

from annealed.transitions import Refinement

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


def test_every_parameter_gets_a_finite_gradient(step, inputs):
    new, log_ratio = step(*inputs)
    (new.square().sum() + log_ratio.sum()).backward()
    for name, p in step.named_parameters():
        assert torch.isfinite(p.grad).all(), name
        assert p.grad.abs().sum() > 0, name


def test_a_batch_is_its_rows_one_by_one(step, inputs):
    z, context, noise = inputs
    new, log_ratio = step(z, context, noise)
    for b in range(B):
        one, ratio = step(z[:, b : b + 1], context[b : b + 1], noise[:, b : b + 1])
        torch.testing.assert_close(one, new[:, b : b + 1], rtol=0, atol=1e-12)
        torch.testing.assert_close(ratio, log_ratio[:, b : b + 1], rtol=0, atol=1e-12)


def test_vmap_over_stacked_parameters_is_each_set_alone(step, inputs):
    torch.manual_seed(1)
    steps = [step, Refinement(D, H, hidden=4, sigma=0.3).double()]
    params, _ = torch.func.stack_module_state(steps)
    skeleton = copy.deepcopy(step).to("meta")

    def call(p):
        return torch.func.functional_call(skeleton, p, inputs)

    new, log_ratio = torch.func.vmap(call)(params)
    for i, alone in enumerate(steps):
        expected = alone(*inputs)
        torch.testing.assert_close(new[i], expected[0], rtol=0, atol=1e-12)
        torch.testing.assert_close(log_ratio[i], expected[1], rtol=0, atol=1e-12)


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


def test_save_and_load_gives_the_same_step(step, inputs, tmp_path):
    torch.save(step.state_dict(), tmp_path / "step.pt")
    other = Refinement(D, H, hidden=4).double()
    other.load_state_dict(torch.load(tmp_path / "step.pt", weights_only=True))
    for a, b in zip(step(*inputs), other(*inputs), strict=True):
        assert torch.equal(a, b)
