"""Run folders: where a run is kept, and the check of a folder that holds a run already."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from annealed import config as configuration
from annealed.config.fields import OptionError
from annealed.config.schema import Config
from annealed.evaluation.result import RESULT, identity, place, read_placed
from annealed.runs import limit
from annealed.training.checkpoints import LAST, recorded
from annealed.utils.errors import UsageError
from annealed.utils.files import replace_text

CONFIG = "config.yaml"
GROUP = "group"  # the file that names the folder whose checkpoint a seed shares
# keys that change no number of a run, or only how sums are rounded
KEYS_WITHOUT_EFFECT = ("runs", "data.root", "evaluate.memory_mb", "wandb.")
KEYS_WITHOUT_EFFECT += tuple(
    f"trainer.{name}" for name in ("threads", "replicas", "steps_per_call", "compile")
)
KEYS_WITHOUT_EFFECT += tuple(
    f"trainer.{name}" for name in ("devices", "strategy", "products", "checkpoint_seconds")
)
# with which annealed.evaluate may have scored a result anew
SCORING = ("evaluate.", "trainer.accelerator")


def run_folder(config: Config) -> Path:
    """<runs>/<preset>/<data>/<row>/seed<k>, of a toy <runs>/<preset>/toy/<energy>/<row>/seed<k>."""
    return Path(config.runs) / place(identity(config))


def each_seed(config: Config) -> list[Config]:
    """The configuration of each seed that `config` trains side by side, as if it were alone."""
    trainer = replace(config.trainer, replicas=1)
    return [
        replace(config, seed=config.seed + k, trainer=trainer)
        for k in range(config.trainer.replicas)
    ]


def group_folder(config: Config) -> Path:
    """Where the last checkpoint is: the run folder, or seeds<first>-<last> beside several."""
    if config.trainer.replicas == 1:
        return run_folder(config)
    last = config.seed + config.trainer.replicas - 1
    return run_folder(config).with_name(f"seeds{config.seed}-{last}")


def is_finished(config: Config, folder: Path, new_limit: bool = False) -> bool:
    """Whether `folder` has the result of this configuration; UsageError where of another one.

    The result itself must say so as well as the configuration beside it: either may be a copy.
    With `new_limit` that of another `trainer.epochs` is none yet.
    """
    if not (folder / RESULT).exists():
        return False
    result, free = read_placed(folder / RESULT), limit.free(config, new_limit)
    _same_run(config, folder, free)
    scored = scored_config(folder / RESULT, result)
    _same_values(config, scored, folder / RESULT, (*SCORING, *free))
    return scored.trainer.epochs == config.trainer.epochs


def scored_config(path: Path, result: dict) -> Config:
    """The configuration that `result`, read from `path`, names; UsageError where it is none."""
    try:
        return configuration.from_dict(result.get("config", {}))
    except OptionError as error:
        raise UsageError(f"{path}: {error}.") from None


def is_of(config: Config, path: Path, result: dict) -> bool:
    """Whether `result`, read from `path`, is what `config` makes and scores, on any device.

    Raises UsageError as `scored_config` does.
    """
    return differing(config, scored_config(path, result), ("trainer.accelerator",)) is None


def check_claim(
    config: Config, folder: Path, group: Path, resume: bool, new_limit: bool = False
) -> None:
    """Refuse a folder that holds a run, unless it is this one and is to be resumed.

    `group` is the folder of the checkpoint that the run shares with those beside it. With
    `new_limit` the run may have had another `trainer.epochs`.
    """
    if (folder / CONFIG).exists():
        if not resume:
            raise UsageError(
                f"{folder} already holds a run; add --resume to go on with it, remove the folder, "
                "or name another with runs=..."
            )
        _same_run(config, folder, limit.free(config, new_limit))
        begun = (
            (folder / GROUP).read_text(encoding="utf-8")
            if (folder / GROUP).exists()
            else folder.name
        )
        if begun != group.name:
            raise UsageError(
                f"{folder} was begun in {begun} and not in {group.name}: seeds that were trained "
                "side by side go on together, with the same seed and trainer.replicas."
            )
    elif (folder / LAST).exists():
        raise UsageError(f"{folder} holds a checkpoint without {CONFIG}; name another with runs=..")


def claim(config: Config, folder: Path, group: Path) -> None:
    """Make `folder` that of `config`, trained with the checkpoint in `group`."""
    replace_text(folder / GROUP, group.name)
    replace_text(folder / CONFIG, configuration.to_yaml(config))


def _same_run(config: Config, folder: Path, free: tuple[str, ...] = ()) -> None:
    """Refuse to go on under a configuration that would have made other numbers.

    The kind of device may have another name, as cpu for auto: the checkpoint says which it was.
    """
    there = configuration.read_resolved(folder / CONFIG)
    _same_values(config, there, folder / CONFIG, ("trainer.accelerator", *free))


def differing(config: Config, there: Config, free: tuple[str, ...] = ()) -> tuple | None:
    """The first key that gives another run in `there`, its value there and its value in `config`.

    Keys that begin as one of `free` do not count, nor those without effect; None where it is the
    same run.
    """
    earlier = _flat(configuration.to_dict(there))
    for key, value in _flat(configuration.to_dict(config)).items():
        if earlier.get(key) != value and not key.startswith((*KEYS_WITHOUT_EFFECT, *free)):
            return key, earlier.get(key), value
    return None


def _same_values(config: Config, there: Config, path: Path, free: tuple[str, ...] = ()) -> None:
    """Refuse `config` where a key that is not `free` is another in `there`, read from `path`."""
    if found := differing(config, there, free):
        key, earlier, value = found
        advice = limit.advice(config) if key == limit.KEY else ""
        raise UsageError(
            f"{path}: {key} is {earlier} there and {value} now; a resumed run keeps "
            f"its configuration, a new one goes to another folder with runs=...{advice}"
        )


def _flat(values: dict, prefix: str = "") -> dict:
    """Nested values by dotted key."""
    flat = {}
    for key, value in values.items():
        nested = isinstance(value, dict)
        flat |= _flat(value, f"{prefix}{key}.") if nested else {prefix + key: value}
    return flat


def seeds_of(checkpoint: dict[str, Any], folder: Path, wanted: list[Config]) -> list[int]:
    """The seeds that `checkpoint`, the last one in `folder`, is of.

    Raises UsageError where it cannot go on with the runs that are `wanted`.
    """
    seeds = [int(seed) for seed in recorded(checkpoint)]
    missing = [run_folder(c) for c in wanted if not (run_folder(c) / CONFIG).exists()]
    if missing or not {c.seed for c in wanted} <= set(seeds):
        reason = f"{missing[0]} is gone" if missing else f"it is of seeds {seeds or 'unknown'}"
        raise UsageError(
            f"{folder / LAST} does not fit seeds {[c.seed for c in wanted]}: {reason}; remove "
            f"{folder} to train anew, or name another with runs=..."
        )
    return seeds
