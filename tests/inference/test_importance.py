import math
from itertools import product

import pytest
import torch
from conftest import POSTERIORS, D, X, noise_for, posterior, train_to

from annealed.inference.importance import WeightStream, chunk_samples, log_marginal
from annealed.inference.objectives import log_weight
from annealed.models.targets import Energy


@pytest.mark.parametrize("kind", POSTERIORS)
def test_recovers_the_exact_log_p_within_its_stated_error(linear_gaussian, kind):
    target, x = linear_gaussian
    q = train_to(target, posterior(kind, target=target), x)
    exact = target.log_marginal(x)
    estimate = log_marginal(target, q, x, D, samples=4000, seed=0)
    assert (estimate.k_hat < 0.7).all()
    score = (estimate.log_prob - exact) / estimate.std_error
    assert score.abs().max() < 4.0
    assert (estimate.std_error < 0.1).all()
    assert (estimate.elbo < exact).all()


def test_the_stated_error_is_the_spread_over_seeds(linear_gaussian):
    target, x = linear_gaussian
    q = train_to(target, posterior(0), x)
    runs = [log_marginal(target, q, x, D, samples=300, seed=seed) for seed in range(200)]
    spread = torch.stack([r.log_prob for r in runs]).std(0)
    stated = torch.stack([r.std_error for r in runs]).square().mean(0).sqrt()
    torch.testing.assert_close(stated, spread, rtol=0.35, atol=0)


@pytest.mark.parametrize("kind", ["hvi", "iterative"])
@pytest.mark.parametrize("memory_mb", [1e-6, 0.05, 64.0])
def test_the_memory_budget_does_not_change_the_numbers(linear_gaussian, memory_mb, kind):
    target, x = linear_gaussian
    q = posterior(kind, target=target)
    whole = log_marginal(target, q, x, D, samples=137, seed=3, memory_mb=1e3)
    parts = log_marginal(target, q, x, D, samples=137, seed=3, memory_mb=memory_mb)
    for name, value in vars(whole).items():
        torch.testing.assert_close(vars(parts)[name], value, rtol=1e-9, atol=1e-9, msg=name)


def test_a_chunk_fits_its_budget_whatever_s_is():
    for budget, samples in product((1.0, 9.0, 64.0, 1000.0), (7, 1000, 5000, 5003)):
        chunk = chunk_samples(budget, 100, 4000, samples)
        assert chunk % 10 == 0 or 10 % chunk == 0  # whole blocks, or an even part of one
        assert chunk == 1 or chunk * 100 * 4000 * 4 <= budget * 2**20
        assert samples % 10 or samples % chunk == 0  # compiled code takes one shape


@pytest.mark.parametrize("budget", [1e9, 1e300, 1e308])
def test_a_chunk_is_no_larger_than_its_samples_need(budget):
    for samples, blocks in ((1, 10), (10, 10), (37, 40), (5000, 5000)):
        assert chunk_samples(budget, 1, 10, samples) == blocks


def watch_widths(q, monkeypatch):
    """A list that fills with the number of samples of every chunk."""
    seen, walk = [], q.sample_path

    def watched(base, context, noise):
        seen.append(noise.shape[1])
        return walk(base, context, noise)

    monkeypatch.setattr(q, "sample_path", watched)
    return seen


def test_wide_layers_count_in_the_budget(linear_gaussian, monkeypatch):
    target, x = linear_gaussian
    widths = {}
    for hidden in (4, 4000):
        q = posterior(0)
        q.encoder = torch.nn.Sequential(
            q.encoder, torch.nn.Linear(5, hidden), torch.nn.Linear(hidden, 5)
        )
        q.double()
        seen = watch_widths(q, monkeypatch)
        log_marginal(target, q, x, D, samples=1000, seed=0, memory_mb=1.0)
        widths[hidden] = max(seen)
    assert widths[4000] < widths[4]


def test_one_sample_has_no_error(linear_gaussian):
    target, x = linear_gaussian
    assert log_marginal(target, posterior(0), x, D, samples=1, seed=0).std_error.isnan().all()


def test_no_chunk_is_wider_than_asked_for(linear_gaussian, monkeypatch):
    target, x = linear_gaussian
    q = posterior(1)
    seen = watch_widths(q, monkeypatch)
    one = log_marginal(target, q, x, D, samples=1000, seed=0, memory_mb=1e-6)
    assert seen == [1] * 1000
    seen.clear()
    many = log_marginal(target, q, x, D, samples=1000, seed=0)
    assert max(seen) > 10
    torch.testing.assert_close(one.log_prob, many.log_prob, rtol=0, atol=1e-10)


def test_a_stream_is_the_direct_formula(linear_gaussian):
    target, x = linear_gaussian
    q = posterior(2)
    with torch.no_grad():
        log_w = log_weight(target, x, q(x, noise_for(q, 60, len(x))))
    stream = WeightStream(60)
    for chunk in log_w.split(7):
        stream.add(chunk)
    estimate, w = stream.estimate(), log_w.exp()
    torch.testing.assert_close(estimate.log_prob, w.mean(0).log(), rtol=0, atol=1e-9)
    torch.testing.assert_close(estimate.ess, w.sum(0) ** 2 / w.square().sum(0))
    error = w.std(0) / math.sqrt(60) / w.mean(0)
    torch.testing.assert_close(estimate.std_error, error, rtol=1e-6, atol=0)
    torch.testing.assert_close(estimate.elbo, log_w.mean(0))


def test_tiny_weights_do_not_underflow():
    stream = WeightStream(20)
    stream.add(torch.full((20, 1), -2000.0))
    assert stream.estimate().log_prob.item() == pytest.approx(-2000.0)
    assert stream.estimate().std_error.item() == pytest.approx(0.0, abs=1e-6)


def test_missing_weights_are_noticed():
    stream = WeightStream(20)
    stream.add(torch.zeros(10, 1))
    with pytest.raises(ValueError, match="10 weights seen, 20 expected"):
        stream.estimate()


@pytest.mark.parametrize("kind", POSTERIORS)
def test_recovers_log_z_of_a_correlated_density_within_its_stated_error(kind):
    # a Gaussian of correlation 0.3 with log Z = 2.5; x is a constant
    covariance = torch.eye(D, dtype=torch.float64) * 0.7 + 0.3
    density = torch.distributions.MultivariateNormal(torch.ones(D, dtype=torch.float64), covariance)
    target = Energy(lambda z: density.log_prob(z) + 2.5, 2.5)
    x = torch.zeros(1, X, dtype=torch.float64)
    q = train_to(target, posterior(kind, target=target), x)
    estimate = log_marginal(target, q, x, D, samples=20_000, seed=1)
    assert estimate.k_hat.item() < 0.7
    assert abs(estimate.log_prob.item() - target.log_z) < 4 * estimate.std_error.item()
    assert estimate.std_error.item() < 0.05
    assert estimate.elbo.item() < target.log_z
