"""The package's energies by name, with what is known of each: scale, window, samples, modes."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from annealed.config.datasets import ENERGIES
from annealed.models import energies, grid_sampler, high_dimensional
from annealed.models.targets import Energy
from annealed.utils import randomness

CORRELATION = 0.9  # of the Gaussian in the plane
WIDE = 3.0  # the scale of q_0 where nothing is known of the energy
PLANAR = {  # name -> letter in `energies`, scale of q_0, half width of pictures, of sampling
    "two_crescents": ("a", 2.0, 4.0, 8.0),
    "broken_ring": ("b", 3.0, 7.0, 12.0),
    "ellipse": ("c", 2.0, 5.0, 10.0),
    "four_modes": ("d", 2.0, 4.0, 8.0),
    "torchkit_modes": ("i", 2.5, 5.0, 8.0),
    "wave": ("e", 3.0, 6.0, 16.0),
    "split_wave": ("f", 3.0, 6.0, 20.0),
    "wide_modes": ("g", 5.0, 10.0, 16.0),
    "lattice": ("h", 4.0, 6.0, 8.0),
}
MODES = {  # name -> modes, and the mass of each
    "four_modes": (energies.MODES, energies.MASSES),
    "torchkit_modes": (energies.TORCHKIT_MODES, energies.MASSES),
    "wide_modes": (energies.WIDE_MODES, energies.MASSES),
    "lattice": (energies.LATTICE, (1.0 / len(energies.LATTICE),) * len(energies.LATTICE)),
}


@dataclass(frozen=True)
class Toy:
    """An energy, and what is known of it beside its log density.

    `sample` takes a count N, a seed and a part and returns exact points (N, D), which other parts
    do not repeat; None: there are none. A half width of None is one that is not known.
    """

    energy: Energy
    scale: float = WIDE  # of a q_0 = N(0, scale^2 I) that covers the energy
    half_width: float | None = None  # of pictures of the first two coordinates
    sample: Callable[[int, int, int], Tensor] | None = None
    modes: tuple[tuple[float, ...], ...] = ()
    masses: tuple[float, ...] = ()  # of the modes; their sum is 1


def toy(name: str, dim: int) -> Toy:
    """The energy `name` over z (..., dim), one of `config.datasets.ENERGIES`.

    Raises ValueError for another name, or a dimension that the energy does not have.
    """
    if name not in ENERGIES:
        raise ValueError(f"unknown energy {name!r}; accepted: {', '.join(ENERGIES)}")
    if name == "funnel":
        return Toy(high_dimensional.funnel(dim), 1.0, 10.0, partial(_funnel_points, dim))
    if dim != 2:
        raise ValueError(f"{name} has 2 dimensions; got {dim}")
    if name == "ring":
        modes = energies.RING_MODES
        masses = (1.0 / len(modes),) * len(modes)
        return Toy(energies.ring(), 5.0, 14.0, _ring_points, modes, masses)
    if name == "correlated_gaussian":
        gaussian = energies.correlated_gaussian(CORRELATION)
        return Toy(gaussian, 1.5, 4.0, partial(grid_sampler.sample, gaussian, 8.0))
    letter, scale, half_width, reach = PLANAR[name]
    energy = energies.energy(letter)
    exact = partial(grid_sampler.sample, energy, reach)
    return Toy(energy, scale, half_width, exact, *MODES.get(name, ()))


def _funnel_points(dim: int, count: int, seed: int, part: int) -> Tensor:
    noise = randomness.normal((count, dim), seed, "evaluate", -3, part)
    return high_dimensional.funnel_points(noise)


def _ring_points(count: int, seed: int, part: int) -> Tensor:
    modes = torch.tensor(energies.RING_MODES)
    uniforms = randomness.uniform((count,), seed, "evaluate", -1, part)
    noise = randomness.normal((count, 2), seed, "evaluate", -3, part)
    return modes[(uniforms * len(modes)).long()] + noise * energies.RING_VARIANCE**0.5
