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
    uniforms = randomness.uniform((3, count), seed, "evaluate", -1, part).double()
    level, jitter = uniforms[0], uniforms[1:]
    # a second uniform in the last bits: one float32 is too coarse for 641,601 cells
    low_bits = randomness.uniform((1, count), seed, "evaluate", -2, part).double()[0]
    level = (level + low_bits * 2.0**-24) * mass[-1]
    cell = torch.searchsorted(mass, level).clamp_max(len(mass) - 1)
    return (points[cell] + (jitter.T - 0.5) * width).float()
