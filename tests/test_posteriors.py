import pytest
import torch
from conftest import POSTERIORS, D, noise_for, posterior


def test_a_path_has_the_shapes_it_says(linear_gaussian):
    _, x = linear_gaussian
    q = posterior(3)
    assert q.draws == 4
    path = q(x, noise_for(q, 2, len(x)))
    assert [tuple(z.shape) for z in path.z] == [(2, 10, D)] * 4
    assert tuple(path.log_q0.shape) == (2, 10)
    assert [tuple(r.shape) for r in path.log_ratios] == [(2, 10)] * 3
    assert tuple(path.log_prob().shape) == (2, 10)


@pytest.mark.parametrize("kind", POSTERIORS)
def test_the_path_is_a_function_of_x_and_noise(linear_gaussian, kind):
    _, x = linear_gaussian
    q = posterior(kind)
    noise = noise_for(q, 2, len(x))
    first = q(x, noise)
    torch.manual_seed(3)
    again = q(x, noise)
    assert torch.equal(first.z[-1], again.z[-1])
    assert torch.equal(first.log_prob(), again.log_prob())
    one = q(x[4:5], noise[:, :, 4:5])
    torch.testing.assert_close(one.log_prob(), first.log_prob()[:, 4:5], rtol=0, atol=1e-12)


def test_noise_of_the_wrong_number_of_draws_is_refused(linear_gaussian):
    _, x = linear_gaussian
    with pytest.raises(ValueError, match="noise holds 2 draws; this path takes 3"):
        posterior(2)(x, noise_for(posterior(1), 2, len(x)))


@pytest.mark.parametrize("kind", POSTERIORS)
def test_vmap_over_stacked_posteriors_is_each_alone(linear_gaussian, kind):
    _, x = linear_gaussian
    each = [posterior(kind, seed) for seed in (0, 1)]
    noise = torch.stack([noise_for(q, 2, len(x), seed) for seed, q in enumerate(each)])
    params, buffers = torch.func.stack_module_state(each)

    def call(p, b, eps):
        return torch.func.functional_call(each[0], {**p, **b}, (x, eps)).log_prob()

    together = torch.func.vmap(call)(params, buffers, noise)
    for i, q in enumerate(each):
        torch.testing.assert_close(together[i], q(x, noise[i]).log_prob(), rtol=0, atol=1e-12)
