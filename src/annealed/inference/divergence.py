"""How well a path posterior matches a target, by fresh draws."""

import math

import torch
from torch import Tensor, nn

from annealed.inference.importance import Estimate, WeightStream
from annealed.inference.objectives import path_terms
from annealed.inference.posteriors import Posterior
from annealed.utils import randomness

CHUNK = 10_000  # draws at a time
K_MOST = 1e3  # stands for a k-hat of inf; those of float64 weights lie below log(1.8e308) = 710


@torch.no_grad()
def sample(
    target: nn.Module, posterior: Posterior, count: int, seed: int = 0, x: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """`count` end points of the posterior's path with their log-weights in nats, keyed by the seed.

    Returns z (N, D) and log w (N,); with x (B, X) z (N, B, D) and log w (N, B). Draws come in
    blocks of 10,000, so that memory grows with the results alone. Raises ValueError for a count
    below 1.
    """
    if count < 1:
        raise ValueError(f"count is {count}; accepted: a whole number from 1")
    first = next(iter([*posterior.parameters(), *posterior.buffers()]))
    factory = {"device": first.device, "dtype": first.dtype}
    context = torch.ones(1, 1, **factory) if x is None else x.to(**factory)
    dim = posterior.start(context[:1])[0].loc.shape[-1]
    points, weights = [], []
    for block in range(math.ceil(count / CHUNK)):
        shape = (posterior.num_draws, min(CHUNK, count), len(context), dim)
        noise = randomness.normal(shape, seed, "evaluate", block, **factory)
        path = posterior(context, noise)
        points.append(path.z[-1])
        weights.append(path_terms(target, context, path).log_weight())
    z, log_w = torch.cat(points)[:count], torch.cat(weights)[:count]
    return (z[:, 0], log_w[:, 0]) if x is None else (z, log_w)


def estimate(log_w: Tensor) -> Estimate:
    """log Z, or log p(x), from log-weights (S,) or (S, B), with its error, ESS and k-hat."""
    stream = WeightStream(len(log_w))
    stream.add(log_w if log_w.dim() > 1 else log_w[:, None])
    return stream.estimate()


def divergences(log_w: Tensor, log_z: float | None) -> dict[str, float | None]:
    """KL, log Z and its error, ESS and k-hat from log-weights (S,), in nats; no number is null.

    `kl` is E[log q - log f] + log Z: KL(q || f) where all steps are invertible, and that of the
    path, an upper bound of KL(q || f), where some are stochastic. `log_z_error` is the
    importance-sampled log Z less the true one, `log_z_mc_error` its standard error. Without a known
    log Z (None) what needs it is null. A k-hat of inf, the worst, is K_MOST, as null is no k-hat
    and -inf, weights all equal, is null too.
    """
    estimated = estimate(log_w)
    true_log_z = math.nan if log_z is None else log_z
    numbers = {
        "kl": true_log_z - log_w.double().mean().item(),
        "kl_mc_error": log_w.double().std().item() / len(log_w) ** 0.5,
        "log_z_error": estimated.log_prob.item() - true_log_z,
        "log_z_mc_error": estimated.std_error.item(),
        "ess": estimated.ess.item(),
        "k_hat": min(estimated.k_hat.item(), K_MOST),
    }
    return {name: v if math.isfinite(v) else None for name, v in numbers.items()}


def energy_distance(x: Tensor, y: Tensor) -> float:
    """2 E|X - Y| - E|X - X'| - E|Y - Y'| of samples x (N, D) and y (M, D), without bias.

    Székely & Rizzo 2013 (J. Stat. Plan. Inference 143); the U-statistic, so it can fall below 0
    where both samples have one distribution.
    """
    x, y = x.double(), y.double()
    within = sum(torch.cdist(a, a).sum() / (len(a) * (len(a) - 1)) for a in (x, y))
    return (2.0 * torch.cdist(x, y).mean() - within).item()


def histogram(z: Tensor, half_width: float, bins: int) -> Tensor:
    """Density of the points z (S, 2) on bins of [-half_width, half_width]^2: (bins, bins).

    The first axis is z1; points outside count in the total, so the density does not grow by them.
    """
    edges = torch.linspace(-half_width, half_width, bins + 1)
    counts, _ = torch.histogramdd(z.cpu(), bins=[edges, edges])
    return counts / (len(z) * (2.0 * half_width / bins) ** 2)
