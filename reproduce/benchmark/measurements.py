"""Measured cases with their ratios, and how much work is measured."""

from dataclasses import dataclass

import torch

from annealed.compute import onednn

PIXELS, BATCH = 784, 100


@dataclass
class Measurement:
    """One measured case: microseconds an item, and how many times the time of `against`."""

    section: str
    case: str
    item: str
    microseconds: float
    against: str
    ratio: float
    megabytes: float | None = None


@dataclass
class Budget:
    """How much work a turn is."""

    rounds: int
    images: int  # of a training epoch, a multiple of BATCH
    samples: int  # importance samples of a scored batch
    device: torch.device
    peers: str | None  # the folder pythae was installed into

    @property
    def onednn(self) -> bool:
        """Whether oneDNN multiplies here by default."""
        return onednn.resolve("auto", self.device) == "onednn"

    @property
    def train(self) -> torch.Tensor:
        """Images of noise: the time does not depend on what they show."""
        g = torch.Generator().manual_seed(0)
        return torch.randint(0, 256, (self.images, PIXELS), dtype=torch.uint8, generator=g)


def measurements(
    section: str, item: str, taken: dict[str, float], items: dict[str, int], against: str
) -> list[Measurement]:
    """One for each case that took `taken` seconds for its number of `items`."""
    each = {name: 1e6 * spent / items[name] for name, spent in taken.items()}
    return [
        Measurement(section, name, item, v, against, v / each[against]) for name, v in each.items()
    ]
