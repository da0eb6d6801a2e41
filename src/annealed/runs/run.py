"""Train and score one cell: claim its folders, train its seeds together, write their results."""

import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import torch

from annealed import config as configuration
from annealed.compute import onednn
from annealed.compute.device import device_of
from annealed.config.registry import method_class
from annealed.config.schema import Config
from annealed.data.images import Images, load_images
from annealed.evaluation.result import RESULT, identity, read_result
from annealed.evaluation.score import score
from annealed.methods.base import Method
from annealed.runs import wandb_logger
from annealed.runs.folders import (
    check_claim,
    claim,
    each_seed,
    group_folder,
    is_finished,
    run_folder,
    seeds_of,
)
from annealed.training import distributed
from annealed.training.checkpoints import BEST, LAST, PREVIOUS, load_weights, recover
from annealed.training.progress import Progress
from annealed.training.record import Record
from annealed.training.trainer import train
from annealed.utils.errors import Diverged
from annealed.utils.files import locked, replace_json
from annealed.utils.provenance import provenance


def fit(config: Config, resume: bool = False) -> Path:
    """Train and score a cell, `trainer.replicas` seeds of it side by side.

    Returns the first seed's run folder; each seed's then holds its result.json. With `resume` what
    was interrupted goes on from its last checkpoint and what is finished is left as it is. Raises
    UsageError for what the user can put right and Diverged, with a result.json that says so, when
    a seed's bound is or was no longer finite; the other seeds are finished first.
    """
    if not distributed.ranks(config).leads:
        return _follow(config, resume)
    cells, folder = each_seed(config), group_folder(config)
    with ExitStack() as stack:
        for held in dict.fromkeys([folder, *map(run_folder, cells)]):
            stack.enter_context(locked(held, "the run folder"))
        left = _unfinished(cells, resume)
        if resume and left:
            recover(folder)
        if left and folder != run_folder(cells[0]):
            check_claim(config, folder, folder, resume)
        for cell in left:
            check_claim(cell, run_folder(cell), folder, resume)
        if left:
            if resume and not (folder / LAST).exists():
                print(f"nothing to resume in {folder}: starting anew", file=sys.stderr)
            _run(config, left, folder)
    _tell_diverged([run_folder(cell) for cell in cells])
    return run_folder(config)


def _unfinished(cells: list[Config], resume: bool) -> list[Config]:
    """The seeds that are to be trained or scored."""
    return [cell for cell in cells if not (resume and is_finished(cell, run_folder(cell)))]


def _follow(config: Config, resume: bool) -> Path:
    """Train beside rank 0, which has claimed the folders, and leave all else to it."""
    device, images, methods = _prepare(config, _unfinished(each_seed(config), resume))
    cells, session = {cell.seed: cell for cell in each_seed(config)}, provenance(device)
    records = {
        seed: Record(run_folder(cells[seed]), cells[seed], session, writes=False)
        for seed in methods
    }
    train(list(methods.values()), images, config, group_folder(config), device, records)
    return run_folder(config)


def _prepare(config: Config, left: list[Config]) -> tuple[torch.device, Images, dict[int, Method]]:
    """The device of this process, the images, and a method for each seed in training."""
    device = device_of(config, distributed.ranks(config).rank)
    distributed.check(config, device)
    data, folder = config.data, group_folder(config)
    limits = data.train_images, data.size, data.held_out_images
    images = load_images(data.name, data.root, data.seed, *limits)
    seeds = set(seeds_of(folder, left)) or {cell.seed for cell in left}
    cells = [cell for cell in each_seed(config) if cell.seed in seeds]
    kind, pixels = method_class(config.method), images.train.shape[1]
    return device, images, {cell.seed: kind(cell, pixels).to(device) for cell in cells}


def _tell_diverged(folders: list[Path]) -> None:
    """Raise Diverged where a result says so: the same configuration would diverge again."""
    found = [(folder, read_result(folder / RESULT)) for folder in folders]
    told = [
        f"{folder}: {result['reason']}; "
        + ("the last good checkpoint is kept" if (folder / BEST).exists() else "in epoch 1")
        for folder, result in found
        if result["status"] == "diverged"
    ]
    if told:
        raise Diverged("; ".join(told) + ".")


def _run(config: Config, left: list[Config], folder: Path) -> None:
    """Train the seeds of `left` and write their results."""
    wandb_logger.resolve_mode(config.wandb.mode)
    device, images, methods = _prepare(config, left)
    cells = {cell.seed: cell for cell in each_seed(config)}
    # of the code that trains, not of what is there afterwards
    by = onednn.chosen(config.trainer.products, device)
    session = {**provenance(device), "devices": config.trainer.devices, "products": by}
    records = {seed: Record(run_folder(cells[seed]), cells[seed], session) for seed in methods}
    loggers = wandb_logger.start([(cell, run_folder(cell)) for cell in left], "train")
    ended = False
    try:
        claim(config, folder, folder)
        for cell, logger in zip(left, loggers, strict=True):
            records[cell.seed].logger = logger
            claim(cell, run_folder(cell), folder)
        progress = Progress(f"{config.row} {folder.name}")
        try:
            train(list(methods.values()), images, config, folder, device, records, progress)
            held_out = len(images.held_out(config.evaluate.split))
            progress.start("score", len(left) * held_out)
            for i, cell in enumerate(left):
                report = lambda done, before=i * held_out: progress.update(before + done)  # noqa: E731
                record, method = records[cell.seed], methods[cell.seed]
                _conclude(method, images, cell, record, len(methods), report)
            (folder / PREVIOUS).unlink(missing_ok=True)
            ended = True
        finally:
            progress.close()
    finally:
        for record in records.values():
            wandb_logger.finish(record.logger, failed=not ended or record.diverged is not None)


def _conclude(
    method: Method,
    images: Images,
    config: Config,
    record: Record,
    together: int,
    report: Callable[[int], None],
) -> None:
    """Write the result of one seed, trained `together` with others, whose training has ended."""
    folder = run_folder(config)
    training = {
        "epochs": record.epochs,
        "best_epoch": record.best_epoch,
        "best_validation_elbo": record.best_elbo if record.best_epoch >= 0 else None,
        "seconds": round(record.seconds, 1),
        "seconds_a_seed": round(record.share, 1),
        "replicas": together,
        "sessions": record.sessions,
    }
    try:
        if record.diverged:
            raise Diverged(record.diverged)
        load_weights(method, folder / BEST)
        result = score(method, images, config, folder, report)
    except Diverged as error:
        result = {**identity(config), "status": "diverged", "reason": str(error)}
        result |= {"config": configuration.to_dict(config), "provenance": record.sessions[-1]}
        result["training"] = training
        replace_json(folder / RESULT, result)
        return
    result["training"] = training
    replace_json(folder / RESULT, result)  # before the mirror, which may fail
    if record.logger:
        wandb_logger.log_pictures(record.logger, method, images.held_out(config.evaluate.split))
        wandb_logger.log_result(record.logger, result, folder, RESULT)
