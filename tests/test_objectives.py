import math

import pytest
import torch
from conftest import noise_for, posterior, train_to

from annealed.objectives import ELBO, elbo, iwae, log_weight


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


def test_the_elbo_objective_is_the_weighted_bound(linear_gaussian):
    target, x = linear_gaussian
    q = posterior(2)
    noise = noise_for(q, 3, len(x))
    ((value, terms),) = ELBO(samples=3)(target, q, x, noise, 0.4, 0.0)
    expected = elbo(log_weight(target, x, q(x, noise), 0.4))
    torch.testing.assert_close(value, expected, rtol=0, atol=1e-12)
    torch.testing.assert_close(terms.log_weight(), log_weight(target, x, q(x, noise)))
