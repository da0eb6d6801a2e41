import math
from functools import partial

import pytest
import torch
from conftest import D, X, noise_for, posterior, train_to

from annealed.inference.avo import AVO
from annealed.inference.nested import NVI
from annealed.inference.objectives import (
    DoublyReparameterised,
    Maximise,
    ObjectiveInputs,
    elbo,
    iwae,
    log_weight,
    path_terms,
    renyi,
    total_loss,
)
from annealed.inference.thermodynamic import Thermodynamic
from annealed.models.targets import LinearGaussian


def test_log_weight_is_joint_less_path(linear_gaussian):
    target, x = linear_gaussian
    q = posterior(2)
    noise = noise_for(q, 3, len(x))
    path = q(x, noise)
    z = path.z[-1]
    likelihood = torch.distributions.Normal(z @ target.weight.T + target.bias, 0.7)
    log_joint = likelihood.log_prob(x).sum(-1)
    log_prior = torch.distributions.Normal(0.0, 1.0).log_prob(z).sum(-1)
    log_q = path.log_q0 + path.log_ratios[0] + path.log_ratios[1]
    for beta in (1.0, 0.3):
        expected = log_joint + beta * (log_prior - log_q)
        torch.testing.assert_close(log_weight(target, x, path, beta), expected, rtol=0, atol=1e-10)


def test_temper_is_an_exponent_of_the_whole_target(linear_gaussian):
    target, x = linear_gaussian
    q = posterior(2)
    path = q(x, noise_for(q, 3, len(x)))
    terms = path_terms(target, x, path)
    log_joint = sum(target(x, path.z[-1]))
    expected = 0.3 * log_joint - path.log_prob()
    torch.testing.assert_close(terms.log_weight(temper=0.3), expected, rtol=0, atol=1e-10)
    ((value, _),) = Maximise(elbo, 3)(
        ObjectiveInputs(target, q, x, noise_for(q, 3, len(x)), temper=0.3)
    )
    torch.testing.assert_close(value, expected.mean(0), rtol=0, atol=1e-10)


class Tempered(torch.nn.Module):
    """A target whose log densities are a share of those of another."""

    def __init__(self, target, temper):
        super().__init__()
        self.target, self.temper = target, temper

    def forward(self, x, z):
        return tuple(self.temper * part for part in self.target(x, z))


@pytest.mark.parametrize("beta", [1.0, 0.6])
@pytest.mark.parametrize(
    ("objective", "steps", "mode"),
    [
        (Maximise(elbo, 4), 3, 0.0),
        (Maximise(iwae, 4), 3, 0.0),
        (Maximise(partial(renyi, alpha=0.5), 4), 3, 0.0),
        (DoublyReparameterised(4), 0, 0.0),
        (Thermodynamic(4, 3), 0, 0.0),
        (AVO(3, 4), 3, 1.0),
        (AVO(3, 4, mixing="convex", train_decoder="every", train_encoder=True), 3, 0.2),
        (NVI(3, 4), 3, 0.0),
    ],
)
def test_every_objective_at_a_temper_is_that_of_the_tempered_target(
    linear_gaussian, objective, steps, mode, beta
):
    target, x = linear_gaussian
    q = posterior(steps)
    parameters, noise = [*q.parameters(), *target.parameters()], noise_for(q, 4, len(x))
    actual = []
    for temper, model in ((0.3, target), (1.0, Tempered(target, 0.3)), (1.0, target)):
        inputs = ObjectiveInputs(model, q, x, noise, beta, temper, mode)
        loss, _ = total_loss(objective, inputs)
        slopes = torch.autograd.grad(loss, parameters, allow_unused=True, materialize_grads=True)
        actual.append(torch.cat([loss.detach()[None], *(slope.flatten() for slope in slopes)]))
    torch.testing.assert_close(actual[0], actual[1], rtol=0, atol=1e-10)
    assert (actual[0] - actual[2]).abs().max() > 0.1


@pytest.mark.parametrize("steps", [0, 3])
def test_elbo_is_below_log_p_and_iwae_rises_to_it(linear_gaussian, steps):
    target, x = linear_gaussian
    q = train_to(target, posterior(steps), x, steps=100)
    exact = target.log_marginal(x)
    with torch.no_grad():
        log_w = log_weight(target, x, q(x, noise_for(q, 20_000, len(x), 1)))
    bounds = [elbo(log_w)]
    for s in (1, 5, 50, 500):
        groups = log_w.unflatten(0, (-1, s)).transpose(0, 1)
        bounds.append(iwae(groups).mean(0))
    bounds = torch.stack(bounds).mean(1)
    torch.testing.assert_close(bounds[0], bounds[1], rtol=0, atol=1e-9)  # IWAE with S = 1
    assert (bounds[1:].diff() > 0).all()
    assert bounds[-1] < exact.mean() + 0.01
    assert exact.mean() - bounds[0] > 0.01


def test_the_exact_posterior_gives_log_p_with_any_sample(linear_gaussian):
    target, x = linear_gaussian
    w = target.weight.detach()
    precision = torch.eye(w.shape[1], dtype=w.dtype) + w.T @ w / 0.49
    mean = (x - target.bias) @ w @ torch.linalg.inv(precision) / 0.49
    q = torch.distributions.MultivariateNormal(mean, precision_matrix=precision)
    z = q.sample((5,))
    likelihood, prior = target(x, z)
    log_w = likelihood + prior - q.log_prob(z)
    torch.testing.assert_close(log_w, target.log_marginal(x).expand(5, -1), rtol=0, atol=1e-9)


