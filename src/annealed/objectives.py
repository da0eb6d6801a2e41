"""Bounds, per example and maximised: log-weights, ELBO, IWAE.

Shapes: S samples, B examples. Nothing here reduces over B: that one mean is the caller's.
"""

import math
from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor, nn

from annealed.posteriors import Path, Posterior


class Terms(NamedTuple):
    """The two parts of a log-weight, each (S, B) in nats."""

    log_likelihood: Tensor
    rate: Tensor  # log q(path) - log p(z_T): a one-sample KL divergence

    def log_weight(self, beta: float = 1.0) -> Tensor:
        """Log w = log p(x | z_T) - beta * rate, (S, B)."""
        return self.log_likelihood - beta * self.rate


def path_terms(target: nn.Module, x: Tensor, path: Path) -> Terms:
    """The terms of a whole path under p(x, z_T)."""
    log_likelihood, log_prior = target(x, path.z[-1])
    return Terms(log_likelihood, path.log_prob() - log_prior)


def log_weight(target: nn.Module, x: Tensor, path: Path, beta: float = 1.0) -> Tensor:
    """Unreduced importance log-weights of a path, (S, B) in nats."""
    return path_terms(target, x, path).log_weight(beta)


def elbo(log_w: Tensor) -> Tensor:
    """Evidence lower bound, the mean over S (Kingma & Welling 2013, arXiv 1312.6114): -> (B,)."""
    return log_w.mean(0)


def iwae(log_w: Tensor) -> Tensor:
    """Importance-weighted bound, log-mean-exp over S (Burda et al. 2015, arXiv 1509.00519)."""
    return torch.logsumexp(log_w, 0) - math.log(log_w.shape[0])


class ELBO:
    """The objective that maximises the ELBO of the whole path with `samples` draws an example."""

    def __init__(self, samples: int = 1):
        self.samples = samples

    def __call__(
        self,
        target: nn.Module,
        posterior: Posterior,
        x: Tensor,
        noise: Tensor,
        beta: float,
        coin: float,
    ) -> Iterator[tuple[Tensor, Terms]]:
        """Parts to maximise one after another, each (B,), with the terms of the path so far.

        x (B, X), noise (draws, S, B, D), `beta` the weight of the rate, `coin` uniform on [0, 1)
        for objectives that choose at random. The last part's terms are those of the ELBO.
        """
        terms = path_terms(target, x, posterior(x, noise))
        yield elbo(terms.log_weight(beta)), terms
