"""A run that goes on to another limit of epochs, on which none of its epochs depends."""

import os
from pathlib import Path
from typing import Any

from annealed.config.schema import Config
from annealed.evaluation.result import RESULT, read_placed
from annealed.training.checkpoints import LAST
from annealed.utils.errors import UsageError

KEY = "trainer.epochs"


def dependence(config: Config) -> str | None:
    """The key by which an epoch of the run depends on its limit of epochs; None where none does."""
    if config.optimiser.milestones:
        return "optimiser.milestones"
    return "trainer.warmup=cyclical" if config.trainer.warmup == "cyclical" else None


def free(config: Config, new_limit: bool) -> tuple[str, ...]:
    """KEY where a run of `config` may have had another value of it, under `new_limit`."""
    return (KEY,) if new_limit and dependence(config) is None else ()


def advice(config: Config) -> str:
    """How to go on to another limit, or why that is not possible."""
    if key := dependence(config):
        return f"; with {key} the epochs depend on their number"
    return ", and annealed.fit --resume --new-limit goes on to another limit"


def check(
    config: Config, folder: Path, runs: list[Path], checkpoint: dict[str, Any] | None
) -> None:
    """Refuse a limit to which what is in the folders `runs` cannot go on from `checkpoint`.

    `folder` is where that is, the last one. Raises UsageError.
    """
    if checkpoint is None:
        scored = [run / RESULT for run in runs if (run / RESULT).exists()]
        if scored:
            raise UsageError(
                f"{folder / LAST} is gone: the run of {scored[0]} cannot go on to another {KEY}."
            )
        return
    records = checkpoint.get("callbacks", {}).get("Recorder", {}).values()
    done = max((record["epochs"] for record in records), default=0)
    if done > config.trainer.epochs:
        raise UsageError(
            f"{folder} has {done} epochs; accepted with --new-limit: {KEY}={done} or more."
        )


def set_aside(folder: Path) -> None:
    """Rename the result of the limit before, if there is one, to `result.<epochs>_epochs.json`."""
    path = folder / RESULT
    if not path.exists():
        return
    name = f"{path.stem}.{read_placed(path)['config']['trainer']['epochs']}_epochs"
    for suffix in (".npz", ".json"):  # a kill between them leaves the JSON, whose turn comes again
        file = path.with_suffix(suffix)
        if file.exists():
            os.replace(file, path.with_name(name + suffix))
