"""Steps that follow an annealed target, against torch's own densities."""

import copy
import math

import pytest
import torch
from conftest import D, H, hamiltonian, langevin
from torch.distributions import Independent, Normal

import annealed as al
from annealed.inference.annealed_path import AnnealedTarget
from annealed.inference.hamiltonian import Hamiltonian
from annealed.inference.langevin import WEIGHTS, Langevin
from annealed.inference.normal import Normal as Start

S, B = 3, 4


def problem():
    """A target that is not Gaussian, two states' worth of numbers and a context, in float64."""
    g = torch.Generator().manual_seed(2)
    loc, z, noise, momentum = torch.randn(4, S, B, D, generator=g, dtype=torch.float64)
    scale = 0.5 + torch.rand(B, D, generator=g, dtype=torch.float64)
    context = torch.randn(B, H, generator=g, dtype=torch.float64)
    target = al.Energy(lambda z: -z.pow(4).sum(-1) / 4 + z.prod(-1) + torch.cos(z).sum(-1))
    density = AnnealedTarget(target, context, Start(loc[0], scale), 0.35)
    return density, z, context, noise, momentum


def gradient(density, z):
    """That of log f by autograd, of its definition."""
    at = z.detach().requires_grad_()
    q0 = Independent(Normal(*density.base), 1)
    log_f = 0.65 * q0.log_prob(at) + 0.35 * density.target(density.x, at)[0]
    return torch.autograd.grad(log_f.sum(), at)[0]


def test_the_slope_is_the_gradient_of_the_annealed_density():
    density, z, *_ = problem()
    torch.testing.assert_close(density.slope(density.state(z)), gradient(density, z))
    at = z.requires_grad_()
    (slope,) = torch.autograd.grad(density.log_density(density.state(at)).sum(), at)
    torch.testing.assert_close(slope, gradient(density, z))


@pytest.mark.parametrize("max_drift", [None, 0.2])
@pytest.mark.parametrize("per_dimension", [True, False])
@pytest.mark.parametrize("reverse", WEIGHTS)
def test_a_langevin_step_is_weighed_by_torchs_normals(reverse, per_dimension, max_drift):
    density, z, context, noise, _ = problem()
    with al.utils.randomness.initialisation(0):
        step = langevin(reverse, per_dimension=per_dimension, max_drift=max_drift).double()
        change = torch.randn_like(step.step_size.raw)
    with torch.no_grad():
        step.step_size.raw.add_(change)
        state, log_ratio = step(density.state(z), context, noise, density)
        h = torch.log1p(step.step_size.raw.exp()).expand(D)
        net = (lambda z: step.drift(z, context)) if step.drift else torch.zeros_like
    ahead, back = {"plain": (0, 0), "learnt": (0, 1), "controlled": (1, -1)}[reverse]

    def kernel(z, sign):
        moves = h * gradient(density, z) / (2 * h).sqrt()
        if max_drift:
            reached.append((moves.abs() > max_drift).double().mean().item())
            moves = torch.maximum(torch.minimum(moves, 0 * h + max_drift), 0 * h - max_drift)
        mean = z + moves * (2 * h).sqrt() + h * sign * net(z)
        return Independent(Normal(mean, (2 * h).sqrt()), 1)

    reached = []
    q, new = kernel(z, ahead), state.z
    torch.testing.assert_close(new, q.mean + q.stddev * noise, rtol=0, atol=1e-12)
    expected = q.log_prob(new) - kernel(new, back).log_prob(z)
    torch.testing.assert_close(log_ratio, expected, rtol=0, atol=1e-10)
    assert all(0.2 < share < 0.8 for share in reached)
    assert len(reached) == (2 if max_drift else 0)


def test_networks_that_have_learnt_nothing_leave_the_plain_step():
    density, z, context, noise, _ = problem()
    plain = Langevin(D, H).double()(density.state(z), context, noise, density)
    for reverse in ("learnt", "controlled"):
        step = Langevin(D, H, reverse=reverse).double()
        state, log_ratio = step(density.state(z), context, noise, density)
        assert torch.equal(state.z, plain[0].z)
        assert torch.equal(log_ratio, plain[1])


@pytest.mark.parametrize("max_drift", [None, 0.2])
def test_one_leapfrog_step_with_fresh_momentum_is_a_langevin_step(max_drift):
    density, z, context, noise, momentum = problem()
    h = torch.tensor([0.3, 0.1, 0.2], dtype=torch.float64)
    uha = Hamiltonian(D, persistence=0.0, max_drift=max_drift).double()
    plain = Langevin(D, H, max_drift=max_drift).double()
    with torch.no_grad():
        uha.step_size.raw.copy_(h.expm1().log())
        plain.step_size.raw.copy_((h.square() / 2).expm1().log())
    state, log_ratio = uha(density.state(z, momentum), context, noise, density)
    other, expected = plain(density.state(z), context, noise, density)
    torch.testing.assert_close(state.z, other.z, rtol=0, atol=1e-12)
    torch.testing.assert_close(log_ratio, expected, rtol=0, atol=1e-11)


