"""Cells of a page: one JSON a seed, what is finished skipped, a few cells at a time."""

import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch

from annealed.evaluation.result import read_result
from annealed.utils.errors import UsageError
from annealed.utils.files import replace_json


@dataclass(frozen=True)
class Task:
    """A cell: what it is called, where its results are, all that decides them, how to make them.

    `make` takes the seeds that are missing and returns what was found for each, with its `status`,
    ready for JSON; it can be pickled. It may leave other files in `place`, which is there.
    """

    name: str
    place: Path
    setup: dict  # of JSON's types, without the seed
    make: Callable[[list[int]], dict[int, dict]]

    def path(self, seed: int) -> Path:
        """A seed's result."""
        return self.place / f"seed{seed}.json"

    def done(self, seeds: list[int]) -> bool:
        """Whether every seed has a result."""
        return all(self.path(seed).exists() for seed in seeds)


def read(path: Path, wanted: dict) -> dict:
    """A finished seed; raises UsageError where another setup made it."""
    result = read_result(path)
    if result.get("setup") != wanted:
        raise UsageError(f"{path} was made by another setup; remove it and run again.")
    return result


def finish(task: Task, seeds: list[int], code: dict) -> list[dict]:
    """The results of `seeds`; those without one are made together and written.

    `code` is the provenance that is written with them.
    """
    known = {s: read(task.path(s), task.setup) for s in seeds if task.path(s).exists()}
    missing = [seed for seed in seeds if seed not in known]
    if missing:
        began, cpu = time.monotonic(), time.process_time()
        task.place.mkdir(parents=True, exist_ok=True)
        found = task.make(missing)
        seconds = round(time.monotonic() - began, 1)
        cpu = round(time.process_time() - cpu, 1)
        for seed in missing:
            known[seed] = {
                "seed": seed,
                "setup": task.setup,
                **found[seed],
                "seconds": seconds,
                "cpu_seconds": cpu,
                "trained_beside": missing,
                "provenance": code,
            }
            replace_json(task.path(seed), known[seed])
    return [known[seed] for seed in seeds]


def quiet_worker() -> None:
    """Set up a process of a pool: one thread, no word on an interrupt, no life after its parent."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # an interrupt is told by the parent alone
    torch.set_num_threads(1)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    multiprocessing.parent_process().join()
    os._exit(1)  # a cell in the making leaves no result, and is made again


def in_processes(calls: Sequence[Callable[[], Any]], jobs: int) -> Iterator[tuple[int, Any]]:
    """The index and the result of every call as they end, `jobs` at a time, a process each.

    What a call raises is raised here, and no further one is begun.
    """
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, mp_context=spawn, initializer=quiet_worker) as pool:
        futures = {pool.submit(call): index for index, call in enumerate(calls)}
        try:
            for future in as_completed(futures):
                yield futures[future], future.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def finish_all(tasks: list[Task], seeds: list[int], jobs: int, code: dict) -> list[list[dict]]:
    """The results of every task, in order, `jobs` tasks at a time, a process each."""
    found, began = {}, time.monotonic()
    whole = [index for index, task in enumerate(tasks) if task.done(seeds)]
    for index in whole:
        found[index] = finish(tasks[index], seeds, code)
    if whole:
        print(f"{len(whole)} of {len(tasks)} cells are done already and are skipped")
    rest = [index for index in range(len(tasks)) if index not in found]
    calls = [partial(finish, tasks[index], seeds, code) for index in rest]
    for which, results in in_processes(calls, jobs):
        index = rest[which]
        found[index] = results
        left = (time.monotonic() - began) / (len(found) - len(whole)) * (len(tasks) - len(found))
        said = f"[{len(found)}/{len(tasks)}] {tasks[index].name}: done"
        print(f"{said}; about {left / 60:.1f} min left", file=sys.stderr, flush=True)
    return [found[index] for index in range(len(tasks))]
