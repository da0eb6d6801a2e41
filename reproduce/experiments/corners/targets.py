"""The page's targets: density, q_0, exact samples, and regions whose exact masses are known."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from annealed.models import energies, grid_sampler, high_dimensional
from annealed.models.targets import Energy
from annealed.utils import randomness

DISC = 2.0  # standard deviations: the radius of a mode's region
INSIDE = -math.expm1(-0.5 * DISC**2)  # a mode's mass that is in its region
FUNNEL_SIDE = 0.5 * math.erfc(math.sqrt(0.5))  # P(v < -3) = P(v > 3), v ~ N(0, 3^2)


@dataclass(frozen=True)
class Target:
    """What a path is to match, and what is known of it.

    `sample` takes a count N, a seed and a part and returns exact points (N, D); `shares` takes
    points (N, D) to the share of them in each region, (M,), whose sum may be below 1; `view` takes
    points (N, D) to the plane of the figures, (N, 2).
    """

    energy: Energy
    scale: list[float]  # the standard deviations of q_0, (D,)
    masses: tuple[float, ...]  # exact, of the M regions
    sample: Callable[[int, int, int], Tensor]
    shares: Callable[[Tensor], Tensor]
    view: Callable[[Tensor], Tensor]
    half_width: float  # of the figures


def discs(z: Tensor, modes: tuple, variance: float) -> Tensor:
    """Share of the points z (N, 2) within DISC standard deviations of each of M modes: (M,)."""
    apart = torch.cdist(z, torch.tensor(modes, dtype=z.dtype))
    return (apart < DISC * math.sqrt(variance)).to(z).mean(0)


# the other modes have less than 1e-4 of their mass in a mode's disc
DISC_MASSES = tuple(INSIDE * mass for mass in energies.MASSES)


def planar(name: str, modes: tuple, variance: float, scale: float, half_width: float) -> Target:
    """One of the mixtures in the plane; a region is a disc around a mode."""
    energy = energies.energy(name)
    return Target(
        energy,
        [scale] * 2,
        DISC_MASSES,
        lambda count, seed, part: grid_sampler.sample(energy, 2.0 * half_width, count, seed, part),
        lambda z: discs(z, modes, variance),
        lambda z: z,
        half_width,
    )


def modes_in(dim: int) -> Target:
    """The four modes (d) in a plane of D dimensions, N(0, I) in the others; q_0 = N(0, I)."""
    basis = high_dimensional.rotation(dim)[:, :2]
    energy = energies.energy("d")

    def sample(count: int, seed: int, part: int) -> Tensor:
        flat = grid_sampler.sample(energy, 8.0, count, seed, part)
        noise = randomness.normal((count, dim), seed, "evaluate", -3, part)
        return high_dimensional.embed(flat, noise, basis)

    def view(z: Tensor) -> Tensor:
        return z @ basis.to(z)

    return Target(
        high_dimensional.embedded(energy.log_density, basis),
        [1.0] * dim,
        DISC_MASSES,
        sample,
        lambda z: discs(view(z), energies.MODES, energies.MODE_VARIANCE),
        view,
        4.0,
    )


def funnel(dim: int) -> Target:
    """Neal's funnel; the regions are its neck, v < -3, its middle, and its mouth, v > 3."""
    edges = torch.tensor([-high_dimensional.NECK, high_dimensional.NECK])

    def sample(count: int, seed: int, part: int) -> Tensor:
        noise = randomness.normal((count, dim), seed, "evaluate", -3, part)
        return high_dimensional.funnel_points(noise)

    def shares(z: Tensor) -> Tensor:
        return torch.bincount(torch.bucketize(z[:, 0].contiguous(), edges), minlength=3) / len(z)

    return Target(
        high_dimensional.funnel(dim),
        [1.0] * dim,
        (FUNNEL_SIDE, 1.0 - 2.0 * FUNNEL_SIDE, FUNNEL_SIDE),
        sample,
        shares,
        lambda z: z[:, [1, 0]],
        10.0,
    )


FAR, NEAR = "far modes (g)", "four modes (d)"
DIMENSIONS, FUNNELS = (2, 5, 10, 20, 50), (2, 10)


def modes_name(dim: int) -> str:
    """What the four modes in D dimensions are called."""
    return f"four modes in {dim}-D"


def funnel_name(dim: int) -> str:
    """What the funnel in D dimensions is called."""
    return f"funnel in {dim}-D"


def target(name: str) -> Target:
    """A target by its name; raises KeyError for another."""
    makers = {
        FAR: lambda: planar("g", energies.WIDE_MODES, energies.WIDE_VARIANCE, 1.0, 9.0),
        NEAR: lambda: planar("d", energies.MODES, energies.MODE_VARIANCE, 2.0, 4.0),
        **{modes_name(d): lambda d=d: modes_in(d) for d in DIMENSIONS},
        **{funnel_name(d): lambda d=d: funnel(d) for d in FUNNELS},
    }
    return makers[name]()
