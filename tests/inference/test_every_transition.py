"""The invariants that every transition keeps, in float64."""

import copy

import pytest
import torch
from conftest import D, H, hamiltonian, langevin

from annealed.inference.annealed_path import AnnealedTarget
from annealed.inference.flows import IAF, ConvexLinearIAF, Householder
from annealed.inference.normal import Normal
from annealed.inference.transitions import MeanField, Refinement, ResidualRefinement
from annealed.models.targets import Energy

S, B = 4, 5


def residual():
    """One whose heads, which start at zero, have learnt something."""
    step = ResidualRefinement(D, H, hidden=4, sigma=0.3)
    for kernel in (step.ahead, step.back):
        torch.nn.init.normal_(kernel.heads.weight, std=0.3)
    return step


STEPS = {
    "refinement": lambda: Refinement(D, H, hidden=4, sigma=0.3),
    "residual": residual,
    "mean_field": lambda: MeanField(D, H, hidden=4),
    "householder": lambda: Householder(D, H),
    "iaf": lambda: IAF(D, H, hidden=8),
    "iaf_flipped": lambda: IAF(D, H, hidden=8, flip=True),
    "langevin": langevin,
    "langevin_learnt": lambda: langevin("learnt"),
    "langevin_controlled": lambda: langevin("controlled", per_dimension=False),
    "hamiltonian": hamiltonian,
    "cc_lin_iaf": lambda: ConvexLinearIAF(D, H, count=3),
}
FLOWS = ["householder", "iaf", "iaf_flipped", "cc_lin_iaf"]
PRESERVING = ["householder", "cc_lin_iaf"]


def make(name, seed=0):
    torch.manual_seed(seed)
    return STEPS[name]().double()


@pytest.fixture
def inputs():
    g = torch.Generator().manual_seed(0)
    z, noise = torch.randn(2, S, B, D, generator=g, dtype=torch.float64)
    return z, torch.randn(B, H, generator=g, dtype=torch.float64), noise


def bumpy(z):
    """An energy whose gradient is not linear."""
    return -0.5 * z.square().sum(-1) + torch.sin(1.5 * z).sum(-1) + 0.3 * z.prod(-1)


def call(step, z, context, noise):
    """The new z and the log-ratio; an annealed step is between N(0.2, 1.3^2 I) and an energy."""
    if step.annealed:
        base = Normal(torch.full_like(z[0], 0.2), torch.full_like(z[0], 1.3))
        density = AnnealedTarget(Energy(bumpy), context, base, 0.7)
        state, log_ratio = step(density.state(z, z.flip(-1)), context, noise, density)
        return state.z, log_ratio
    return step(z, step.next_context(context), noise if step.stochastic else None)


@pytest.mark.parametrize("name", STEPS)
def test_shapes_and_a_finite_gradient_for_every_parameter(name, inputs):
    step = make(name)
    new, log_ratio = call(step, *inputs)
    assert new.shape == (S, B, D)
    assert log_ratio.shape == (S, B)
    (new.pow(3).sum() + log_ratio.sum()).backward()
    for parameter, p in step.named_parameters():
        assert torch.isfinite(p.grad).all(), parameter
        assert p.grad.abs().sum() > 0, parameter


