"""What a node of a Ray cluster does for a cell: the command of every engine, and its files back.

Sent to nodes by value, so it stands on the standard library, `annealed` and `process` alone.
"""

import os
import socket
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from reproduce.scheduling import worker_process

POLL = 0.5  # seconds
OWN_RUNS = "ANNEALED_NODE_RUNS"  # where a node without the driver's disk has its run folders
# of a run folder, the last being the mark of done
FILES = ("config.yaml", "group", "wandb_id", "metrics.csv", "best.ckpt", "result.npz")
FILES += ("result.json",)


@dataclass
class Order:
    """A cell for a node; `folder` and `each` are below the folder of runs."""

    key: int
    arguments: list[str]  # of the node's own Python
    runs: str  # where they are on the driver's machine, absolute
    seen: str  # a file there, by which a node knows that it has the same disk
    cwd: str  # for a row's file and module
    folder: str  # of the checkpoint and the log
    each: list[str]  # of each seed
    threads: int
    environment: dict[str, str]


class Heard:
    """An actor beside the driver that keeps what each cell last said of its progress."""

    def __init__(self):
        self.states = {}

    def say(self, key: int, state: dict) -> None:
        """Note the state of a cell."""
        self.states[key] = state

    def all(self) -> dict[int, dict]:
        """The states, by the cells' keys."""
        return self.states


def train(order: Order, heard) -> dict:
    """Run the cell; returns the exit status, the last words and, from another disk, its files.

    Its progress goes to `heard`, the handle of a `Heard`.

    A cell that was interrupted, or whose worker died, goes on from its last checkpoint where the
    next node sees the same runs. Ended by `ray.cancel`, the training is stopped first.
    """
    shared = OWN_RUNS not in os.environ and Path(order.runs, order.seen).exists()
    runs = Path(os.environ.get(OWN_RUNS, order.runs)).absolute()
    command = [sys.executable, *order.arguments, f"runs={runs}"]
    cwd = order.cwd if Path(order.cwd).is_dir() else None
    started = worker_process.start(
        command, runs / order.folder, order.threads, order.environment, cwd
    )
    told = {}
    try:
        while (status := started.ended()) is None:
            if started.state != told:
                told = started.state
                heard.say.remote(order.key, told)
            time.sleep(POLL)  # Ray interrupts between two bytecodes, never in a wait
    except BaseException:
        worker_process.stop([started])
        raise
    whole = all((runs / each / FILES[-1]).is_file() for each in order.each)
    wanted = order.each if whole and not shared else []
    paths = [Path(each, name) for each in wanted for name in FILES]
    return {
        "status": status,
        "words": f"{started.last_words()} (see {started.log} on {socket.gethostname()})",
        "files": {str(p): (runs / p).read_bytes() for p in paths if (runs / p).is_file()},
    }
