"""Importance-sampled log p(x), streamed: memory is set by the chunk, never by S."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from annealed.inference.objectives import log_weight
from annealed.inference.pareto import pareto_k, tail_length
from annealed.inference.posteriors import Posterior
from annealed.utils import randomness

SAMPLE_BLOCK = 10  # noise is keyed by blocks of this many samples, so no chunk size changes it


@dataclass
class Estimate:
    """log p(x) of each example and how far to trust it; every field is (B,)."""

    log_prob: Tensor  # log (1/S) sum_s w_s, in nats (Burda et al. 2015, arXiv 1509.00519)
    std_error: Tensor  # Monte Carlo standard error of log_prob, by the delta method
    ess: Tensor  # effective sample size (sum w)^2 / sum w^2
    k_hat: Tensor  # Pareto shape of the largest weights; above 0.7 the error is not to be trusted
    elbo: Tensor  # mean over S of log w

    def __str__(self) -> str:
        """A line an example; log Z where the weights are of an unnormalised density."""
        shown = self.log_prob, self.std_error, self.ess, self.k_hat
        fields = zip(*(field.tolist() for field in shown), strict=True)
        return "\n".join(
            f"log Z = {log_z:.4f} nats, standard error {error:.4f}, ESS {ess:.0f}, k-hat {k:.2f}"
            for log_z, error, ess, k in fields
        )


def joined(parts: list[Estimate]) -> Estimate:
    """The estimates of several batches as one."""
    fields = zip(*(vars(part).values() for part in parts), strict=True)
    return type(parts[0])(*(torch.cat(field) for field in fields))


class WeightStream:
    """Running sums of importance weights that arrive in chunks of (s, B) log-weights.

    Beside four numbers an example, it holds the largest min(S / 5, 3 sqrt(S)) weights for k-hat.
    """

    def __init__(self, samples: int):
        self.samples, self.count = samples, 0
        self.top_size = min(tail_length(samples) + 1, samples)

    def add(self, log_w: Tensor) -> None:
        """Take in a chunk of log-weights, (s, B)."""
        log_w = log_w.double()
        if self.count == 0:
            empty = torch.full_like(log_w[0], -torch.inf)
            self.log_sum, self.log_sum_squares = empty, empty
            self.total, self.top = torch.zeros_like(empty), log_w[:0]
        self.log_sum = torch.logaddexp(self.log_sum, log_w.logsumexp(0))
        self.log_sum_squares = torch.logaddexp(self.log_sum_squares, (2 * log_w).logsumexp(0))
        self.total = self.total + log_w.sum(0)
        pool = torch.cat([self.top, log_w])
        self.top = pool.topk(min(self.top_size, len(pool)), dim=0).values
        self.count += len(log_w)

    def estimate(self) -> Estimate:
        """The estimate from all weights added; raises ValueError when that is not `samples`."""
        if self.count != self.samples:
            raise ValueError(f"{self.count} weights seen, {self.samples} expected")
        s = self.samples
        ess = (2 * self.log_sum - self.log_sum_squares).exp()
        relative_variance = (1.0 / ess - 1.0 / s) * s / max(s - 1, 1)  # no error from one sample
        return Estimate(
            log_prob=self.log_sum - math.log(s),
            std_error=relative_variance.clamp_min(0.0).sqrt() if s > 1 else ess * math.nan,
            ess=ess,
            k_hat=pareto_k(self.top.flip(0)),
            elbo=self.total / s,
        )


def chunk_samples(memory_mb: float, batch: int, floats_a_sample: int, samples: int) -> int:
    """Samples that fit in `memory_mb` for a batch: whole blocks or an even part of one, at least 1.

    The largest that divides `samples`, where there is one: compiled code takes one shape. It is
    never more than the blocks that `samples` need.
    """
    needed = math.ceil(samples / SAMPLE_BLOCK) * SAMPLE_BLOCK
    fitting = max(1, int(min(needed, memory_mb * 2**20 / (4 * batch * floats_a_sample))))
    if fitting < SAMPLE_BLOCK:
        return next(n for n in range(fitting, 0, -1) if SAMPLE_BLOCK % n == 0)
    blocks = fitting // SAMPLE_BLOCK
    divisors = (n for n in range(blocks, 0, -1) if samples % (n * SAMPLE_BLOCK) == 0)
    return next(divisors, blocks) * SAMPLE_BLOCK


def floats_a_sample(target: nn.Module, posterior: Posterior, values: int, latent: int) -> int:
    """Floats alive at the widest point of scoring one sample of an image of `values` numbers.

    A dense layer and its activations or what a network of feature maps says that it holds
    (`floats`), the outputs and the terms of their likelihood (`terms` of a target), the path.
    """
    modules = [m for part in (target, posterior) for m in part.modules()]
    widest = max(getattr(m, "floats", 3 * getattr(m, "out_features", 0)) for m in modules)
    terms = getattr(target, "terms", 4)
    return widest + terms * values + 8 * latent * (posterior.num_draws + 1)


def path_log_weight(target, posterior, x, base, context, noise) -> Tensor:
    """Log-weights (s, B) of the paths that start from q_0 = `base` and take `noise`."""
    return log_weight(target, x, posterior.sample_path(base, context, noise))


@torch.no_grad()
def log_marginal(
    target: nn.Module,
    posterior: Posterior,
    x: Tensor,
    latent: int,
    samples: int,
    seed: int,
    batch_index: int = 0,
    memory_mb: float = 64.0,
    log_weight_fn: Callable[..., Tensor] = path_log_weight,
) -> Estimate:
    """Importance-sampled log p(x) of a batch x (B, X) with S = `samples`, in nats.

    The noise is a function of (seed, batch_index, block of samples), the same for any memory_mb.
    Peak memory is about `memory_mb`, or that of one sample where that is larger.
    `log_weight_fn` is `path_log_weight` or the same compiled. Raises ValueError for `samples`
    below 1.
    """
    if samples < 1:
        raise ValueError(f"samples is {samples}; accepted: a whole number from 1")
    batch, dtype = len(x), x.dtype
    floats = floats_a_sample(target, posterior, x.shape[-1], latent)
    chunk = chunk_samples(memory_mb, batch, floats, samples)
    stream = WeightStream(samples)

    def noise_for(draws: int, block: int, samples: int = SAMPLE_BLOCK) -> Tensor:
        shape, key = (draws, samples, batch, latent), (seed, "evaluate", batch_index, block)
        return randomness.normal(shape, *key, device=x.device, dtype=dtype)

    # one sample finds q_0, as in training and validation
    base, context = posterior.start(x, noise_for(posterior.num_start_draws, -1, samples=1))
    for first in range(0, samples, chunk):
        count = min(chunk, samples - first)
        start = first // SAMPLE_BLOCK
        blocks = [
            noise_for(posterior.num_draws - posterior.num_start_draws, block)
            for block in range(start, math.ceil((first + count) / SAMPLE_BLOCK))
        ]
        skip = first - start * SAMPLE_BLOCK  # not zero where a chunk is a part of a block
        noise = torch.cat(blocks, dim=1)[:, skip : skip + count]
        stream.add(log_weight_fn(target, posterior, x, base, context, noise))
    return stream.estimate()
