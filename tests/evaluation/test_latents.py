import pytest
import torch
from conftest import TINY

from annealed import config as configuration
from annealed.config.registry import METHODS, method_class
from annealed.evaluation.latents import latent_usage, moment_kl
from annealed.inference.objectives import log_weight


@pytest.fixture
def images():
    g = torch.Generator().manual_seed(0)
    return 255 * torch.randint(0, 2, (2000, 64), generator=g).to(torch.uint8)


def test_a_latent_is_active_when_its_mean_varies_over_images(images):
    config = configuration.load("vae", [*TINY, "network.latent=5"])
    method = method_class("vae")(config, 64)
    with torch.no_grad():  # the posterior's mean of one latent is the first pixel times a factor
        for parameter in method.posterior.parameters():
            parameter.zero_()
        method.posterior.encoder = torch.nn.Identity()
        method.posterior.head.linear = torch.nn.Linear(64, 10)
        weight = method.posterior.head.linear.weight.zero_()
        method.posterior.head.linear.bias.zero_()
        method.posterior.head.linear.bias[5:] = 0.54  # scale 1: the noise of a mean is not use
        weight[0, 0], weight[1, 1] = 0.3, 0.1  # variances over bits: 0.0225, and 0.0025
    assert latent_usage(method, images)["active_units"] == 1
    with torch.no_grad():
        weight[1, 1] = -0.4
    assert latent_usage(method, images)["active_units"] == 2


@pytest.mark.parametrize("row", METHODS)
def test_likelihood_less_rate_is_the_bound(row, images):
    method = method_class(row)(configuration.load(row, TINY), 64)
    actual = latent_usage(method, images[:300])
    x = images[:300] / 255
    noise = method.noise("validate", 20, 300, 0)
    base, context = method.posterior.start(x, noise[: method.posterior.num_start_draws, :1])
    path = method.posterior.sample_path(base, context, noise[method.posterior.num_start_draws :])
    log_w = log_weight(method.target, x, path)
    error = log_w.std().item() / 6000**0.5
    bound = actual["log_likelihood"] - actual["rate"]
    assert abs(bound - log_w.mean().item()) < 6 * error


def test_the_kl_of_a_latent_is_exact_for_gaussian_samples():
    g = torch.Generator().manual_seed(0)
    mean, scale = torch.tensor([0.0, 0.5, -2.0]), torch.tensor([1.0, 0.2, 0.7])
    z = mean + scale * torch.randn(8, 200_000, 3, generator=g, dtype=torch.float64)
    actual, n = moment_kl(z), z.shape[1]
    exact = 0.5 * (mean**2 + scale**2 - 1.0 - 2.0 * scale.log())
    error = actual.std(0) / n**0.5
    assert (error < 0.02).all()
    assert ((actual.mean(0) - exact).abs() < 5 * error).all()


def test_the_kls_of_a_gaussian_posteriors_latents_sum_to_its_rate(images):
    method = method_class("vae")(configuration.load("vae", TINY), 64)
    actual = latent_usage(method, images)
    base, _ = method.posterior.start(images / 255, method.noise("validate", 1, 2000, 0))
    kl = 0.5 * (base.loc**2 + base.scale**2 - 1.0 - 2.0 * base.scale.log())
    torch.testing.assert_close(
        torch.tensor(actual["kl_by_latent"]), kl.mean(0), atol=0.02, rtol=0.0, check_dtype=False
    )
    assert actual["rate"] == pytest.approx(kl.sum(1).mean().item(), abs=0.02)
    assert len(actual["kl_by_latent"]) == method.config.network.latent
