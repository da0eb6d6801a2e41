"""Exact quantities of Gaussians, by torch's own distributions."""

import torch
from torch import Tensor
from torch.distributions import MultivariateNormal, kl_divergence


def gaussian_kl(covariance: Tensor, other: Tensor) -> float:
    """KL(N(0, covariance) || N(0, other)) in nats, both (D, D) in float64."""
    mean = torch.zeros(len(other), dtype=torch.float64)
    return kl_divergence(
        MultivariateNormal(mean, covariance), MultivariateNormal(mean, other)
    ).item()
