"""Nested variational inference against its definition, quadrature, and AVO."""

import math

import pytest
import torch
from torch import distributions

from annealed.inference.avo import AVO
from annealed.inference.divergence import estimate, sample
from annealed.inference.fitting import fit_posterior
from annealed.inference.nested import NVI, LearntAlphas, nested_stages, systematic
from annealed.inference.objectives import ObjectiveInputs, total_loss
from annealed.inference.posteriors import Posterior
from annealed.inference.transitions import Refinement, ResidualRefinement
from annealed.models.targets import Energy

X = torch.ones(1, 1, dtype=torch.float64)


def target(z):
    """Two Gaussians in the plane, unnormalised."""
    modes = torch.tensor([[-1.0, 0.5], [2.0, 0.0]], dtype=z.dtype)
    return (-(z[..., None, :] - modes).square().sum(-1)).logsumexp(-1)


def posterior(steps=3, dim=2):
    torch.manual_seed(0)
    transitions = [Refinement(dim, hidden=4, sigma=0.4) for _ in range(steps)]
    return Posterior.unconditional(dim, 1.5, transitions).double()


def gradients(objective, q, noise, mode=1.0):
    inputs = ObjectiveInputs(Energy(target), q, X, noise, mode=mode)
    loss, terms = total_loss(objective, inputs)
    names, parameters = zip(*q.named_parameters(), strict=True)
    found = torch.autograd.grad(loss, parameters, allow_unused=True)
    return dict(zip(names, found, strict=True)), terms


def draws(q, samples, extra=0, seed=1, batch=1):
    g = torch.Generator().manual_seed(seed)
    return torch.randn(q.num_draws + extra, samples, batch, 2, generator=g, dtype=torch.float64)


def literal_gradients(q, noise, alphas):
    """The gradient of each kernel, sample by sample, from the definition of the weights."""
    z = 1.5 * noise[0, :, 0]
    start = distributions.Normal(0.0, torch.full((2,), 1.5, dtype=torch.float64))
    gamma = lambda z, a: a * target(z) + (1 - a) * start.log_prob(z).sum(-1)  # noqa: E731
    log_w, before, total = torch.zeros(len(z), dtype=torch.float64), 0.0, 0.0
    for t, (transition, alpha) in enumerate(zip(q.transitions, alphas, strict=True)):
        share = log_w.exp() / log_w.exp().sum()
        new, ratio = transition(z[:, None], X, noise[t + 1])
        log_v = gamma(new[:, 0], alpha) - gamma(z, before) - ratio[:, 0]
        total = total + sum(w * v for w, v in zip(share, log_v, strict=True))
        log_w, z, before = log_w + log_v.detach(), new[:, 0].detach(), alpha
    return torch.autograd.grad(-total, list(q.parameters())), log_w


def test_the_gradient_is_that_of_the_definition_and_the_weights_are_the_paths():
    q = posterior()
    noise = draws(q, 7)
    actual, terms = gradients(NVI(3, 7), q, noise)
    expected, log_w = literal_gradients(q, noise, [1 / 3, 2 / 3, 1.0])
    for value, other in zip(actual.values(), expected, strict=True):
        torch.testing.assert_close(value, other, rtol=1e-9, atol=1e-11)
    torch.testing.assert_close(terms.log_weight()[:, 0], log_w, rtol=0, atol=1e-10)
    path = q(X, noise)
    torch.testing.assert_close(log_w, target(path.z[-1])[:, 0] - path.log_prob()[:, 0])


def test_samples_of_equal_weight_give_the_gradient_of_avo():
    """With the same noise for every sample all weights are equal, as that of one sample is."""
    q = posterior()
    noise = draws(q, 1).expand(-1, 4, -1, -1)
    nested, _ = gradients(NVI(3, 4), q, noise)
    annealed, _ = gradients(AVO(3, 4, rho=1.0), q, noise)
    for name, value in annealed.items():
        torch.testing.assert_close(nested[name], value, rtol=1e-10, atol=1e-12, msg=name)


def on_a_line(z):
    """Two Gaussians on a line, (..., 1) -> (...)."""
    return torch.logaddexp(-(z[..., 0] - 1.5).square(), -0.5 * (z[..., 0] + 1.0).square())


def divergences(alpha, kernels):
    """KL(pi_0 q_1 || pi_1 r_1) + KL(pi_1 q_2 || pi_2 r_2) on a line, by the trapezoid rule."""
    axis = torch.linspace(-9.0, 9.0, 1201, dtype=torch.float64)
    step = axis[1] - axis[0]
    log_start = distributions.Normal(0.0, 1.5).log_prob(axis)
    log_end = on_a_line(axis[:, None])
    laws = []
    for a in (0.0, alpha, 1.0):
        log_gamma = a * log_end + (1 - a) * log_start
        laws.append(log_gamma - (log_gamma.logsumexp(0) + step.log()))
    total = 0.0
    for t, step_t in enumerate(kernels):
        before, after = axis[:, None, None], axis[:, None, None]
        q, r = step_t.ahead(before, X), step_t.back(after, X)
        forward = distributions.Normal(q.loc[:, 0], q.scale[:, 0]).log_prob(axis[None])  # z, z'
        reverse = distributions.Normal(r.loc[:, 0], r.scale[:, 0]).log_prob(axis[None])  # z', z
        joint, other = laws[t][:, None] + forward, laws[t + 1][None] + reverse.T
        total = total + (joint.exp() * (joint - other)).sum() * step**2
    return total


