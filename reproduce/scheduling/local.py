"""The engine for one machine: a subprocess a work, spread over the devices."""

import sys
from dataclasses import dataclass

from reproduce.scheduling import worker_process
from reproduce.scheduling.work import Work


@dataclass(eq=False)
class LocalJob:
    """A work in a process of this machine, on a device or on whatever is there."""

    work: Work
    process: worker_process.Process
    device: str | None
    tries = 1

    @property
    def state(self) -> dict:
        """The last progress that the process reported."""
        return self.process.state

    def status(self) -> int | None:
        """The exit status, once the process has ended."""
        return self.process.ended()

    def reason(self) -> str:
        """Why the process ended, and where its log is."""
        return f"{self.process.reason()} (see {self.process.log})"


class Local:
    """`jobs` works at a time, `threads` CPU threads each, spread evenly over `devices`.

    A device is a value of CUDA_VISIBLE_DEVICES, and all that a work on it sees; more jobs than
    devices share them. A work that uses no GPU sees none.
    """

    def __init__(self, jobs: int, threads: int = 1, devices: list[str] | None = None):
        self.jobs, self.threads = jobs, threads
        self.devices, self.running = devices or [], []

    def start(self, work: Work, retries: int) -> LocalJob:
        """Start the process of `work`, on the device that has the fewest."""
        self.running = [job for job in self.running if job.status() is None]
        device = self._device() if work.uses_gpu else ""
        environment = {} if device is None else {"CUDA_VISIBLE_DEVICES": device}
        command = [sys.executable, *work.arguments(self.threads)]
        process = worker_process.start(command, work.folder(), self.threads, environment)
        job = LocalJob(work, process, device)
        self.running.append(job)
        return job

    def _device(self) -> str | None:
        load = [job.device for job in self.running]
        return min(self.devices, key=load.count) if self.devices else None

    def close(self, jobs: list[LocalJob]) -> None:
        """Stop what still runs."""
        worker_process.stop([job.process for job in jobs])
