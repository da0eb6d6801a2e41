"""Steps that follow an annealed target, and their posterior, against torch's own densities."""

import copy
import math

import pytest
import torch
from conftest import D, H, hamiltonian, langevin, noise_for, posterior, train_to
from torch import nn
from torch.distributions import Independent, Normal

import annealed as al
from annealed.inference.annealed_path import AnnealedPosterior, AnnealedTarget
from annealed.inference.hamiltonian import Hamiltonian
from annealed.inference.importance import floats_a_sample
from annealed.inference.langevin import WEIGHTS, Langevin
from annealed.inference.normal import Normal as Start
from annealed.inference.objectives import ObjectiveInputs, elbo, log_weight
from annealed.models.energies import energy

S, B = 3, 4
KINDS = ("lmcvae", "mcd", "cmcd", "uha")


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
    (slope,) = torch.autograd.grad(density.log_density(at).sum(), at)
    torch.testing.assert_close(slope, gradient(density, z))


@pytest.mark.parametrize("per_dimension", [True, False])
@pytest.mark.parametrize("reverse", WEIGHTS)
def test_a_langevin_step_is_weighed_by_torchs_normals(reverse, per_dimension):
    density, z, context, noise, _ = problem()
    step = langevin(reverse, per_dimension=per_dimension).double()
    with torch.no_grad():
        step.step_size.raw.add_(torch.randn_like(step.step_size.raw))
        state, log_ratio = step(density.state(z), context, noise, density)
        h = torch.log1p(step.step_size.raw.exp()).expand(D)
        net = (lambda z: step.drift(z, context)) if step.drift else torch.zeros_like
    ahead, back = {"plain": (0, 0), "learnt": (0, 1), "controlled": (1, -1)}[reverse]

    def kernel(z, sign):
        mean = z + h * (gradient(density, z) + sign * net(z))
        return Independent(Normal(mean, (2 * h).sqrt()), 1)

    q, new = kernel(z, ahead), state.z
    torch.testing.assert_close(new, q.mean + q.stddev * noise, rtol=0, atol=1e-12)
    expected = q.log_prob(new) - kernel(new, back).log_prob(z)
    torch.testing.assert_close(log_ratio, expected, rtol=0, atol=1e-10)


def test_networks_that_have_learnt_nothing_leave_the_plain_step():
    density, z, context, noise, _ = problem()
    plain = Langevin(D, H).double()(density.state(z), context, noise, density)
    for reverse in ("learnt", "controlled"):
        step = Langevin(D, H, reverse=reverse).double()
        state, log_ratio = step(density.state(z), context, noise, density)
        assert torch.equal(state.z, plain[0].z)
        assert torch.equal(log_ratio, plain[1])


def test_one_leapfrog_step_with_fresh_momentum_is_a_langevin_step():
    density, z, context, noise, momentum = problem()
    h = torch.tensor([0.3, 0.1, 0.2], dtype=torch.float64)
    uha = Hamiltonian(D, persistence=0.0).double()
    plain = Langevin(D, H).double()
    with torch.no_grad():
        uha.step_size.raw.copy_(h.expm1().log())
        plain.step_size.raw.copy_((h.square() / 2).expm1().log())
    state, log_ratio = uha(density.state(z, momentum), context, noise, density)
    other, expected = plain(density.state(z), context, noise, density)
    torch.testing.assert_close(state.z, other.z, rtol=0, atol=1e-12)
    torch.testing.assert_close(log_ratio, expected, rtol=0, atol=1e-11)


@pytest.mark.parametrize("leapfrogs", [1, 3])
def test_a_hamiltonian_step_is_weighed_by_torchs_normals_and_keeps_volume(leapfrogs):
    density, z, context, noise, v = problem()
    step, h, kept = hamiltonian(leapfrogs).double(), 0.2, 0.6
    with torch.no_grad():
        state, log_ratio = step(density.state(z, v), context, noise, density)
    fresh = kept * v + math.sqrt(1 - kept**2) * noise

    def flow(both):
        z, v = both.chunk(2, -1)
        for _ in range(leapfrogs):
            v = v + h / 2 * gradient(density, z)
            z = z + h * v
            v = v + h / 2 * gradient(density, z)
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


