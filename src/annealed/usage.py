"""How a posterior uses its latents: active units, rate and reconstruction."""

import torch
from torch import Tensor

from annealed import randomness
from annealed.method import Method
from annealed.objectives import path_terms

HALF = 10  # samples of each of the two halves that are compared
ACTIVE = 0.01  # variance over images above which a latent counts as active


@torch.no_grad()
def latent_usage(method: Method, test: Tensor) -> dict[str, float | int]:
    """Active units, and the two parts of the bound at beta = 1 in nats, over `test` (N, X) uint8.

    A latent is active when the variance over images of its posterior mean is above 0.01 (Burda et
    al. 2015, arXiv 1509.00519, section 5.2). The variance is the covariance over images of the
    means of two independent halves of the samples, which the noise of a mean does not bias.
    """
    halves, parts, seed = ([], []), [], method.config.seed
    for index, batch in enumerate(test.split(method.config.evaluate.batch_size)):
        x = batch.to(method.device, method.dtype) / 255
        q = method.posterior
        shape = (q.draws, 2 * HALF, len(x), method.config.network.latent)
        key = (seed, "usage", index)
        noise = randomness.normal(shape, *key, device=method.device, dtype=method.dtype)
        base, context = q.start(x, noise[: q.start_draws, :1])
        path = q.walk(base, context, noise[q.start_draws :])
        terms = path_terms(method.target, x, path)
        parts.append(torch.stack([terms.log_likelihood.mean(0), terms.rate.mean(0)]))
        for half, z in zip(halves, path.z[-1].split(HALF), strict=True):
            half.append(z.mean(0))
    a, b = (torch.cat(half).double() for half in halves)
    variance = ((a - a.mean(0)) * (b - b.mean(0))).sum(0) / max(len(a) - 1, 1)
    log_likelihood, rate = torch.cat(parts, dim=1).double().mean(1).tolist()
    active = int((variance > ACTIVE).sum())
    return {"active_units": active, "log_likelihood": log_likelihood, "rate": rate}
