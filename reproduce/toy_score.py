"""How well a path posterior matches a toy target, by fresh draws."""

import math

import torch
from torch import Tensor, nn

from annealed import energies, randomness
from annealed.importance import WeightStream
from annealed.objectives import path_terms
from annealed.posteriors import Posterior

CHUNK = 10_000  # draws at a time


@torch.no_grad()
def draw(
    target: nn.Module, posterior: Posterior, dim: int, samples: int, seed: int
) -> tuple[Tensor, Tensor]:
    """`samples` end points z (S, D) and log-weights (S,) in nats, keyed by the seed.

    `samples` is a multiple of CHUNK, or below it.
    """
    points, weights, x = [], [], torch.ones(1, 1)
    for block in range(math.ceil(samples / CHUNK)):
        shape = (posterior.draws, min(CHUNK, samples), 1, dim)
        path = posterior(x, randomness.normal(shape, seed, "evaluate", block))
        points.append(path.z[-1][:, 0])
        weights.append(path_terms(target, x, path).log_weight()[:, 0])
    return torch.cat(points), torch.cat(weights)


def total_variation(masses: Tensor) -> float:
    """Half the summed absolute difference from the masses of energy d's modes."""
    return 0.5 * (masses - torch.tensor(energies.MASSES)).abs().sum().item()


def divergences(log_w: Tensor, log_z: float) -> dict:
    """KL, log Z error and k-hat from log-weights (S,), in nats; what is not finite is null.

    `kl` is E[log q - log f] + log Z: KL(q || f) where all steps are invertible, and that of the
    path, an upper bound of KL(q || f), where some are stochastic. `log_z_error` is the
    importance-sampled log Z less the true one.
    """
    stream = WeightStream(len(log_w))
    stream.add(log_w[:, None])
    estimate = stream.estimate()
    found = {
        "kl": log_z - log_w.double().mean().item(),
        "kl_mc_error": log_w.double().std().item() / len(log_w) ** 0.5,
        "log_z_error": estimate.log_prob.item() - log_z,
        "log_z_mc_error": estimate.std_error.item(),
        "ess": estimate.ess.item(),
        "k_hat": estimate.k_hat.item(),
    }
    return {name: v if math.isfinite(v) else None for name, v in found.items()}


def histogram(z: Tensor, half_width: float, bins: int) -> Tensor:
    """Density of the points z (S, 2) on bins of [-half_width, half_width]^2: (bins, bins).

    The first axis is z1; points outside count in the total, so the density does not grow by them.
    """
    edges = torch.linspace(-half_width, half_width, bins + 1)
    counts, _ = torch.histogramdd(z.cpu(), bins=[edges, edges])
    return counts / (len(z) * (2.0 * half_width / bins) ** 2)
