"""The engine for one machine: a subprocess a cell, a token for each device slot."""

import sys
from collections.abc import Callable
from dataclasses import dataclass

from reproduce.scheduling import worker_process
from reproduce.scheduling.run_grid import Run


def fit_command(cell: Run, threads: int) -> list[str]:
    """The command that trains and scores `cell`, going on from its last checkpoint."""
    command = [sys.executable, "-m", "annealed.fit", "--config", cell.row, "--resume"]
    command += ["--allow-import"] * cell.allow_import
    return [*command, *cell.overrides, f"trainer.threads={threads}"]


@dataclass(eq=False)
class LocalJob:
    """A cell in a process of this machine, on a device or on whatever is there."""

    cell: Run
    process: worker_process.Process
    device: str | None
    tries = 1

    @property
    def state(self) -> dict:
        """What the cell last said of its progress."""
        return self.process.state

    def status(self) -> int | None:
        """The exit status, once the process has ended."""
        return self.process.ended()

    def last_words(self) -> str:
        """The last line of the log, and where it is."""
        return f"{self.process.last_words()} (see {self.process.log})"


class Local:
    """`jobs` cells at a time, `threads` CPU threads each, spread evenly over `devices`.

    A device is a value of CUDA_VISIBLE_DEVICES, and all that a cell on it sees; more jobs than
    devices share them. `command` gives what runs for a cell and a number of threads.
    """

    def __init__(
        self,
        jobs: int,
        threads: int = 1,
        devices: list[str] | None = None,
        command: Callable[[Run, int], list[str]] = fit_command,
    ):
        self.jobs, self.threads, self.command = jobs, threads, command
        self.devices, self.running = devices or [], []

    def start(self, cell: Run, retries: int) -> LocalJob:
        """Start the process of `cell`, on the device that has the fewest."""
        self.running = [job for job in self.running if job.status() is None]
        load = [job.device for job in self.running]
        device = min(self.devices, key=load.count) if self.devices else None
        environment = {} if device is None else {"CUDA_VISIBLE_DEVICES": device}
        command = self.command(cell, self.threads)
        job = LocalJob(
            cell, worker_process.start(command, cell.folder(), self.threads, environment), device
        )
        self.running.append(job)
        return job

    def close(self, jobs: list[LocalJob]) -> None:
        """Stop what still runs."""
        worker_process.stop([job.process for job in jobs])
