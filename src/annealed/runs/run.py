"""Train and score one run: claim its folders, train its seeds together, write their results."""

import sys
from contextlib import ExitStack, nullcontext
from pathlib import Path
from typing import Any

from annealed.compute.compiling import watched
from annealed.compute.device import device_of
from annealed.compute.machine import Machine, resolve
from annealed.compute.ranks import Ranks
from annealed.config.registry import imported_files
from annealed.config.schema import Config
from annealed.methods.base import Method
from annealed.runs import limit, wandb_logger
from annealed.runs.conclude import conclude, raise_diverged
from annealed.runs.folders import (
    check_claim,
    claim,
    each_seed,
    group_folder,
    is_finished,
    run_folder,
    seeds_of,
)
from annealed.runs.problems import Problem, problem
from annealed.runs.report import opening
from annealed.runs.wandb_settings import resolve_mode
from annealed.training import distributed
from annealed.training.checkpoints import LAST, PREVIOUS, load, recorded, recover
from annealed.training.progress import Progress
from annealed.training.record import Record, check_record
from annealed.training.trainer import train
from annealed.utils.files import locked
from annealed.utils.provenance import OUTSIDE, outside_commit, provenance, tell_unknown_commit

ELSEWHERE = "name another folder with runs=.."


def fit(
    config: Config,
    resume: bool = False,
    ranks: Ranks | None = None,
    row_file: Path | None = None,
    new_limit: bool = False,
) -> Path:
    """Train and score a run, `trainer.replicas` seeds of it side by side.

    Returns the first seed's run folder; each seed's then holds its result.json. With `resume` what
    was interrupted goes on from its last checkpoint and what is finished is left as it is. Raises
    UsageError for what the user can put right and Diverged, with a result.json that says so, when
    a seed's bound is or was no longer finite; the other seeds are finished first. `ranks` is this
    process among those of the run, by default `distributed.ranks`; `row_file` is the YAML that the
    row comes from, which the result names where the commit does not hold it. With `new_limit` too a
    run that had another `trainer.epochs`, finished or not, goes on to this one.
    """
    ranks = ranks or distributed.ranks(config)
    if not ranks.leads:
        return _follow(config, resume, ranks, new_limit)
    configs, folder = each_seed(config), group_folder(config)
    with ExitStack() as stack:
        for path in dict.fromkeys([folder, *map(run_folder, configs)]):
            stack.enter_context(locked(path, "the run folder", otherwise=ELSEWHERE))
        unfinished = _unfinished(configs, resume, new_limit)
        checkpoint = recover(folder) if resume and unfinished else None
        if unfinished and folder != run_folder(configs[0]):
            check_claim(config, folder, folder, resume, new_limit)
        for one in unfinished:
            check_claim(one, run_folder(one), folder, resume, new_limit)
        for one in unfinished:  # training would find out as well, with the folder changed already
            if state := recorded(checkpoint).get(str(one.seed)):
                check_record(run_folder(one), state, device_of(one).type)
        if unfinished:
            if new_limit:
                limit.check(config, folder, [run_folder(one) for one in unfinished], checkpoint)
            if resume and checkpoint is None:
                print(f"nothing to resume in {folder}: starting anew", file=sys.stderr)
            _run(config, unfinished, folder, ranks, [row_file] if row_file else [], checkpoint)
    raise_diverged([run_folder(one) for one in configs])
    return run_folder(config)


def _unfinished(configs: list[Config], resume: bool, new_limit: bool) -> list[Config]:
    """The seeds that are to be trained or scored."""
    return [c for c in configs if not (resume and is_finished(c, run_folder(c), new_limit))]


def _follow(config: Config, resume: bool, ranks: Ranks, new_limit: bool) -> Path:
    """Train beside rank 0, which has claimed the folders, and leave all else to it."""
    unfinished = _unfinished(each_seed(config), resume, new_limit)
    last = group_folder(config) / LAST
    checkpoint = load(last) if last.exists() else None
    machine, subject, methods = _prepare(config, unfinished, ranks, checkpoint)
    by_seed, session = {one.seed: one for one in each_seed(config)}, provenance(machine.device)
    records = {
        seed: Record(run_folder(by_seed[seed]), by_seed[seed], session, writes=False)
        for seed in methods
    }
    members, data = list(methods.values()), subject.data(machine.device)
    train(members, data, config, group_folder(config), machine, records, checkpoint=checkpoint)
    return run_folder(config)


def _prepare(
    config: Config, unfinished: list[Config], ranks: Ranks, checkpoint: dict[str, Any] | None
) -> tuple[Machine, Problem, dict[int, Method]]:
    """The machine of this process, what the run is of, and a method for each seed in training."""
    machine = resolve(config, ranks)
    distributed.check(config, machine)
    subject = problem(config)
    seeds = {one.seed for one in unfinished}
    if checkpoint is not None:
        seeds = set(seeds_of(checkpoint, group_folder(config), unfinished))
    configs = [one for one in each_seed(config) if one.seed in seeds]
    methods = {one.seed: subject.method(one, machine.device) for one in configs}
    return machine, subject, methods


def _run(
    config: Config,
    unfinished: list[Config],
    folder: Path,
    ranks: Ranks,
    files: list[Path],
    checkpoint: dict[str, Any] | None,
) -> None:
    """Train the `unfinished` seeds, from `checkpoint` where there is one, and write their results.

    `files` are those that they come from, beside the package's.
    """
    resolve_mode(config.wandb.mode)
    machine, subject, methods = _prepare(config, unfinished, ranks, checkpoint)
    by_seed = {one.seed: one for one in each_seed(config)}
    # taken before training: the checkout may change meanwhile
    session = {**provenance(machine.device), "devices": machine.ranks.world}
    session["products"] = machine.products
    if foreign := outside_commit([*files, *imported_files()]):
        session[OUTSIDE] = foreign
    tell_unknown_commit(session["commit"])
    records = {seed: Record(run_folder(by_seed[seed]), by_seed[seed], session) for seed in methods}
    places = [(one, run_folder(one)) for one in unfinished]
    loggers = wandb_logger.start(places, "train", goes_on=checkpoint is not None)
    ended = False
    try:
        for one in unfinished:
            limit.set_aside(run_folder(one))
        claim(config, folder, folder)
        for one, logger in zip(unfinished, loggers, strict=True):
            records[one.seed].logger = logger
            claim(one, run_folder(one), folder)
        progress = Progress(f"{config.row} {folder.name}")
        progress.say(opening(config, list(methods), subject, machine))
        try:
            with watched(progress.compiling) if config.trainer.compile else nullcontext():
                members, data = list(methods.values()), subject.data(machine.device)
                train(members, data, config, folder, machine, records, progress, checkpoint)
                progress.start("score", len(unfinished) * subject.items)
                for i, one in enumerate(unfinished):
                    report = lambda done, first=i * subject.items: progress.update(first + done)  # noqa: E731
                    record, method = records[one.seed], methods[one.seed]
                    conclude(method, subject, one, record, machine, len(methods), report)
            (folder / PREVIOUS).unlink(missing_ok=True)
            ended = True
        finally:
            progress.close()
    finally:
        for record in records.values():
            wandb_logger.finish(record.logger, failed=not ended or record.diverged is not None)
