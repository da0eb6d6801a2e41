"""The scheduler: which cells run, again after a failure, until each has its results."""

import signal
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from annealed.utils.errors import Diverged, InUse, UsageError
from annealed.utils.files import in_use
from reproduce.scheduling.display import Board
from reproduce.scheduling.local import Local
from reproduce.scheduling.run_grid import Run

RETRIES = 2  # after the first try, each from the last checkpoint
POLL = 0.2  # seconds
WAIT = 2.0  # seconds between two looks at a cell that another process trains


class Job(Protocol):
    """A cell that an engine runs."""

    cell: Run
    state: dict  # phase, done, total and a note, once it is known
    tries: int  # how often the cell was started for it

    def status(self) -> int | None:
        """The exit status of `annealed.fit`, once it has ended."""

    def last_words(self) -> str:
        """Why it ended, and where its log is."""


class Engine(Protocol):
    """Where cells run, `jobs` at a time: see `local` and `cluster`."""

    jobs: float

    def start(self, cell: Run, retries: int) -> Job:
        """Run `cell`; where it is the machine that fails, it may be tried `retries` times more."""

    def close(self, jobs: list[Job]) -> None:
        """Stop `jobs`, which have not ended, leave them resumable and let go of everything."""


@dataclass
class Turn:
    """A cell that waits: how often it was tried, and when it may start (monotonic seconds)."""

    cell: Run
    tries: int = 0
    start: float = 0.0
    told: bool = False  # that another process trains it


Done = Callable[[Run], list[str]]


def run(cells: list[Run], jobs: int, threads: int = 1, done: Done = lambda cell: []) -> list[str]:
    """Run the cells on this machine, `jobs` at a time: see `run_on`."""
    return run_on(Local(jobs, threads), cells, done)


def run_on(engine: Engine, cells: list[Run], done: Done = lambda cell: []) -> list[str]:
    """Run the cells that have no result; returns a sentence for each that failed.

    `done` is called with every cell that has its results, as soon as it has them, and returns a
    sentence for each thing that failed.

    A cell that dies is started again from its last checkpoint, RETRIES times; one that diverged
    has its result, and one that cannot run (exit status 2) is not tried again. One that another
    process trains, as a second scheduler may, is waited for. On an interrupt the running cells are
    stopped and stay resumable.
    """
    return _Table(engine, cells, done).work()


class _Table:
    """The state of one `run_on`."""

    def __init__(self, engine: Engine, cells: list[Run], done: Done):
        self.engine, self.done = engine, done
        self.waiting = deque(Turn(cell) for cell in cells if not cell.done())
        self.running: dict[Job, Turn] = {}
        self.board = Board(total=len(cells), done=len(cells) - len(self.waiting))
        left = {turn.cell for turn in self.waiting}
        self.failures = [told for cell in cells if cell not in left for told in done(cell)]

    def work(self) -> list[str]:
        """Run until nothing is left."""
        previous = signal.signal(signal.SIGTERM, _interrupt)
        try:
            while self.waiting or self.running:
                self.fill()
                self.reap()
                self.board.show({job.cell: job.state for job in self.running})
                time.sleep(POLL)
        finally:
            self.engine.close(list(self.running))
            self.board.close()
            signal.signal(signal.SIGTERM, previous)
        return self.failures

    def fill(self) -> None:
        """Start what may start while there is a place."""
        for _ in range(len(self.waiting)):
            if len(self.running) >= self.engine.jobs:
                return
            turn, now = self.waiting.popleft(), time.monotonic()
            if turn.start > now:
                self.waiting.append(turn)
            elif any(in_use(path.parent) for path in turn.cell.results()):
                self.wait(turn)
            elif turn.cell.done():
                self.finished(turn.cell, "done by another process")
            else:
                job = self.engine.start(turn.cell, RETRIES - turn.tries)
                self.running[job] = turn

    def reap(self) -> None:
        """Decide on what has ended."""
        for job, status in [(job, job.status()) for job in self.running]:
            if status is None:
                continue
            turn, cell = self.running.pop(job), job.cell
            written = all(path.exists() for path in cell.results())
            if status == InUse.status:
                self.wait(turn)
                continue
            turn.tries += job.tries
            if status in (0, Diverged.status) and written:
                self.finished(cell, "diverged" if status else "done")
            elif status != UsageError.status and turn.tries <= RETRIES:
                self.board.say(f"{cell.name} ended with status {status}; trying again")
                self.waiting.append(turn)
            else:
                self.failures.append(f"{cell.name}: {job.last_words()}")
                self.board.finished(cell, "failed")

    def wait(self, turn: Turn) -> None:
        """Come back to a cell that another process trains."""
        if not turn.told:
            self.board.say(f"{turn.cell.name} is trained by another process; waiting for it")
        turn.told, turn.start = True, time.monotonic() + WAIT
        self.waiting.append(turn)

    def finished(self, cell: Run, how: str) -> None:
        """Note that `cell` has its results."""
        self.board.finished(cell, how)
        self.failures += self.done(cell)


def _interrupt(*_) -> None:
    raise KeyboardInterrupt
