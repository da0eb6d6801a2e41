"""Toy targets with a known log Z: nine energies in the plane, and Gaussians of any covariance."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from annealed.inference.normal import standard_log_prob
from annealed.models.targets import Energy

MODES = ((-2.0, 0.0), (2.0, 0.0), (0.0, 2.0), (0.0, -2.0))  # of energy d
MASSES = (0.1, 0.3, 0.4, 0.2)  # of those modes, and of energies g's and i's
MODE_VARIANCE = 0.2
WIDE_MODES = ((-5.0, 0.0), (5.0, 0.0), (0.0, 5.0), (0.0, -5.0))  # of energy g
WIDE_VARIANCE = 1.5
LATTICE = tuple((2.0 * i, 2.0 * j) for i in range(-2, 3) for j in range(-2, 3))  # of energy h
LATTICE_VARIANCE = 0.1
TORCHKIT_MODES = ((-2.5, 0.0), (2.5, 0.0), (0.0, 2.5), (0.0, -2.5))  # of energy i
TORCHKIT_VARIANCE = 0.375


def _bump(value: Tensor, scale: float) -> Tensor:
    return -0.5 * (value / scale).square()


def _log_sum(*terms: Tensor) -> Tensor:
    return torch.stack(terms).logsumexp(0)


def _ring(z: Tensor, radius: float, scale: float) -> Tensor:
    return _bump(torch.linalg.vector_norm(z, dim=-1) - radius, scale)


def _wave(z1: Tensor) -> Tensor:
    return torch.sin(0.5 * math.pi * z1)


def two_crescents(z: Tensor) -> Tensor:
    """Energy a: a ring of radius 2, cut into a left and a right half."""
    z1 = z[..., 0]
    return _ring(z, 2.0, 0.4) + _log_sum(_bump(z1 - 2.0, 0.6), _bump(z1 + 2.0, 0.6))


def broken_ring(z: Tensor) -> Tensor:
    """Energy b: a ring of radius 4 under three overlapping bands."""
    z1, z2 = z.unbind(-1)
    bands = _bump(z1 - 2.0, 0.6), _bump(2.0 * torch.sin(z1), 1.0), _bump(z1 + z2 + 2.5, 0.6)
    return _ring(0.5 * z, 2.0, 0.5) + _log_sum(*bands)


def ellipse(z: Tensor) -> Tensor:
    """Energy c: an elliptic ring."""
    squeezed = torch.stack([z[..., 0], z[..., 1] / math.sqrt(2.0)], -1)
    return -(2.0 - torch.linalg.vector_norm(squeezed, dim=-1)).square()


def _mixture(z: Tensor, modes, masses, variance: float) -> Tensor:
    scale = math.sqrt(variance)
    components = [
        math.log(mass / variance)
        + standard_log_prob((z - torch.tensor(mode, dtype=z.dtype, device=z.device)) / scale)
        for mode, mass in zip(modes, masses, strict=True)
    ]
    return _log_sum(*components)


def four_modes(z: Tensor) -> Tensor:
    """Energy d: Gaussians of variance 0.2 at MODES with weights MASSES; normalised."""
    return _mixture(z, MODES, MASSES, MODE_VARIANCE)


def wide_modes(z: Tensor) -> Tensor:
    """Energy g: Gaussians of variance 1.5 at WIDE_MODES with weights MASSES; normalised."""
    return _mixture(z, WIDE_MODES, MASSES, WIDE_VARIANCE)


def torchkit_modes(z: Tensor) -> Tensor:
    """Energy i: Gaussians of variance 0.375 at TORCHKIT_MODES with weights MASSES; normalised.

    U4 of torchkit, the first author's code for Huang et al. 2018 (CW-Huang/torchkit,
    `toy_energy.py`, commit 844b621), which has energy g at 2 z and adds 2.5: its log Z is
    2.5 - log 4.
    """
    return _mixture(z, TORCHKIT_MODES, MASSES, TORCHKIT_VARIANCE)


def lattice(z: Tensor) -> Tensor:
    """Energy h: 25 equal Gaussians of variance 0.1 at LATTICE, 2 apart; normalised."""
    axis = torch.arange(-4.0, 5.0, 2.0, dtype=z.dtype, device=z.device)
    apart = (z[..., None] - axis) / math.sqrt(LATTICE_VARIANCE)  # the 25 are a product of 5 and 5
    density = -0.5 * (apart.square() + math.log(2.0 * math.pi * LATTICE_VARIANCE))
    return (density.logsumexp(-1) - math.log(len(axis))).sum(-1)


def wave(z: Tensor) -> Tensor:
    """Energy e: a sine-shaped valley, damped along z1."""
    z1, z2 = z.unbind(-1)
    return _bump(z2 - _wave(z1), 0.4) - 0.1 * z1.square()


def split_wave(z: Tensor) -> Tensor:
    """Energy f: a sine-shaped valley that splits in two around z1 = 2, damped along z1."""
    z1, z2 = z.unbind(-1)
    offset = z2 - _wave(z1)
    branch = 3.0 * torch.exp(-0.5 * (z1 - 2.0).square())
    return _log_sum(_bump(offset, 0.35), _bump(offset + branch, 0.35)) - 0.05 * z1.square()


DENSITIES: dict[str, Callable[[Tensor], Tensor]] = {
    "a": two_crescents,
    "b": broken_ring,
    "c": ellipse,
    "d": four_modes,
    "e": wave,
    "f": split_wave,
    "g": wide_modes,
    "h": lattice,
    "i": torchkit_modes,
}
NAMES = tuple(DENSITIES)
# trapezoid rule on 4001 x 4001 points of [-24, 24]^2 in float64; held to 1e-4 by tests
LOG_Z = {
    "a": 1.8775016261,
    "b": 3.8146049116,
    "c": 3.4502072551,
    "d": 0.0,
    "e": 1.7263052908,
    "f": 2.6324946690,
    "g": 0.0,
    "h": 0.0,
    "i": 0.0,
}


RING_MODES = tuple(
    (10.0 * math.sin(k * math.pi / 4.0), 10.0 * math.cos(k * math.pi / 4.0)) for k in range(8)
)
RING_VARIANCE = 0.5


def ring() -> Energy:
    """Eight Gaussians of variance 0.5, each of mass 1, on a circle of radius 10: log Z = log 8.

    The energy of Zimmermann, Wu, Esmaeili, van de Meent 2021 (arXiv 2106.11302, section 5.1).
    """
    ones = (1.0,) * len(RING_MODES)
    return Energy(lambda z: _mixture(z, RING_MODES, ones, RING_VARIANCE), math.log(8.0))


def energy(name: str) -> Energy:
    """One of the nine energies, a to i, over z (..., 2); raises ValueError for another name.

    a and e follow energies 1 and 2 of Rezende & Mohamed 2015 (arXiv 1505.05770), e and f as in
    Huang's torchkit (U5 and U6): damped along z1, and f's branch is at z1 = 2, of width 1, where
    that paper's energy 3 has it at 1, of 0.6. b, c and d follow Huang et al. 2018 (arXiv
    1809.01818), i their code; g and h are harder mixtures, d further apart and 25 modes.
    """
    if name not in DENSITIES:
        raise ValueError(f"unknown energy {name!r}; accepted: {', '.join(NAMES)}")
    return Energy(DENSITIES[name], LOG_Z[name])


def gaussian(covariance: Tensor) -> Energy:
    """The normalised N(0, covariance), covariance (D, D): log Z = 0, exactly."""
    factor = torch.linalg.inv(torch.linalg.cholesky(covariance.double()))
    log_scale = factor.diagonal().log().sum().item()

    def log_density(z: Tensor) -> Tensor:
        return standard_log_prob(z @ factor.T.to(z)) + log_scale

    return Energy(log_density, 0.0)


def correlated_gaussian(correlation: float) -> Energy:
    """The normalised Gaussian in the plane with unit variances."""
    return gaussian(torch.tensor([[1.0, correlation], [correlation, 1.0]], dtype=torch.float64))


def quadrature(log_density: Callable[[Tensor], Tensor], half_width: float, points: int) -> float:
    """Log of the integral over [-half_width, half_width]^2 by the trapezoid rule, in nats.

    The rule converges faster than any power for smooth densities that vanish at the edges.
    """
    axis = torch.linspace(-half_width, half_width, points, dtype=torch.float64)
    rows = [log_density(torch.cartesian_prod(part, axis)).logsumexp(0) for part in axis.split(100)]
    return torch.stack(rows).logsumexp(0).item() + 2.0 * math.log(2.0 * half_width / (points - 1))


def mode_masses(z: Tensor, modes: tuple[tuple[float, float], ...] = MODES) -> Tensor:
    """Share of the points z (N, 2) nearest to each of M modes, by default energy d's: (M,)."""
    nearest = torch.cdist(z, torch.tensor(modes, dtype=z.dtype, device=z.device)).argmin(-1)
    return torch.bincount(nearest, minlength=len(modes)) / len(z)
