"""Temperatures of an annealed run, and how large it is."""

import math
from dataclasses import dataclass

BLOCK = 16  # chains side by side: noise is keyed by blocks, and memory is that of one
TRIAL = 50  # temperatures of the trial run that finds step sizes
SHARPNESS = 3.0  # of the sigmoid that spaces temperatures


def inverse_temperature(position: float) -> float:
    """Rises from 0 at position 0 to 1 at position 1, slowly at both ends.

    A sigmoid, as in Grosse, Ghahramani, Adams 2015 (arXiv 1511.02543), section 6.1.
    """
    return 0.5 + 0.5 * math.tanh(SHARPNESS * (position - 0.5)) / math.tanh(SHARPNESS / 2.0)


@dataclass(frozen=True)
class AnnealingOptions:
    """The size of a run. Raises ValueError for one below 1."""

    chains: int = 16
    temperatures: int = 500
    leapfrogs: int = 5  # steps of a transition

    def __post_init__(self):
        for name, value in vars(self).items():
            if value < 1:
                raise ValueError(f"{name} is {value}; accepted: a whole number from 1")

    @property
    def blocks(self) -> int:
        """Blocks of chains, the last one perhaps not full."""
        return math.ceil(self.chains / BLOCK)

    def transitions(self, passes: int = 1) -> int:
        """Transitions of a block in the trial run and `passes` passes, forward or reverse."""
        if self.temperatures == 1:
            return 0
        return TRIAL + passes * self.blocks * (self.temperatures - 1)