@pytest.mark.parametrize("name", FLOWS)
def test_a_flows_log_ratio_is_the_log_determinant_of_autograds_jacobian(name, inputs):
    step = make(name)
    z, context, _ = inputs
    new, log_ratio = call(step, z, context, None)
    for s in range(S):
        for b in range(B):

            def at(point, b=b):
                return call(step, point.expand(1, 1, D), context[b : b + 1], None)[0][0, 0]

            jacobian = torch.autograd.functional.jacobian(at, z[s, b])
            expected = -torch.linalg.slogdet(jacobian).logabsdet
            torch.testing.assert_close(log_ratio[s, b], expected, rtol=0, atol=1e-10)
            torch.testing.assert_close(at(z[s, b]), new[s, b], rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", PRESERVING)
def test_volume_is_preserved_where_that_is_claimed(name, inputs):
    _, log_ratio = call(make(name), *inputs)
    assert (log_ratio == 0).all()


@pytest.mark.parametrize("name", STEPS)
def test_a_batch_is_its_rows_one_by_one(name, inputs):
    step = make(name)
    z, context, noise = inputs
    new, log_ratio = call(step, z, context, noise)
    for b in range(B):
        row = slice(b, b + 1)
        one, ratio = call(step, z[:, row], context[row], noise[:, row])
        torch.testing.assert_close(one, new[:, row], rtol=0, atol=1e-12)
        torch.testing.assert_close(ratio, log_ratio[:, row], rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", STEPS)
def test_vmap_over_stacked_parameters_is_each_set_alone(name, inputs):
    steps = [make(name, seed) for seed in (0, 1)]
    params, buffers = torch.func.stack_module_state(steps)
    module = torch.nn.ModuleList([copy.deepcopy(steps[0])])

    class Call(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.step = module[0]

        def forward(self, *arguments):
            return call(self.step, *arguments)

    skeleton = Call()

    def one(p, b):
        state = {f"step.{k}": v for k, v in {**p, **b}.items()}
        return torch.func.functional_call(skeleton, state, inputs)

    new, log_ratio = torch.func.vmap(one)(params, buffers)
    for i, alone in enumerate(steps):
        expected = call(alone, *inputs)
        torch.testing.assert_close(new[i], expected[0], rtol=0, atol=1e-12)
        torch.testing.assert_close(log_ratio[i], expected[1], rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", STEPS)
def test_save_and_load_gives_the_same_step(name, inputs, tmp_path):
    step, other = make(name), make(name, seed=1)
    torch.save(step.state_dict(), tmp_path / "step.pt")
    other.load_state_dict(torch.load(tmp_path / "step.pt", weights_only=True))
    for a, b in zip(call(step, *inputs), call(other, *inputs), strict=True):
        assert torch.equal(a, b)


def test_householder_is_the_reflection_matrix(inputs):
    step = make("householder")
    z, context, _ = inputs
    v = step.linear(context)
    matrix = torch.eye(D, dtype=v.dtype) - 2 * v[:, :, None] * v[:, None, :] / v.square().sum(
        -1
    ).reshape(-1, 1, 1)
    expected = torch.einsum("bij,sbj->sbi", matrix, z)
    new, _ = call(step, z, context, None)
    torch.testing.assert_close(new, expected, rtol=0, atol=1e-12)
    again, _ = call(step, new, context, None)
    torch.testing.assert_close(again, z, rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", ["iaf", "iaf_flipped"])
def test_iaf_is_autoregressive_and_starts_near_the_identity(name, inputs):
    step = make(name)
    z, context, _ = inputs

    def at(point):
        return call(step, point.expand(1, 1, D), context[:1], None)[0][0, 0]

    jacobian = torch.autograd.functional.jacobian(at, z[0, 0])
    if step.flip:
        jacobian = jacobian.flip(0, 1)  # read and handed back in reverse: upper triangular
    assert (jacobian.triu(1) == 0).all()
    assert (jacobian.diagonal() > 0.7).all()
    assert jacobian.tril(-1).abs().sum() > 0


def test_cc_lin_iaf_is_the_convex_combination_of_triangular_products(inputs):
    step = make("cc_lin_iaf")
    z, context, _ = inputs
    entries = step.entries(context).reshape(B, 3, D, D)
    y = torch.softmax(step.mix(context), -1)
    lower = entries.tril(-1) + torch.eye(D, dtype=z.dtype)
    parts = torch.stack([torch.einsum("bij,sbj->sbi", lower[:, k], z) for k in range(3)])
    expected = (y.T[:, None, :, None] * parts).sum(0)
    new, _ = call(step, z, context, None)
    torch.testing.assert_close(new, expected, rtol=0, atol=1e-12)
