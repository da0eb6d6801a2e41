"""A run that goes on to another limit of epochs, on which none of its epochs depends."""

import os
from pathlib import Path
from typing import Any

from annealed.config.schema import Config
from annealed.evaluation.result import RESULT, read_placed, read_result
from annealed.training.checkpoints import BEST, LAST, load, recorded
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
    return ", and `--resume --new-limit` (make: NEW_LIMIT=1) goes on to another limit"


def check(
    config: Config, folder: Path, runs: list[Path], checkpoint: dict[str, Any] | None
) -> None:
    """Refuse a limit to which what is in the folders `runs` cannot go on from `checkpoint`.

    `folder` is where that is, the last one. Raises UsageError.
    """
    if checkpoint is None:
        results = [run / RESULT for run in runs if (run / RESULT).exists()]
        scored = [path for path in results if read_result(path)["status"] == "finished"]
        if scored:
            raise UsageError(
                f"{folder / LAST} is gone: the run of {scored[0]} cannot go on to another {KEY}."
            )
        return
    records = list(recorded(checkpoint).values())
    # a kill between the two leaves the best one newer than the last
    done = [load(run / BEST)["epoch"] + 1 for run in runs if (run / BEST).exists()]
    done += [record["epochs"] for record in records]
    if max(done, default=0) > config.trainer.epochs:
        raise UsageError(
            f"{folder} has {max(done)} epochs; accepted with --new-limit: {KEY}={max(done)} or "
            "more."
        )


def set_aside(folder: Path) -> None:
    """Rename the result of the limit before, `result.<epochs>_epochs.json`; evaluations likewise.

    Of a folder without a result nothing is renamed.
    """
    path = folder / RESULT
    if not path.exists():
        return
    mark = f".{read_placed(path)['config']['trainer']['epochs']}_epochs"
    stems = {file.stem for file in folder.glob("evaluation_*.json") if "." not in file.stem}
    for stem in (*sorted(stems), path.stem):  # the result is the last, so a kill is made up for
        for suffix in (".npz", ".json"):
            file = folder / (stem + suffix)
            if file.exists():
                os.replace(file, folder / (stem + mark + suffix))