@pytest.mark.parametrize("resample", [False, True])
def test_the_path_and_the_kernels_follow_the_sum_of_divergences(resample):
    torch.manual_seed(3)
    kernels = [ResidualRefinement(1, hidden=5, sigma=0.7) for _ in range(2)]
    for kernel in (k for step in kernels for k in (step.ahead, step.back)):
        torch.nn.init.normal_(kernel.heads.weight, std=0.2)
    q = Posterior.unconditional(1, 1.5, kernels).double()
    q.alphas = LearntAlphas(2).double()
    with torch.no_grad():
        q.alphas.logits.copy_(torch.tensor([1.0, -1.0]))  # where its gradient is steep
    alpha = q.alphas.logits.softmax(0)[0]
    exact = torch.autograd.grad(divergences(alpha, kernels), list(q.parameters()))
    energy = Energy(on_a_line)
    objective, batches = NVI(2, 4000, resample=resample), 40
    g = torch.Generator().manual_seed(0)
    shape = (q.num_draws + objective.extra_draws, 4000, batches, 1)
    noise = torch.randn(shape, generator=g, dtype=torch.float64)
    inputs = ObjectiveInputs(energy, q, X.expand(batches, 1), noise, mode=1.0)
    value = sum(stage for stage, _ in objective.stages(inputs))
    each = [
        torch.autograd.grad(-value[b], list(q.parameters()), retain_graph=True)
        for b in range(batches)
    ]
    for (name, _), one, parts in zip(
        q.named_parameters(), exact, zip(*each, strict=True), strict=True
    ):
        parts = torch.stack(parts)
        error = parts.std(0) / math.sqrt(batches)
        slack = 0.0 if name == "alphas.logits" else 2e-3
        assert ((parts.mean(0) - one).abs() < 5 * error + slack).all(), name
        if name == "alphas.logits":
            assert (5 * error < 0.5 * one.abs()).all()  # the comparison has power


def test_systematic_resampling_draws_each_sample_as_often_as_its_weight_says():
    g = torch.Generator().manual_seed(0)
    weights = torch.rand(6, 3, generator=g, dtype=torch.float64)
    weights = weights / weights.sum(0)
    uniform = torch.rand(20_000, 3, generator=g, dtype=torch.float64)
    counts = torch.zeros(6, 3)
    for u in uniform:
        index = systematic(weights, u)
        often = torch.nn.functional.one_hot(index, 6).sum(0).T
        assert ((often - 6 * weights).abs() < 1.0).all()
        counts += often
    torch.testing.assert_close(counts / 20_000, 6 * weights.float(), rtol=0, atol=0.02)


def test_resampled_paths_keep_the_estimate_of_z():
    """E[mean weight] is Z whether samples are drawn again between levels or not."""
    q = posterior()
    fit_posterior(Energy(target), q, AVO(3, rho=0.5), 200, progress=False)
    noise = draws(q, 50, batch=400)
    uniforms = torch.rand(2, 400, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    truth = math.log(2 * math.pi)
    alphas = torch.tensor([1 / 3, 2 / 3, 1.0], dtype=torch.float64)
    for given in (None, uniforms):
        with torch.no_grad():
            problem = (Energy(target), X.expand(400, 1), q, noise, lambda: alphas, given)
            *_, (_, terms) = nested_stages(*problem)
        z = terms.log_weight().exp().mean(0)
        error = z.std() / math.sqrt(400)
        assert abs(z.mean() - math.exp(truth)) < 4 * error


@pytest.mark.parametrize("resample", [False, True])
def test_a_fit_by_nvi_with_a_learnt_path_brings_the_bound_near_log_z(resample):
    q = posterior().float()
    q.alphas = LearntAlphas(3)
    objective = NVI(3, 32, rho=1.0, resample=resample)
    fit_posterior(Energy(target), q, objective, 300, samples=32, progress=False)
    _, log_w = sample(Energy(target), q, 20_000, seed=1)
    assert estimate(log_w).log_prob.item() == pytest.approx(math.log(2 * math.pi), abs=0.1)
    alphas = q.alphas()
    assert (alphas.diff() > 0).all()
    assert alphas[-1].item() == pytest.approx(1.0)
    assert not torch.allclose(alphas, torch.tensor([1 / 3, 2 / 3, 1.0]), atol=1e-3)


def test_a_step_by_the_elbo_takes_the_first_samples_alone():
    q = posterior()
    noise = draws(q, 4)
    other = noise.clone()
    other[:, 1:] += 1.0
    for objective, same in ((NVI(3, 4, elbo_samples=1), True), (NVI(3, 4), False)):
        (one, terms), (two, _) = (gradients(objective, q, n, mode=0.0) for n in (noise, other))
        assert terms.log_q.shape == (1 if same else 4, 1)
        assert all(torch.equal(value, two[name]) for name, value in one.items()) == same


def test_the_rate_of_a_path_scales_its_gradient():
    slopes = []
    for rate in (1.0, 0.1):
        alphas = LearntAlphas(3, rate).double()
        slopes.append(*torch.autograd.grad(alphas()[0], alphas.parameters()))
    assert slopes[0].abs().min() > 0.1
    torch.testing.assert_close(slopes[1], 0.1 * slopes[0])


def test_what_nvi_does_not_take_is_one_sentence():
    with pytest.raises(ValueError, match="from 2; got 1"):
        NVI(3, 1)
    with pytest.raises(ValueError, match="NVI takes anchor=q0 alone; got prior"):
        NVI(3, 4, anchor="prior")
    problem = (Energy(target), X, posterior(), draws(posterior(), 2))
    with pytest.raises(ValueError, match="2 alphas for 3 transitions"):
        next(nested_stages(*problem, lambda: torch.ones(2)))