@pytest.mark.parametrize("max_drift", [None, 0.1])
@pytest.mark.parametrize("leapfrogs", [1, 3])
def test_a_hamiltonian_step_is_weighed_by_torchs_normals_and_keeps_volume(leapfrogs, max_drift):
    density, z, context, noise, v = problem()
    step, h, kept = hamiltonian(leapfrogs, max_drift=max_drift).double(), 0.2, 0.6
    largest = max_drift or math.inf
    with torch.no_grad():
        state, log_ratio = step(density.state(z, v), context, noise, density)
    fresh = kept * v + math.sqrt(1 - kept**2) * noise

    def flow(both):
        z, v = both.chunk(2, -1)
        for _ in range(leapfrogs):
            v = v + (h / 2 * gradient(density, z)).clip(-largest, largest)
            z = z + h * v
            v = v + (h / 2 * gradient(density, z)).clip(-largest, largest)
        return torch.cat([z, v], -1)

    ends = flow(torch.cat([z, fresh], -1))
    torch.testing.assert_close(torch.cat([state.z, state.momentum], -1), ends, rtol=0, atol=1e-6)
    unit = Independent(Normal(torch.zeros_like(v), 1.0), 1)

    def refreshment(momentum):
        loc = kept * momentum
        return Independent(Normal(loc, math.sqrt(1 - kept**2)), 1)

    # of the extended densities: the momentum's at the start and the end, and both refreshments
    q = unit.log_prob(v) + refreshment(v).log_prob(fresh)
    r = refreshment(fresh).log_prob(v) + unit.log_prob(state.momentum)
    torch.testing.assert_close(log_ratio, q - r, rtol=0, atol=1e-6)  # eta is a float32 0.6

    def one(both):  # as the module has it, for autograd's jacobian
        row = AnnealedTarget(
            density.target, context[:1], Start(*(p[:1] for p in density.base)), 0.35
        )
        z, v = both.chunk(2, -1)
        fixed = copy.deepcopy(step)
        fixed.logit = None  # v is the momentum that it starts from
        new, _ = fixed(row.state(z[None, None]), context[:1], v[None, None], row)
        return torch.cat([new.z[0, 0], new.momentum[0, 0]])

    matrix = torch.autograd.functional.jacobian(one, torch.cat([z[0, 0], fresh[0, 0]]).detach())
    assert abs(torch.linalg.slogdet(matrix).logabsdet) < 1e-10
    back = one(torch.cat([ends[0, 0, :D], -ends[0, 0, D:]]).detach())
    torch.testing.assert_close(back[:D], z[0, 0], rtol=0, atol=1e-6)
    torch.testing.assert_close(-back[D:], fresh[0, 0], rtol=0, atol=1e-6)


def test_a_momentum_is_drawn_where_none_comes_in():
    density, z, context, noise, _ = problem()
    lasting, fresh = (
        hamiltonian(1).double(),
        Hamiltonian(D, persistence=0.0, step_size=0.2).double(),
    )
    for a, b in zip(
        lasting(density.state(z), context, noise, density),
        fresh(density.state(z), context, noise, density),
        strict=True,
    ):
        assert torch.equal(*((v.z if hasattr(v, "z") else v) for v in (a, b)))


def limited(kind, limit, context=1):
    """A step of `kind`, a reverse kernel or uha, with `max_drift`."""
    if kind == "uha":
        return Hamiltonian(D, persistence=0.0, max_drift=limit)
    return Langevin(D, context, reverse=kind, max_drift=limit)


def narrow(kind, limit):
    """Where a path of five steps ends, and the gradient's norm, from a q_0 of deviation 0.005."""
    target = al.Energy(lambda z: -z.square().sum(-1) / 2)
    q = al.AnnealedPosterior.unconditional(
        D, 0.005, [limited(kind, limit) for _ in range(5)], target=target
    )
    with al.utils.randomness.initialisation(0):
        q = q.double()
    noise = torch.randn(6, 100, 1, D, generator=torch.Generator().manual_seed(0)).double()
    path = q(torch.ones(1, 1, dtype=torch.float64), noise)
    log_w = al.inference.objectives.log_weight(target, torch.ones(1, 1), path)
    log_w.mean().backward()
    slopes = [p.grad.norm() for p in q.parameters() if p.grad is not None]
    return path.z[-1].detach().abs().max().item(), torch.stack(slopes).max().item()


@pytest.mark.parametrize("kind", [*WEIGHTS, "uha"])
def test_a_start_narrower_than_a_step_throws_no_path_that_is_limited(kind):
    far, steep = narrow(kind, None)
    near, gentle = narrow(kind, 5.0)
    assert far > 1e3 * near
    assert steep > 1e3 * gentle
    assert near < 5.0


@pytest.mark.parametrize("kind", [*WEIGHTS, "uha"])
def test_a_limit_that_is_not_reached_changes_no_bit(kind):
    density, z, context, noise, _ = problem()
    steps = [limited(kind, limit, H).double() for limit in (None, 100.0)]
    steps[1].load_state_dict(steps[0].state_dict())
    (a, expected), (b, actual) = (s(density.state(z), context, noise, density) for s in steps)
    assert torch.equal(a.z, b.z)
    assert torch.equal(expected, actual)
