import pytest
import torch
from conftest import TINY

from annealed import config as configuration
from annealed.objectives import log_weight
from annealed.registry import METHODS, method_class
from annealed.usage import latent_usage


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
    found = latent_usage(method, images[:300])
    x = images[:300] / 255
    noise = method.noise("validate", 20, 300, 0)
    base, context = method.posterior.start(x, noise[: method.posterior.start_draws, :1])
    path = method.posterior.walk(base, context, noise[method.posterior.start_draws :])
    log_w = log_weight(method.target, x, path)
    error = log_w.std().item() / 6000**0.5
    bound = found["log_likelihood"] - found["rate"]
    assert abs(bound - log_w.mean().item()) < 6 * error
