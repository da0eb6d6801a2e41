"""A local scheduler: one subprocess a cell, a few at a time, bounded retries from a checkpoint."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from annealed.errors import Diverged, UsageError
from reproduce.board import Board
from reproduce.cells import Cell

RETRIES = 2  # after the first try, each from the last checkpoint
POLL = 0.2  # seconds
GRACE = 15.0  # seconds between asking a cell to stop and killing it
LOG = "log.txt"


@dataclass(eq=False)
class Job:
    """A cell's process and what it last said of its progress."""

    cell: Cell
    process: subprocess.Popen
    log: Path
    state: dict = field(default_factory=dict)

    def listen(self) -> None:
        """Keep the newest line of progress until the process closes its output."""
        for line in self.process.stdout:
            with suppress(ValueError):
                state = json.loads(line)
                if isinstance(state, dict) and {"phase", "done", "total"} <= state.keys():
                    self.state = state

    def last_words(self) -> str:
        """The last line the cell wrote to its log."""
        lines = self.log.read_text(errors="replace").strip().splitlines()
        return lines[-1] if lines else "it left no message"


def start(cell: Cell, threads: int) -> Job:
    """Run `annealed.fit` for `cell` in a process of its own, with `threads` CPU threads."""
    folder = cell.folder()
    folder.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "annealed.fit", "--config", cell.row, "--resume"]
    command += ["--allow-import"] * cell.allow_import
    command += [*cell.overrides, f"trainer.threads={threads}"]
    environment = {**os.environ, "ANNEALED_PROGRESS": "json", "OMP_NUM_THREADS": str(threads)}
    log = folder / LOG
    with open(log, "ab") as errors:
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=errors, text=True, env=environment
        )
    job = Job(cell, process, log)
    threading.Thread(target=job.listen, daemon=True).start()
    return job


def run(
    cells: list[Cell],
    jobs: int,
    threads: int = 1,
    done: Callable[[Cell], list[str]] = lambda cell: [],
) -> list[str]:
    """Run the cells that have no result, `jobs` at a time; returns a sentence for each that failed.

    `done` is called with every cell that has its results, as soon as it has them, and returns a
    sentence for each thing that failed.

    A cell that dies is started again from its last checkpoint, RETRIES times; one that diverged
    has its result, and one that cannot run (exit status 2) is not tried again. On an interrupt the
    running cells are stopped and stay resumable.
    """
    waiting = deque((cell, 0) for cell in cells if not cell.done())
    board = Board(total=len(cells), done=len(cells) - len(waiting))
    running: dict[Job, int] = {}
    left = {cell for cell, _ in waiting}
    failures = [told for cell in cells if cell not in left for told in done(cell)]
    previous = signal.signal(signal.SIGTERM, _interrupt)
    try:
        while waiting or running:
            while waiting and len(running) < jobs:
                cell, tries = waiting.popleft()
                running[start(cell, threads)] = tries
            for job in [job for job in running if job.process.poll() is not None]:
                tries, status = running.pop(job), job.process.returncode
                written = all(path.exists() for path in job.cell.results())
                if status in (0, Diverged.status) and written:
                    board.finished(job.cell, "diverged" if status else "done")
                    failures += done(job.cell)
                elif status != UsageError.status and tries < RETRIES:
                    board.say(f"{job.cell.name} ended with status {status}; trying again")
                    waiting.append((job.cell, tries + 1))
                else:
                    failures.append(f"{job.cell.name}: {job.last_words()} (see {job.log})")
                    board.finished(job.cell, "failed")
            board.show({job.cell: job.state for job in running})
            time.sleep(POLL)
    finally:
        stop(list(running))
        board.close()
        signal.signal(signal.SIGTERM, previous)
    return failures


def _interrupt(*_) -> None:
    raise KeyboardInterrupt


def stop(jobs: list[Job]) -> None:
    """Ask every process to end, and kill what has not ended after GRACE seconds."""
    for job in jobs:
        job.process.terminate()
    deadline = time.monotonic() + GRACE
    for job in jobs:
        try:
            job.process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            job.process.kill()
            job.process.wait()
