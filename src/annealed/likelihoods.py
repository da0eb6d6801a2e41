"""Likelihoods p(x | z) of what the decoder returns; each sums over a whole example."""

from torch import Tensor
from torch.nn import functional as F


def bernoulli(logits: Tensor, x: Tensor) -> Tensor:
    """Log p(x | z) of binary pixels in nats: logits (S, B, X), x (B, X) of 0 and 1 -> (S, B)."""
    return (logits * x).sum(-1) - F.softplus(logits).sum(-1)
