"""Toy targets of any dimension with exact samples: a funnel, and a density of a rotated plane."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from annealed.inference.normal import standard_log_prob
from annealed.models.targets import Energy
from annealed.utils import randomness

NECK = 3.0  # standard deviation of a funnel's v


def funnel(dim: int) -> Energy:
    """Neal's funnel over z (..., D): v = z_1 ~ N(0, 3^2), the others ~ N(0, e^v); log Z = 0.

    Neal 2003, "Slice sampling", Annals of Statistics 31(3), section 8, where D = 10. Raises
    ValueError for D below 2.
    """
    if dim < 2:
        raise ValueError(f"a funnel has at least 2 dimensions; got {dim}")

    def log_density(z: Tensor) -> Tensor:
        v, rest = z[..., :1], z[..., 1:]
        log_scales = math.log(NECK) + 0.5 * (dim - 1) * v[..., 0]
        return standard_log_prob(v / NECK) + standard_log_prob(rest * (-0.5 * v).exp()) - log_scales

    return Energy(log_density, 0.0)


def funnel_points(noise: Tensor) -> Tensor:
    """Exact samples of the funnel, (N, D), from standard normal noise (N, D)."""
    v = NECK * noise[:, :1]
    return torch.cat([v, noise[:, 1:] * (0.5 * v).exp()], dim=1)


def rotation(dim: int) -> Tensor:
    """One random orthogonal matrix of each size, (D, D) in float64."""
    square = randomness.normal((dim, dim), 0, "init", dim, dtype=torch.float64)
    return torch.linalg.qr(square).Q


def embedded(log_density: Callable[[Tensor], Tensor], basis: Tensor) -> Energy:
    """A normalised density of the plane times N(0, I) in all directions at right angles to it.

    `log_density` maps (..., 2) to (...); `basis` (D, 2) has orthonormal columns, which span the
    plane; z is (..., D) and log Z is 0. N(0, I) in D dimensions is its plane's share times the
    rest's, whatever the axes, so the rest is the whole less the plane's share.
    """

    def full(z: Tensor) -> Tensor:
        planar = z @ basis.to(z)
        return log_density(planar) + standard_log_prob(z) - standard_log_prob(planar)

    return Energy(full, 0.0)


def embed(planar: Tensor, noise: Tensor, basis: Tensor) -> Tensor:
    """Exact samples of `embedded`, (N, D), from samples (N, 2) of its plane and noise (N, D)."""
    basis = basis.to(noise)
    return noise + (planar - noise @ basis) @ basis.T
