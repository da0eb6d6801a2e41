"""A run folder read back: its configuration, its best weights, its images or energy."""

from pathlib import Path

import torch

from annealed import config as configuration
from annealed.compute.device import device_of
from annealed.config.schema import Config
from annealed.methods.base import Method
from annealed.runs.folders import CONFIG
from annealed.runs.problems import Problem, problem
from annealed.training.checkpoints import BEST, load_weights
from annealed.utils.errors import UsageError


def configured(folder: Path) -> Config:
    """The configuration of a run folder; raises UsageError where there is none."""
    if not (folder / CONFIG).is_file():
        raise UsageError(f"{folder} is not a run folder: it has no {CONFIG}.")
    return configuration.read_resolved(folder / CONFIG)


def trained(
    folder: Path, config: Config, device: torch.device | None = None
) -> tuple[Method, Problem]:
    """The best weights of a run folder as a method on `device`, and what the run is of.

    The device is by default the one that `config` asks for.
    """
    subject = problem(config)
    method = subject.method(config, device or device_of(config))
    load_weights(method, folder / BEST)
    return method.eval(), subject
