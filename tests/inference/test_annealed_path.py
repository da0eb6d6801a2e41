"""A posterior whose transitions follow its target: weights, gradients, alphas, what is refused."""

import copy

import pytest
import torch
from conftest import D, noise_for, posterior, train_to
from torch import nn

import annealed as al
from annealed.inference.annealed_path import AnnealedPosterior
from annealed.inference.hamiltonian import Hamiltonian
from annealed.inference.importance import floats_a_sample
from annealed.inference.langevin import Langevin
from annealed.inference.objectives import ObjectiveInputs, elbo, log_weight
from annealed.models.energies import energy

S = 3
KINDS = ("lmcvae", "mcd", "cmcd", "uha", "truncated cmcd", "truncated uha")


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


def test_a_weight_evaluates_the_target_at_the_start_and_after_each_step_alone(linear_gaussian):
    target, x = linear_gaussian
    calls = []
    target.register_forward_hook(lambda *_: calls.append(1))
    for kind, count in (("lmcvae", 4), ("cmcd", 4), ("uha", 5)):  # one of uha's has two leapfrogs
        calls.clear()
        q = posterior(kind, target=target)
        log_weight(target, x, q(x, noise_for(q, S, len(x))))
        assert len(calls) == count, kind


def test_a_path_is_weighed_by_the_target_and_the_x_that_it_is_given(linear_gaussian):
    target, x = linear_gaussian
    other = copy.deepcopy(target)
    with torch.no_grad():
        other.bias.add_(0.5)
    q = posterior("lmcvae", target=target)
    path = q(x, noise_for(q, S, len(x)))
    for scored, given in ((target, x), (other, x), (target, x + 0.5)):
        expected = sum(scored(given, path.z[-1])) - path.log_prob()
        torch.testing.assert_close(log_weight(scored, given, path), expected, rtol=0, atol=1e-12)


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
    with pytest.raises(
        ValueError, match="Langevin belongs in AnnealedPosterior; this is Posterior"
    ):
        al.Posterior.unconditional(2, transitions=[Langevin(2)])
    with pytest.raises(ValueError, match="Refinement belongs in Posterior; this is AnnealedPost"):
        AnnealedPosterior.unconditional(2, transitions=[al.Refinement(2)], target=target)
    with pytest.raises(ValueError, match="at least one transition"):
        AnnealedPosterior.unconditional(2, target=target)
    with pytest.raises(ValueError, match=r"first_alpha is 0\.1; accepted: None"):
        AnnealedPosterior.unconditional(
            2, transitions=[Langevin(2)], target=target, alphas="learnt", first_alpha=0.1
        )
    with pytest.raises(
        ValueError, match="unknown alphas 'learned'; accepted: linear, geometric, l"
    ):
        AnnealedPosterior.unconditional(
            2, transitions=[Langevin(2)], target=target, alphas="learned"
        )
    for step_size in (0.0, -0.1):
        with pytest.raises(ValueError, match=f"a step size is {step_size}; accepted: above 0"):
            Langevin(2, step_size=step_size)
    for kind in (Langevin, Hamiltonian):
        for limit in (0.0, -1.0, float("nan")):
            with pytest.raises(ValueError, match=f"max_drift is {limit}; accepted: a number above"):
                kind(2, max_drift=limit)
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
