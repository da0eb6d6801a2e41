"""The end of a run: each seed's result, written, and the error where one diverged."""

from collections.abc import Callable
from pathlib import Path

from annealed import config as configuration
from annealed.compute.machine import Machine
from annealed.config.schema import Config
from annealed.evaluation.result import RESULT, identity, read_result
from annealed.methods.base import Method
from annealed.runs import wandb_logger
from annealed.runs.folders import run_folder
from annealed.runs.problems import Problem
from annealed.training.checkpoints import BEST, load_weights
from annealed.training.record import Record
from annealed.utils.errors import Diverged
from annealed.utils.files import replace_json
from annealed.utils.provenance import OUTSIDE


def conclude(
    method: Method,
    subject: Problem,
    config: Config,
    record: Record,
    machine: Machine,
    replicas: int,
    report: Callable[[int], None],
) -> None:
    """Write the result of a seed whose training has ended, one of `replicas` side by side."""
    folder = run_folder(config)
    training = {
        "epochs": record.epochs,
        "best_epoch": record.best_epoch,
        "best_validation_elbo": record.best_elbo if record.best_epoch >= 0 else None,
        "seconds": round(record.seconds, 1),
        "seconds_a_seed": round(record.share, 1),
        "replicas": replicas,
        "sessions": record.sessions,
    }
    try:
        if record.diverged:
            raise Diverged(record.diverged)
        load_weights(method, folder / BEST)
        result = subject.score(method, folder, machine, report)
    except Diverged as error:
        result = {**identity(config), "status": "diverged", "reason": str(error)}
        result |= {"config": configuration.to_dict(config), "provenance": record.sessions[-1]}
        result["training"] = training
        replace_json(folder / RESULT, result)
        return
    result["training"] = training
    if OUTSIDE in record.sessions[-1]:
        result["provenance"][OUTSIDE] = record.sessions[-1][OUTSIDE]
    replace_json(folder / RESULT, result)  # before W&B, which may fail
    if record.logger:
        wandb_logger.log_pictures(record.logger, lambda: subject.pictures(method))
        wandb_logger.log_result(record.logger, result, folder, RESULT)


def raise_diverged(folders: list[Path]) -> None:
    """Raise Diverged where a result says so: the same configuration would diverge again."""
    results = [(folder, read_result(folder / RESULT)) for folder in folders]
    reasons = [
        f"{folder}: {result['reason']}; "
        + ("the last good checkpoint is kept" if (folder / BEST).exists() else "in epoch 1")
        for folder, result in results
        if result["status"] == "diverged"
    ]
    if reasons:
        raise Diverged("; ".join(reasons) + ".")
