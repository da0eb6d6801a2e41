"""A run folder read back: its configuration, its best weights, its images or energy."""

import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch

from annealed import config as configuration
from annealed.compute.device import device_of
from annealed.config.schema import Config
from annealed.methods.base import Method
from annealed.runs.folders import CONFIG
from annealed.runs.machine_keys import MACHINE_KEYS
from annealed.runs.problems import Problem, problem
from annealed.training.checkpoints import BEST, load_weights
from annealed.utils.errors import UsageError


def configured(folder: Path, overrides: Sequence[str] = ()) -> Config:
    """The configuration of a run folder, under `overrides` of MACHINE_KEYS.

    Where its `data.root` is gone and ANNEALED_DATA is set, the data are looked for there. Raises
    UsageError where there is no configuration or another key is overridden.
    """
    path = folder / CONFIG
    try:
        there = path.is_file()
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}.") from None
    if not there:
        raise UsageError(f"{folder} is not a run folder: it has no {CONFIG}.")
    config = configuration.read_resolved(path, list(overrides), MACHINE_KEYS)
    if any(override.startswith("data.root=") for override in overrides):
        return config
    return _with_data_of_this_machine(config)


def _with_data_of_this_machine(config: Config) -> Config:
    """`config` without a `data.root` that is gone, where ANNEALED_DATA takes its place."""
    root, here = config.data.root, os.environ.get("ANNEALED_DATA")
    if root is None or not here or os.path.isdir(root):
        return config
    print(
        f"data.root of the run, {root}, is gone: looking in ANNEALED_DATA, {here}", file=sys.stderr
    )
    return replace(config, data=replace(config.data, root=None))


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
