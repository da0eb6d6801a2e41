"""What one process of a run computes on and how, resolved once from its configuration."""

from dataclasses import dataclass, field

import torch

from annealed.compute import onednn
from annealed.compute.device import device_of
from annealed.compute.ranks import Ranks
from annealed.config.schema import Config


@dataclass(frozen=True)
class Machine:
    """A process's device, its place among the run's processes, and how it multiplies matrices."""

    device: torch.device
    ranks: Ranks = field(default_factory=Ranks)
    products: str = "torch"  # or "onednn"
    precision: str = "32"  # or "tf32" or "bf16", in training


def resolve(
    config: Config, ranks: Ranks | None = None, device: torch.device | None = None
) -> Machine:
    """The machine that `config` asks for: by default one process, on `trainer.accelerator`.

    Raises UsageError where there is no GPU that is asked for.
    """
    ranks = ranks or Ranks()
    device = device or device_of(config, ranks.rank)
    options = config.trainer
    return Machine(device, ranks, onednn.resolve(options.products, device), options.precision)
