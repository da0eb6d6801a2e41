"""Times that can be compared on a noisy machine: cases take turns, medians are reported."""

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable

import torch

from annealed.utils.errors import UsageError

Case = Callable[[], object]  # does its work; returns a float, its seconds, where it times itself


def seconds(case: Case) -> float:
    """How long one turn of `case` takes, by the wall clock."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    began = time.perf_counter()
    returned = case()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return returned if isinstance(returned, float) else time.perf_counter() - began


def by_cpu(case: Case) -> Case:
    """`case` timed by the CPU seconds of this process, which other work hardly changes.

    By the wall clock on a machine with a GPU.
    """

    def turn() -> float:
        began = time.process_time()
        case()
        return time.process_time() - began

    return case if torch.cuda.is_available() else turn


def interleaved(cases: dict[str, Case], rounds: int) -> dict[str, float]:
    """The median seconds of each case over `rounds` rounds A B C, A B C, ... after one unmeasured.

    What else the machine does then falls on all cases alike.
    """
    taken: dict[str, list[float]] = {name: [] for name in cases}
    for turn in range(rounds + 1):
        for name, case in cases.items():
            spent = seconds(case)
            if turn:
                taken[name].append(spent)
    return {name: statistics.median(times) for name, times in taken.items()}


def in_fresh_process(module: str, *arguments: str, **environment: str) -> dict:
    """The JSON that `python -m module arguments` prints as its last line.

    Raises UsageError with the last line of its errors where it fails.
    """
    command = [sys.executable, "-m", module, *arguments]
    done = subprocess.run(
        command,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        env=environment or None,
    )
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise UsageError(f"python -m {module} {' '.join(arguments)} failed: {last}")
    return json.loads(done.stdout.strip().splitlines()[-1])
