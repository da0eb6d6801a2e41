"""Exact samples from a planar density by its grid."""

import torch
from torch import Tensor

from annealed.models.targets import Energy
from annealed.utils import randomness

CELLS = 801  # a side of the grid


def sample(energy: Energy, half_width: float, count: int, seed: int, part: int = 0) -> Tensor:
    """`count` points (count, 2) of the density on [-half_width, half_width]^2, keyed by the seed.

    A cell is drawn by the inverse of the cells' cumulative mass (density at the centre), a point
    in it uniformly: exact up to the cell's width, 2 half_width / CELLS.
    """
    width = 2.0 * half_width / CELLS
    centres = (torch.arange(CELLS, dtype=torch.float64) + 0.5) * width - half_width
    points = torch.cartesian_prod(centres, centres)
    mass = energy.log_density(points).softmax(0).cumsum(0)
    where, jitter = (
        randomness.uniform((3, count), seed, "evaluate", -1, part).double().split([1, 2])
    )
    # a second uniform in the last bits: one float32 cannot tell 641,601 cells apart evenly
    fine = randomness.uniform((1, count), seed, "evaluate", -2, part).double()
    cell = torch.searchsorted(mass, ((where + fine * 2.0**-24)[0] * mass[-1])).clamp_max(
        len(mass) - 1
    )
    return (points[cell] + (jitter.T - 0.5) * width).float()
