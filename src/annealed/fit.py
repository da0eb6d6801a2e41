"""Train and score one cell: `python -m annealed.fit --config hvi_avo.yaml [key=value ...]`."""

import argparse
import sys
from pathlib import Path

import pytorch_lightning as pl
import torch

from annealed import command, config as configuration, mirror
from annealed.checkpoints import BEST, LAST, AtomicCheckpointIO, load_weights
from annealed.data.images import ImageData, Images, load_images
from annealed.errors import Diverged, UsageError
from annealed.files import locked, replace_json, replace_text
from annealed.method import Method
from annealed.progress import Progress, TrainingProgress
from annealed.provenance import provenance
from annealed.record import Record
from annealed.registry import allow_import, method_class
from annealed.schema import Config
from annealed.score import RESULT, identity, read_result, score

CONFIG = "config.yaml"
# keys that change no number of a run
FREE = ("runs", "data.root", "trainer.threads", "evaluate.memory_mb", "wandb.")


def run_folder(config: Config) -> Path:
    """<runs>/<preset>/<data>/<row>/seed<k>."""
    return Path(config.runs, config.preset, config.data.name, config.row, f"seed{config.seed}")


def fit(config: Config, resume: bool = False) -> Path:
    """Train and score one cell; returns its run folder, which then holds result.json.

    With `resume` a run that was interrupted goes on from its last checkpoint and one that is
    finished is left as it is. Raises UsageError for what the user can put right and Diverged, with
    a result.json that says so, when a bound is or was no longer finite.
    """
    folder = run_folder(config)
    with locked(folder, "the run folder"):
        if resume and is_finished(config, folder):
            _refuse_diverged(folder)
            return folder
        _check_claim(config, folder, resume)
        if resume and not (folder / LAST).exists():
            print(f"nothing to resume in {folder}: starting anew", file=sys.stderr)
        mirror.resolve_mode(config.wandb.mode)
        device = command.device(config)
        session = provenance(device)  # of the code that trains, not of what is there afterwards
        images = load_images(config.data.name, config.data.root, config.data.seed)
        method = method_class(config.method)(config, images.train.shape[1])
        record = Record(folder, config, session)
        if (folder / LAST).exists():
            load_weights(method, folder / LAST)
        try:
            logger = mirror.start(config, folder, "train")
            replace_text(folder / CONFIG, configuration.to_yaml(config))
            _train_and_score(method, images, config, folder, device, record, logger)
        finally:
            mirror.finish()
    return folder


def is_finished(config: Config, folder: Path) -> bool:
    """Whether `folder` has the result of this configuration; UsageError where of another one."""
    if not (folder / RESULT).exists():
        return False
    _same_run(config, folder)
    return True


def _refuse_diverged(folder: Path) -> None:
    """Raise Diverged where the result says so: the same configuration would diverge again."""
    result = read_result(folder / RESULT)
    if result["status"] == "diverged":
        raise Diverged(f"{folder}: {result['reason']}, as {RESULT} says.")


def _train_and_score(
    method: Method,
    images: Images,
    config: Config,
    folder: Path,
    device: torch.device,
    record: Record,
    logger,
) -> None:
    progress = Progress(f"{config.row} seed {config.seed}")
    try:
        train(method, images, config, folder, device, [record, TrainingProgress(progress)], logger)
        method.to(device)
        load_weights(method, folder / BEST)
        result = score(method, images, config, folder, progress)
    except Diverged as error:
        result = {**identity(config), "status": "diverged", "reason": str(error)}
        result |= {"config": configuration.to_dict(config), "provenance": record.sessions[-1]}
        replace_json(folder / RESULT, result)
        kept = "the last good checkpoint is kept" if (folder / BEST).exists() else "in epoch 1"
        raise Diverged(f"{folder}: {error}; {kept}.") from None
    finally:
        progress.close()
    result["training"] = {
        "epochs": record.epochs,
        "best_epoch": record.best_epoch,
        "best_validation_elbo": record.best_elbo,
        "seconds": round(record.seconds, 1),
        "sessions": record.sessions,
    }
    replace_json(folder / RESULT, result)  # before the mirror, which may fail
    if logger:
        mirror.log_pictures(logger, method, images.test)
        mirror.log_result(logger, result)


def train(
    method: Method,
    images: Images,
    config: Config,
    folder: Path,
    device: torch.device,
    callbacks: list[pl.Callback],
    logger=None,
) -> None:
    """Train `method`, from the last checkpoint in `folder` where there is one."""
    trainer = pl.Trainer(
        accelerator="gpu" if device.type == "cuda" else "cpu",
        devices=1,
        max_epochs=config.trainer.epochs,
        callbacks=callbacks,
        logger=logger or False,
        plugins=[AtomicCheckpointIO()],
        use_distributed_sampler=False,  # the order is ours: a pure function of (seed, epoch)
        num_sanity_val_steps=0,
        enable_checkpointing=True,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=folder,
    )
    data = ImageData(images, config.data.batch_size, config.seed, device)
    last = folder / LAST
    try:
        trainer.fit(method, data, ckpt_path=last if last.exists() else None)
    except SystemExit:  # Lightning's answer to SIGINT and SIGTERM, with a status of its own
        raise KeyboardInterrupt from None


def _check_claim(config: Config, folder: Path, resume: bool) -> None:
    """Refuse a folder that holds a run, unless it is this one and is to be resumed."""
    if (folder / CONFIG).exists():
        if not resume:
            raise UsageError(
                f"{folder} already holds a run; add --resume to go on with it, remove the folder, "
                "or name another with runs=..."
            )
        _same_run(config, folder)
    elif (folder / LAST).exists():
        raise UsageError(f"{folder} holds a checkpoint without {CONFIG}; name another with runs=..")


def _same_run(config: Config, folder: Path) -> None:
    """Refuse to go on under a configuration that would have made other numbers."""
    before = _flat(configuration.to_dict(configuration.read_resolved(folder / CONFIG)))
    for key, value in _flat(configuration.to_dict(config)).items():
        if before.get(key) != value and not key.startswith(FREE):
            raise UsageError(
                f"{folder / CONFIG}: {key} is {before.get(key)} there and {value} now; a resumed "
                "run keeps its configuration, a new one goes to another folder with runs=..."
            )


def _flat(values: dict, prefix: str = "") -> dict:
    """Nested values by dotted key."""
    found = {}
    for key, value in values.items():
        nested = isinstance(value, dict)
        found |= _flat(value, f"{prefix}{key}.") if nested else {prefix + key: value}
    return found


def main() -> None:
    """The command line; see `--help`."""
    parser = argparse.ArgumentParser(prog="annealed.fit", description=__doc__)
    parser.add_argument("--config", required=True, help="a row's YAML, by path or by name")
    parser.add_argument("--resume", action="store_true", help="go on from the last checkpoint")
    parser.add_argument("--print-config", action="store_true", help="show the configuration, stop")
    parser.add_argument("--allow-import", action="store_true", help="method.name may be a class")
    parser.add_argument("overrides", nargs="*", metavar="key=value", help="as in seed=3")
    arguments = parser.parse_intermixed_args()
    if arguments.allow_import:
        allow_import()
    config = configuration.load(arguments.config, arguments.overrides)
    if arguments.print_config:
        print(configuration.to_yaml(config), end="")
        return
    folder = fit(config, arguments.resume)
    print(f"result: {folder / RESULT}")


if __name__ == "__main__":
    sys.exit(command.run(main, "Add --resume to the same command to go on."))
