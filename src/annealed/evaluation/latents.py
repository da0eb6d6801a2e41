"""How a model uses its latents: active units, KL of each, rate, mutual information with x."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from annealed.inference.importance import log_marginal, path_log_weight
from annealed.inference.objectives import path_terms
from annealed.methods.base import Method
from annealed.utils import randomness

HALF = 10  # samples of each of the two halves that are compared
DRAWS = 1000  # images drawn from the model, for mutual information
ACTIVE = 0.01  # variance over images above which a latent counts as active


@torch.no_grad()
def latent_usage(method: Method, images: Tensor) -> dict[str, float | int | list[float]]:
    """Active units, KL by latent and the two parts of the bound at beta = 1, over `images`.

    `images` is (N, X) uint8; all but the count are means over images in nats.

    A latent is active when the variance over images of its posterior mean is above 0.01 (Burda et
    al. 2015, arXiv 1509.00519, section 5.2). The variance is the covariance over images of the
    means of two independent halves of the samples, which the noise of a mean does not bias.
    `kl_by_latent` is that of `moment_kl`.
    """
    halves, bound_parts, kl, seed = ([], []), [], [], method.config.seed
    for index, batch in enumerate(images.split(method.config.evaluate.batch_size)):
        x = batch.to(method.device, method.dtype) / 255
        q = method.posterior
        shape = (q.num_draws, 2 * HALF, len(x), method.config.network.latent)
        key = (seed, "usage", index)
        noise = randomness.normal(shape, *key, device=method.device, dtype=method.dtype)
        base, context = q.start(x, noise[: q.num_start_draws, :1])
        path = q.sample_path(base, context, noise[q.num_start_draws :])
        terms = path_terms(method.target, x, path)
        bound_parts.append(torch.stack([terms.log_likelihood.mean(0), terms.rate.mean(0)]))
        kl.append(moment_kl(path.z[-1]))
        for half, z in zip(halves, path.z[-1].split(HALF), strict=True):
            half.append(z.mean(0))
    a, b = (torch.cat(half).double() for half in halves)
    variance = ((a - a.mean(0)) * (b - b.mean(0))).sum(0) / max(len(a) - 1, 1)
    log_likelihood, rate = torch.cat(bound_parts, dim=1).double().mean(1).tolist()
    active = int((variance > ACTIVE).sum())
    by_latent = [round(value, 4) for value in torch.cat(kl).double().mean(0).tolist()]
    return {
        "active_units": active,
        "kl_by_latent": by_latent,
        "log_likelihood": log_likelihood,
        "rate": rate,
    }


def moment_kl(z: Tensor) -> Tensor:
    """KL from N(0, 1) of the Gaussian with each latent's mean and variance, nats: (B, D).

    z (S, B, D) are posterior samples. It is the KL of a Gaussian posterior; of another it is the
    part that mean and variance account for. Unbiased for Gaussian samples: the mean's square is
    less its own noise, the log of the sample variance more by log(v / 2) - digamma(v / 2) with
    v = S - 1.
    """
    variance, half = z.var(0), torch.tensor((len(z) - 1) / 2.0, dtype=torch.float64)
    log_bias = (torch.digamma(half) - half.log()).item()
    mean_square = z.mean(0).square() - variance / len(z)
    return 0.5 * (mean_square + variance - 1.0 - variance.log() + log_bias)


@torch.no_grad()
def mutual_information(
    method: Method, count: int = DRAWS, log_weight_fn: Callable = path_log_weight
) -> dict[str, float]:
    """I(x; z) of p(z) p(x | z) in nats, and its standard error over `count` drawn images.

    E[log p(x | z) - log p(x)] over draws of the model, 0 where the decoder does not read z. That
    log p(x) is importance-sampled with the configuration's S and so too low in expectation: the
    value is an upper bound that tightens with S.
    """
    options, seed = method.config.evaluate, method.config.seed
    latent, device = method.config.network.latent, method.device
    gains = []
    for index, first in enumerate(range(0, count, options.batch_size)):
        size, key = min(options.batch_size, count - first), (seed, "information", index)
        z = randomness.normal((1, size, latent), *key, 0, device=device, dtype=method.dtype)
        uniforms = randomness.uniform((size, method.pixels), *key, 1, device=device)
        x = method.target.draw(z[0], uniforms)
        likelihood, _ = method.target(x, z)
        settings = latent, options.samples, seed, index, options.memory_mb, log_weight_fn
        estimate = log_marginal(method.target, method.posterior, x, *settings)
        gains.append((likelihood[0] - estimate.log_prob).double())
    gain = torch.cat(gains)
    return {
        "mutual_information": gain.mean().item(),
        "mutual_information_error": gain.std().item() / math.sqrt(len(gain)),
    }
