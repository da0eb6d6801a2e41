"""How much an image tells about its latents under the generative model."""

import math
from collections.abc import Callable

import torch

from annealed import randomness
from annealed.importance import log_marginal, walk_log_weight
from annealed.method import Method

DRAWS = 1000  # images drawn from the model


@torch.no_grad()
def mutual_information(
    method: Method, count: int = DRAWS, weigh: Callable = walk_log_weight
) -> dict[str, float]:
    """I(x; z) of p(z) p(x | z) in nats, and its standard error over `count` drawn images.

    E[log p(x | z) - log p(x)] over draws of the model, 0 where the decoder does not read z. That
    log p(x) is importance-sampled with the configuration's S and so too low in expectation: the
    value is an upper bound that tightens with S.
    """
    options, seed = method.config.evaluate, method.config.seed
    latent, place = method.config.network.latent, {"device": method.device}
    gains = []
    for index, first in enumerate(range(0, count, options.batch_size)):
        size, key = min(options.batch_size, count - first), (seed, "information", index)
        z = randomness.normal((1, size, latent), *key, 0, **place, dtype=method.dtype)
        x = method.target.draw(z[0], randomness.uniform((size, method.pixels), *key, 1, **place))
        likelihood, _ = method.target(x, z)
        settings = latent, options.samples, seed, index, options.memory_mb, weigh
        estimate = log_marginal(method.target, method.posterior, x, *settings)
        gains.append((likelihood[0] - estimate.log_prob).double())
    gain = torch.cat(gains)
    return {
        "mutual_information": gain.mean().item(),
        "mutual_information_error": gain.std().item() / math.sqrt(len(gain)),
    }
