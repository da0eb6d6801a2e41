"""What every posterior keeps, in float64, whatever its path is made of."""

import pytest
import torch
from conftest import POSTERIORS, D, noise_for, posterior

from annealed.inference.objectives import elbo, log_weight

S = 2
every_posterior = pytest.mark.parametrize("kind", POSTERIORS)


@every_posterior
def test_a_path_has_the_shapes_it_says(linear_gaussian, kind):
    _, x = linear_gaussian
    q = posterior(kind)
    steps = len(q.transitions)
    assert q.num_draws == q.num_start_draws + 1 + sum(step.stochastic for step in q.transitions)
    path = q(x, noise_for(q, S, len(x)))
    assert path.base.loc.shape == path.base.scale.shape == (len(x), D)
    assert [tuple(z.shape) for z in path.z] == [(S, len(x), D)] * (steps + 1)
    assert [tuple(r.shape) for r in path.log_ratios] == [(S, len(x))] * steps
    assert path.log_q0.shape == path.log_prob().shape == (S, len(x))


@every_posterior
def test_every_parameter_has_a_finite_gradient_of_the_elbo_that_is_not_zero(linear_gaussian, kind):
    target, x = linear_gaussian
    q = posterior(kind)
    elbo(log_weight(target, x, q(x, noise_for(q, S, len(x))))).mean().backward()
    for name, p in q.named_parameters():
        assert p.grad is not None, name
        assert torch.isfinite(p.grad).all(), name
        assert p.grad.abs().sum() > 0, name


@every_posterior
def test_the_path_is_a_function_of_x_and_noise(linear_gaussian, kind):
    _, x = linear_gaussian
    q = posterior(kind)
    noise = noise_for(q, S, len(x))
    first = q(x, noise)
    torch.manual_seed(3)
    again = q(x, noise)
    assert torch.equal(first.z[-1], again.z[-1])
    assert torch.equal(first.log_prob(), again.log_prob())


@every_posterior
def test_a_batch_is_its_rows_one_by_one(linear_gaussian, kind):
    _, x = linear_gaussian
    q = posterior(kind)
    noise = noise_for(q, S, len(x))
    whole = q(x, noise)
    rows = [q(x[b : b + 1], noise[:, :, b : b + 1]) for b in range(len(x))]
    for pick in (lambda path: path.z[-1], lambda path: path.log_prob()):
        alone = torch.cat([pick(row) for row in rows], 1)
        torch.testing.assert_close(alone, pick(whole), rtol=0, atol=1e-12)


def test_noise_of_the_wrong_number_of_draws_is_refused(linear_gaussian):
    _, x = linear_gaussian
    with pytest.raises(ValueError, match="noise holds 2 draws; this path takes 3"):
        posterior(2)(x, noise_for(posterior(1), S, len(x)))


@every_posterior
def test_save_and_load_gives_the_same_posterior(linear_gaussian, kind, tmp_path):
    _, x = linear_gaussian
    q, other = posterior(kind), posterior(kind, seed=1)
    noise = noise_for(q, S, len(x))
    assert not torch.equal(q(x, noise).log_prob(), other(x, noise).log_prob())
    torch.save(q.state_dict(), tmp_path / "posterior.pt")
    other.load_state_dict(torch.load(tmp_path / "posterior.pt", weights_only=True))
    assert torch.equal(q(x, noise).z[-1], other(x, noise).z[-1])
    assert torch.equal(q(x, noise).log_prob(), other(x, noise).log_prob())


@every_posterior
def test_vmap_over_stacked_posteriors_is_each_alone(linear_gaussian, kind):
    _, x = linear_gaussian
    each = [posterior(kind, seed) for seed in (0, 1)]
    noise = torch.stack([noise_for(q, S, len(x), seed) for seed, q in enumerate(each)])
    params, buffers = torch.func.stack_module_state(each)

    def call(p, b, eps):
        return torch.func.functional_call(each[0], {**p, **b}, (x, eps)).log_prob()

    together = torch.func.vmap(call)(params, buffers, noise)
    for i, q in enumerate(each):
        torch.testing.assert_close(together[i], q(x, noise[i]).log_prob(), rtol=0, atol=1e-12)
