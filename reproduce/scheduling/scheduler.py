"""The scheduler: which works run, again after a failure, until each has its results."""

import signal
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from annealed.utils.errors import Diverged, InUse, UsageError
from annealed.utils.files import in_use
from annealed.utils.provenance import commit, tell_unknown_commit
from reproduce.scheduling import failed
from reproduce.scheduling.display import Display
from reproduce.scheduling.work import Work

RETRIES = 2  # after the first try, each from what the last one left
POLL = 0.2  # seconds
WAIT = 2.0  # seconds between two looks at a work that another process runs


class Job(Protocol):
    """A work that an engine runs."""

    work: Work
    state: dict  # phase, done, total and a note, once it is known
    tries: int  # how often the work was started for it

    def status(self) -> int | None:
        """The exit status of the work's command, once it has ended."""

    def reason(self) -> str:
        """Why it ended, and where its log is."""


class Engine(Protocol):
    """Where works run, `jobs` at a time: see `local` and `ray_cluster`."""

    jobs: float

    def start(self, work: Work, retries: int) -> Job:
        """Run `work`; where it is the machine that fails, it may be tried `retries` times more."""

    def close(self, jobs: list[Job]) -> None:
        """Stop `jobs`, which have not ended, leave them resumable and let go of everything."""


@dataclass
class Pending:
    """A work without results: how often it was tried, and when it may start (monotonic seconds)."""

    work: Work
    tries: int = 0
    start: float = 0.0
    announced: bool = False  # that another process runs it


Done = Callable[[Work], list[str]]


def run_on(engine: Engine, plan: Sequence[Work], done: Done = lambda work: []) -> list[str]:
    """Run the works of `plan` that have no results; returns a sentence for each that failed.

    `done` is called with every work that has its results, as soon as it has them, and returns a
    sentence for each thing that failed. Every sentence is shown as soon as it is known, whatever
    the caller meets later; no work that fails or is refused keeps another from running.

    A work that dies is started again, RETRIES times, and goes on from what it left; one that
    diverged has its result, and one that cannot run (exit status 2) is not tried again. One that
    another process runs, as a second scheduler may, is waited for. On an interrupt the running
    works are stopped and stay resumable.
    """
    return _Session(engine, plan, done).work()


class _Session:
    """The state of one `run_on`."""

    def __init__(self, engine: Engine, plan: Sequence[Work], done: Done):
        self.engine, self.done = engine, done
        self.waiting: deque[Pending] = deque()
        self.running: dict[Job, Pending] = {}
        self.failures: list[str] = []
        finished, refused = [], {}
        for work in plan:
            try:
                finished.append(work) if work.done() else self.waiting.append(Pending(work))
            except (UsageError, OSError) as error:
                refused[work] = failed.sentence(error)
        self.display = Display(total=len(plan), done=len(finished))
        for work, reason in refused.items():
            self.fail(work, reason)
        for work in finished:
            self.after(work)

    def work(self) -> list[str]:
        """Run until nothing is left."""
        if self.waiting:
            tell_unknown_commit(commit())
        previous = signal.signal(signal.SIGTERM, _interrupt)
        try:
            while self.waiting or self.running:
                self.fill()
                self.reap()
                self.display.show({job.work: job.state for job in self.running})
                time.sleep(POLL)
        finally:
            self.engine.close(list(self.running))
            self.display.close()
            signal.signal(signal.SIGTERM, previous)
        return self.failures

    def fill(self) -> None:
        """Start what may start while there is a place."""
        for _ in range(len(self.waiting)):
            if len(self.running) >= self.engine.jobs:
                return
            pending, now = self.waiting.popleft(), time.monotonic()
            if pending.start > now:
                self.waiting.append(pending)
            else:
                try:
                    self.start(pending)
                except (UsageError, OSError) as error:
                    self.fail(pending.work, failed.sentence(error))

    def start(self, pending: Pending) -> None:
        """Start a work, unless another process runs it or has made its results."""
        if any(in_use(folder) for folder in pending.work.locks()):
            self.wait(pending)
        elif pending.work.done():
            self.finished(pending.work, "done by another process")
        else:
            job = self.engine.start(pending.work, RETRIES - pending.tries)
            self.running[job] = pending

    def reap(self) -> None:
        """Decide on what has ended."""
        for job, status in [(job, job.status()) for job in self.running]:
            if status is None:
                continue
            pending, work = self.running.pop(job), job.work
            written = all(path.exists() for path in work.results())
            if status == InUse.status:
                self.wait(pending)
                continue
            pending.tries += job.tries
            if status in (0, Diverged.status) and written:
                self.finished(work, f"diverged: {job.reason()}" if status else "done")
            elif status != UsageError.status and pending.tries <= RETRIES:
                why = f"ended with status {status}, {job.reason()}"
                self.display.print(f"{work.name} {why}; trying again")
                self.waiting.append(pending)
            else:
                self.fail(work, job.reason())

    def wait(self, pending: Pending) -> None:
        """Come back to a work that another process runs."""
        if not pending.announced:
            self.display.print(f"{pending.work.name} is run by another process; waiting for it")
        pending.announced, pending.start = True, time.monotonic() + WAIT
        self.waiting.append(pending)

    def finished(self, work: Work, how: str) -> None:
        """Note that `work` has its results."""
        self.display.finished(work, how)
        self.after(work)

    def after(self, work: Work) -> None:
        """Do what follows on the results of `work`."""
        try:
            sentences = self.done(work)
        except (UsageError, OSError) as error:
            sentences = [failed.sentence(error)]
        for failure in [f"{work.name}: {sentence}" for sentence in sentences]:
            self.failures.append(failure)
            self.display.print(failure)

    def fail(self, work: Work, reason: str) -> None:
        """Note that `work` has failed, and show why."""
        self.failures.append(f"{work.name}: {reason}")
        self.display.finished(work, f"failed: {reason}")


def _interrupt(*_) -> None:
    raise KeyboardInterrupt
