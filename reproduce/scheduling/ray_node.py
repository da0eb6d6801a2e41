"""What a node of a Ray cluster does for a work: the command of every engine, and its files back.

Sent to nodes by value, so it stands on the standard library and `worker_process` alone.
"""

import hashlib
import os
import socket
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from reproduce.scheduling import worker_process

POLL = 0.5  # seconds
OWN_RUNS = "ANNEALED_NODE_RUNS"  # where a node without the driver's disk has its folders of runs
RUNS = "{runs}"  # stands in arguments for the node's folder of runs


@dataclass
class Assignment:
    """A work for a node; `folder`, `results` and `files` are below the folder of runs."""

    key: int
    arguments: list[str]  # of the node's own Python, RUNS in place of the folder of runs
    runs: str  # that folder on the driver's machine, absolute
    marker: str  # a file there, by which a node knows that it has the same disk
    cwd: str  # for a row's file and module
    folder: str  # of the log
    results: list[str]
    files: list[str]  # what is sent back, the results among them
    threads: int
    environment: dict[str, str]


class States:
    """An actor beside the driver that keeps the last progress of each work."""

    def __init__(self):
        self.states = {}

    def report(self, key: int, state: dict) -> None:
        """Note the state of a work."""
        self.states[key] = state

    def all(self) -> dict[int, dict]:
        """The states, by the works' keys."""
        return self.states


def own_folder(runs: str) -> str:
    """The name in $ANNEALED_NODE_RUNS of what the driver has in `runs`: trials have many such."""
    return hashlib.sha256(runs.encode()).hexdigest()[:12]


def execute(assignment: Assignment, states) -> dict:
    """Run a work; returns the exit status, why it ended and, from another disk, its files.

    Its progress goes to `states`, the handle of a `States`.

    A work that was interrupted, or whose worker died, goes on from what it left where the next node
    sees the same runs. Ended by `ray.cancel`, the process is stopped first.
    """
    shared = OWN_RUNS not in os.environ and Path(assignment.runs, assignment.marker).exists()
    runs = Path(assignment.runs)
    if OWN_RUNS in os.environ:
        runs = Path(os.environ[OWN_RUNS], own_folder(assignment.runs)).absolute()
    arguments = [argument.replace(RUNS, str(runs)) for argument in assignment.arguments]
    process = worker_process.start(
        [sys.executable, *arguments],
        runs / assignment.folder,
        assignment.threads,
        assignment.environment,
        assignment.cwd if Path(assignment.cwd).is_dir() else None,
    )
    reported = {}
    try:
        while (status := process.ended()) is None:
            if process.state != reported:
                reported = process.state
                states.report.remote(assignment.key, reported)
            time.sleep(POLL)  # Ray interrupts between two bytecodes, never in a wait
    except BaseException:
        worker_process.stop([process])
        raise
    complete = all((runs / name).is_file() for name in assignment.results)
    names = assignment.files if complete and not shared else []
    return {
        "status": status,
        "message": f"{process.reason()} (see {process.log} on {socket.gethostname()})",
        "files": {name: (runs / name).read_bytes() for name in names if (runs / name).is_file()},
    }