def test_iwae_does_not_overflow():
    assert iwae(torch.tensor([[1000.0], [1000.0]])).item() == pytest.approx(1000.0)
    assert iwae(torch.tensor([[0.0], [-math.inf]])).item() == pytest.approx(-math.log(2))


def test_renyi_is_the_elbo_at_one_iwae_at_zero_and_falls_between(linear_gaussian):
    target, x = linear_gaussian
    q = posterior(0)
    with torch.no_grad():
        log_w = log_weight(target, x, q(x, noise_for(q, 50, len(x))))
    torch.testing.assert_close(renyi(log_w, 1.0), elbo(log_w), rtol=0, atol=1e-12)
    torch.testing.assert_close(renyi(log_w, 0.0), iwae(log_w), rtol=0, atol=1e-12)
    torch.testing.assert_close(renyi(log_w, 1.0 - 1e-7), elbo(log_w), rtol=0, atol=1e-4)
    torch.testing.assert_close(renyi(log_w, 1.0 - 2e-5), elbo(log_w), rtol=0, atol=1e-3)
    narrow = log_w.float()
    torch.testing.assert_close(renyi(narrow, 1.0 - 1e-6), elbo(narrow), rtol=0, atol=1e-4)
    values = torch.stack([renyi(log_w, alpha) for alpha in (-1.0, 0.0, 0.5, 1.0, 2.0)])
    assert (values.diff(dim=0) < 0).all()
    w = log_w.exp()
    literal = w.pow(1 - 0.3).mean(0).log() / (1 - 0.3)
    torch.testing.assert_close(renyi(log_w, 0.3), literal, rtol=0, atol=1e-9)


def head_gradients(objective, target, q, x, beta, draws, samples):
    """The gradient of the encoder's head for many draws of the noise, (draws, parameters)."""
    actual = []
    for seed in range(draws):
        q.zero_grad()
        noise = noise_for(q, samples, len(x), seed)
        ((value, _),) = objective(ObjectiveInputs(target, q, x, noise, beta=beta))
        value.mean().backward()
        actual.append(torch.cat([p.grad.flatten() for p in q.head.parameters()]))
    return torch.stack(actual)


@pytest.mark.parametrize("beta", [1.0, 0.4])
def test_dreg_has_the_expected_gradient_of_iwae_for_the_encoder(linear_gaussian, beta):
    target, x = linear_gaussian
    q, s, draws = posterior(0), 4, 4000
    plain = head_gradients(Maximise(iwae, s), target, q, x[:2], beta, draws, s)
    dreg = head_gradients(DoublyReparameterised(s), target, q, x[:2], beta, draws, s)
    error = ((plain.var(0) + dreg.var(0)) / draws).sqrt()
    score = (plain.mean(0) - dreg.mean(0)) / error
    assert score.abs().max() < 4.5  # 36 parameters
    assert score.square().mean() < 2.5
    assert (plain.mean(0).abs() / error).max() > 20  # the comparison has power


def test_dregs_signal_to_noise_ratio_does_not_fall_with_s_where_the_plain_one_does():
    # Rainforth et al. 2018 (arXiv 1802.04537): near the optimum of a model q can match, IWAE's
    # ratio falls as 1 / sqrt(S); Tucker et al. 2018: DReG's rises
    g = torch.Generator().manual_seed(0)
    weight = torch.linalg.qr(torch.randn(X, D, generator=g, dtype=torch.float64))[0]
    target = LinearGaussian(weight, torch.zeros(X, dtype=torch.float64), 0.7)
    x = torch.randn(2, X, generator=g, dtype=torch.float64)
    q = train_to(target, posterior(0), x, steps=600)
    with torch.no_grad():
        for p in q.head.parameters():
            p.add_(0.05 * torch.randn(p.shape, generator=g, dtype=p.dtype))
    ratio = {}
    for s in (2, 64):
        for name, objective in (("plain", Maximise(iwae, s)), ("dreg", DoublyReparameterised(s))):
            actual = head_gradients(objective, target, q, x, 1.0, 1000, s)
            ratio[name, s] = (actual.mean(0).abs() / actual.std(0)).median().item()
    assert ratio["dreg", 64] > ratio["dreg", 2]
    assert ratio["plain", 64] < ratio["plain", 2]
    assert ratio["dreg", 64] > 3 * ratio["plain", 64]


def test_dreg_leaves_the_targets_gradient_and_the_value_as_they_are(linear_gaussian):
    target, x = linear_gaussian
    q = posterior(0)
    noise = noise_for(q, 5, len(x))
    actual = []
    for objective in (Maximise(iwae, 5), DoublyReparameterised(5)):
        target.zero_grad()
        ((value, terms),) = objective(ObjectiveInputs(target, q, x, noise, beta=0.7))
        value.mean().backward()
        actual.append((value, target.weight.grad.clone(), terms.log_weight()))
    for a, b in zip(*actual, strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-10)


def test_dreg_refuses_a_posterior_with_transitions(linear_gaussian):
    target, x = linear_gaussian
    q = posterior(1)
    with pytest.raises(ValueError, match="without steps"):
        list(DoublyReparameterised(2)(ObjectiveInputs(target, q, x, noise_for(q, 2, len(x)))))


def test_the_elbo_objective_is_the_weighted_bound(linear_gaussian):
    target, x = linear_gaussian
    q = posterior(2)
    noise = noise_for(q, 3, len(x))
    ((value, terms),) = Maximise(elbo, samples=3)(ObjectiveInputs(target, q, x, noise, beta=0.4))
    expected = elbo(log_weight(target, x, q(x, noise), 0.4))
    torch.testing.assert_close(value, expected, rtol=0, atol=1e-12)
    torch.testing.assert_close(terms.log_weight(), log_weight(target, x, q(x, noise)))
