"""Pareto k-hat: how heavy the tail of importance weights is.

Vehtari, Simpson, Gelman, Yao, Gabry (2024), "Pareto smoothed importance sampling", arXiv
1507.02646; the shape's estimator is that of Zhang & Stephens (2009), Technometrics 51(3). ArviZ has
it for one set of weights at a time, on the CPU and with its plotting stack; this one takes ten
thousand images in one tensor, and a test compares the two.
"""

import math

import torch
from torch import Tensor

PRIOR_SHAPE, PRIOR_WEIGHT = 0.5, 10  # the weak prior on k of arXiv 1507.02646, appendix C
FEWEST = 5  # a tail shorter than this has no k-hat


def tail_length(samples: int) -> int:
    """The number of largest weights that count as the tail of `samples` weights."""
    return math.ceil(min(0.2 * samples, 3.0 * math.sqrt(samples)))


def pareto_k(top: Tensor) -> Tensor:
    """k-hat from the largest log-weights, ascending: (M + 1, B) -> (B,).

    The first row is the threshold, the M others are the tail. NaN where M is below 5; -inf where
    the tail has no spread (weights all equal: nothing to worry about); inf where it has more than
    the fit can take (all but a few weights are 0 beside the largest).
    """
    tail = len(top) - 1
    if tail < FEWEST:
        return torch.full_like(top[0], torch.nan)
    scaled = (top - top[-1]).exp()
    excess = scaled[1:] - scaled[0]
    flat = excess[-1] <= 1e-12
    k = _shape(torch.where(flat, torch.arange(1, tail + 1).to(excess)[:, None], excess))
    k = torch.where(k.isnan() & excess.isfinite().all(0), torch.inf, k)
    return torch.where(flat, -torch.inf, k)


def _shape(excess: Tensor) -> Tensor:
    """Zhang & Stephens' posterior-mean shape of a generalised Pareto: (M, B) ascending -> (B,)."""
    n = len(excess)
    grid = 30 + int(math.sqrt(n))
    quartile = excess[int(n / 4 + 0.5) - 1].clamp_min(torch.finfo(excess.dtype).tiny)
    index = torch.arange(1, grid + 1, dtype=excess.dtype, device=excess.device)[:, None]
    theta = (1.0 - (grid / (index - 0.5)).sqrt()) / (3.0 * quartile) + 1.0 / excess[-1]
    k = torch.stack([torch.log1p(-t * excess).mean(0) for t in theta])
    log_likelihood = n * ((-theta / k).log() - k - 1.0)
    mean_theta = (log_likelihood.softmax(0) * theta).sum(0)
    k_hat = torch.log1p(-mean_theta * excess).mean(0)
    return (n * k_hat + PRIOR_WEIGHT * PRIOR_SHAPE) / (n + PRIOR_WEIGHT)
