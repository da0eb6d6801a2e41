"""Watches the processes of one run: when one ends on its own, none of the others is left."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytorch_lightning as pl
import torch

from annealed.compute.ranks import Ranks
from annealed.utils.errors import Lost

PARENT = "ANNEALED_PARENT"  # the variable in which rank 0 hands the others its process id
POLL = 0.25  # seconds between looks at the other processes
GRACE = 5.0  # seconds for a process to end by itself once another one has gone
ENDING = 60.0  # seconds for the others to end after training


class Group(pl.Callback):
    """The other processes of a run, watched by rank 0; a run on one device has none.

    When one ends on its own the run ends: what is stuck waiting for it cannot be waited for.
    """

    def __init__(self, ranks: Ranks):
        self.ranks = ranks
        self.processes: list[subprocess.Popen] = []  # the ranks from 1 on, once they are started
        self.lost: tuple[int, int] | None = None  # rank and exit status of one that ended
        self.over = threading.Event()

    @contextmanager
    def training(self) -> Iterator[None]:
        """Train in this block; raises Lost, or KeyboardInterrupt, where another process ended."""
        if self.ranks.world == 1:
            yield
        else:
            with self._lead() if self.ranks.leads else _follow():
                yield
                torch.distributed.destroy_process_group()

    @contextmanager
    def _lead(self) -> Iterator[None]:
        previous = signal.signal(signal.SIGTERM, _interrupt)
        threading.Thread(target=self._watch, daemon=True).start()
        try:
            yield
            self.over.set()
            self._wait_for_end()
        except Exception as error:
            deadline = time.monotonic() + 4 * POLL
            while self.lost is None and time.monotonic() < deadline:
                time.sleep(POLL / 5)  # a broken connection is known before the process's status
            if self.lost is not None:
                self._raise(error)
            raise
        finally:
            self.over.set()
            signal.signal(signal.SIGTERM, previous)
            self._kill()

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Replace Lightning's handler of SIGTERM, which prints a message of its own."""
        if self.ranks.world > 1:
            signal.signal(signal.SIGTERM, _interrupt if self.ranks.leads else signal.SIG_DFL)

    def _wait_for_end(self) -> None:
        """Wait for the others to end after training."""
        deadline = time.monotonic() + ENDING
        for process in self.processes:
            with suppress(subprocess.TimeoutExpired):
                process.wait(max(0.0, deadline - time.monotonic()))

    def _kill(self) -> None:
        for process in self.processes:
            process.kill()
            process.wait()

    def _watch(self) -> None:
        """Wait until a process ends on its own, then end what does not end by itself."""
        while not self.over.wait(POLL):
            for rank, process in enumerate(self.processes, 1):
                if process.poll() not in (None, 0):
                    self.lost = rank, process.returncode
            if self.lost is not None:
                break
        if not self.over.wait(GRACE):
            print(f"annealed: {self.message()}", file=sys.stderr, flush=True)
            self._kill()
            os._exit(130 if self.interrupted() else Lost.status)

    def interrupted(self) -> bool:
        """Whether the process that ended was ended by a signal to stop."""
        return self.lost[1] in (-signal.SIGTERM, -signal.SIGINT)

    def message(self) -> str:
        """The message for a process that ended."""
        rank, status = self.lost
        return (
            f"process {rank} of 0 to {self.ranks.world - 1} ended with status {status}; what is "
            "done is kept. Add --resume to the same command to go on."
        )

    def _raise(self, error: Exception) -> None:
        if self.interrupted():
            raise KeyboardInterrupt from error
        raise Lost(self.message()) from error


def _interrupt(*_) -> None:
    raise KeyboardInterrupt


@contextmanager
def _follow() -> Iterator[None]:
    """Leave interrupts to rank 0, and end when it is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)

    def watch() -> None:
        while os.environ[PARENT] == str(os.getppid()):
            time.sleep(POLL)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
    try:
        yield
    except Exception:
        time.sleep(GRACE / 2)  # where the fault is rank 0's it ends this process and says why
        raise