@pytest.mark.parametrize("trained", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_weights_average_to_p_of_x(linear_gaussian, kind, trained):
    target, x = linear_gaussian
    x = x[:3]
    q = posterior(kind, target=target)
    with torch.no_grad():  # a start as wide as the prior, so that weights have a variance
        q.head.linear.weight.mul_(0.2)
        q.head.linear.bias[D:].fill_(1.2)
    if trained:
        train_to(target, q, x, 150)
    with torch.no_grad():
        log_w = log_weight(target, x, q(x, noise_for(q, 100_000, len(x))))
    ratio = (log_w - target.log_marginal(x)).exp()
    error = ratio.std(0) / len(ratio) ** 0.5
    assert (error < 0.1).all()
    assert ((ratio.mean(0) - 1).abs() < 4 * error).all()


@pytest.mark.parametrize("kind", KINDS)
def test_the_gradient_of_the_bound_is_its_finite_difference(linear_gaussian, kind):
    target, x = linear_gaussian
    q = posterior(kind, target=target)
    noise = noise_for(q, S, len(x))
    named = [*target.named_parameters(), *q.named_parameters()]

    def bound():
        return elbo(log_weight(target, x, q(x, noise))).mean()

    gradients = torch.autograd.grad(bound(), [p for _, p in named])
    for (name, p), slope in zip(named, gradients, strict=True):
        direction = torch.linspace(-1, 1, p.numel(), dtype=p.dtype).reshape(p.shape) + 0.1
        with torch.no_grad():
            p.add_(1e-5 * direction)
            high = bound()
            p.sub_(2e-5 * direction)
            low = bound()
            p.add_(1e-5 * direction)
        expected = (slope * direction).sum()
        torch.testing.assert_close((high - low) / 2e-5, expected, rtol=1e-5, atol=1e-7, msg=name)


def test_a_path_takes_one_gradient_a_transition_and_one_at_its_start(linear_gaussian):
    target, x = linear_gaussian
    calls = []
    target.register_forward_hook(lambda *_: calls.append(1))
    for kind, count in (("lmcvae", 4), ("cmcd", 4), ("uha", 5)):  # one of uha's has two leapfrogs
        calls.clear()
        q = posterior(kind, target=target)
        q(x, noise_for(q, S, len(x)))
        assert len(calls) == count, kind


def test_the_target_is_no_part_of_the_posterior_and_counts_in_its_memory(linear_gaussian):
    target, _ = linear_gaussian
    q = posterior("lmcvae", target=target)
    assert not {id(p) for p in target.parameters()} & {id(p) for p in q.parameters()}
    assert not [name for name in q.state_dict() if "target" in name]
    wide = nn.Sequential(nn.Linear(D, 500), nn.Linear(500, 700))
    q.unregistered = (wide,)
    assert floats_a_sample(wide, q, 6, D) - floats_a_sample(wide, posterior(3), 6, D) == 3 * 500


@pytest.mark.parametrize("alphas", ["linear", "geometric", "learnt"])
def test_alphas_rise_to_one(alphas):
    q = AnnealedPosterior.unconditional(
        2, transitions=[Langevin(2) for _ in range(4)], target=energy("a"), alphas=alphas
    )
    values = q.alphas().detach()
    assert (values.diff() > 0).all()
    assert values[0] > 0
    assert values[-1] == pytest.approx(1.0)
    assert isinstance(next(iter(q.alphas.parameters()), None), nn.Parameter) == (alphas == "learnt")


@pytest.mark.parametrize(
    "step", [Langevin(2, reverse="controlled"), Hamiltonian(2)], ids=["langevin", "uha"]
)
def test_fixed_step_sizes_are_no_parameters(step):
    kind = type(step)
    fixed = kind(2, step_size=0.07, learn_step_size=False, per_dimension=False)
    assert not [name for name, _ in fixed.named_parameters() if name.startswith("step_size")]
    assert fixed.step_size().tolist() == pytest.approx([0.07])
    assert step.step_size().shape == (2,)


@pytest.mark.parametrize("compile", [False, True])
@pytest.mark.parametrize("kind", ["plain", "learnt", "controlled", "uha"])
def test_anyones_target_is_fitted_and_its_log_z_estimated(kind, compile, monkeypatch):
    if compile:
        real = torch.compile
        monkeypatch.setattr(torch, "compile", lambda f, **_: real(f, backend="eager"))
        torch._dynamo.reset()
    side = torch.linspace(-12, 12, 801, dtype=torch.float64)

    def log_f(z):  # a banana; one expression, so that quadrature reads it too
        return -0.5 * (z[..., 0] / 1.5).square() - (z[..., 1] - 0.2 * z[..., 0].square()).square()

    grid = torch.cartesian_prod(side, side)
    log_z = log_f(grid).logsumexp(0) + 2 * (side[1] - side[0]).log()
    target = al.Energy(log_f)
    torch.manual_seed(0)
    make = (
        (lambda: Hamiltonian(2, step_size=0.3))
        if kind == "uha"
        else (lambda: Langevin(2, hidden=8, reverse=kind, step_size=0.1))
    )
    transitions = [make() for _ in range(4)]
    q = al.AnnealedPosterior.unconditional(2, 2.5, transitions, target=target, alphas="learnt")
    _, before = al.sample(target, q, 20_000, seed=1)
    curve = al.fit_posterior(target, q, al.Maximise(samples=16), steps=120, seed=0, compile=compile)
    _, log_w = al.sample(target, q, 20_000, seed=1)
    assert curve.isfinite().all()
    assert before.mean() + 0.1 < log_w.mean() < log_z
    for estimate in (al.estimate(before), al.estimate(log_w)):
        assert abs(estimate.log_prob.item() - log_z) < 4 * estimate.std_error.item() < 0.1


def test_what_does_not_fit_is_refused_in_a_sentence(linear_gaussian):
    target, x = linear_gaussian
    q = posterior("lmcvae", target=target)
    with pytest.raises(ValueError, match="Langevin is a transition of a AnnealedPosterior; this"):
        al.Posterior.unconditional(2, transitions=[Langevin(2)])
    with pytest.raises(
        ValueError, match="Refinement is a transition of a Posterior; this is a Ann"
    ):
        AnnealedPosterior.unconditional(2, transitions=[al.Refinement(2)], target=target)
    with pytest.raises(ValueError, match="at least one transition"):
        AnnealedPosterior.unconditional(2, target=target)
    with pytest.raises(ValueError, match=r"first_alpha is 0\.1; accepted: None"):
        AnnealedPosterior.unconditional(
            2, transitions=[Langevin(2)], target=target, alphas="learnt", first_alpha=0.1
        )
    with pytest.raises(ValueError, match="unknown reverse 'both'; accepted: plain, learnt, contr"):
        Langevin(2, reverse="both")
    for arguments, problem in (
        ({"leapfrogs": 0}, "leapfrogs is 0; accepted: a whole number from 1"),
        ({"persistence": 1.0}, "persistence is 1.0; accepted: from 0 to below 1"),
    ):
        with pytest.raises(ValueError, match=problem):
            Hamiltonian(2, **arguments)
    inputs = ObjectiveInputs(target, q, x, noise_for(q, 2, len(x)), mode=1.0)
    for objective in (al.AVO(3), al.inference.nested.NVI(3, 2)):
        with pytest.raises(ValueError, match="transitions that are not given an annealed target"):
            list(objective(inputs))
    with pytest.raises(ValueError, match="follows another target than the one that it is fitted"):
        al.fit_posterior(copy.deepcopy(target), q, al.Maximise(), steps=1, x=x)


def test_a_target_that_does_not_fit_is_said_before_the_path_reads_it():
    for log_f, problem in (
        (lambda z: 3.0, "the log density maps z to a float"),
        (lambda z: z.sum(-1, keepdim=True), "it must give one number a sample"),
        (lambda z: (z * torch.inf).sum(-1), "it must be finite"),
        (lambda z: z.detach().sum(-1), "has no gradient in z"),
        (lambda z: z @ torch.ones(3), "the target does not take z of shape"),
    ):
        target = al.Energy(log_f)
        q = al.AnnealedPosterior.unconditional(2, transitions=[Langevin(2)], target=target)
        with pytest.raises(ValueError, match=problem):
            al.fit_posterior(target, q, al.Maximise(), steps=1)
