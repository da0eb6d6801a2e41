"""Several devices for one run: a process a device, in Lightning's DDP, and none is left behind.

The process that the user started is rank 0: it alone holds the lock, writes, logs and scores. It
starts the same command again for each other one, which trains and leaves. They meet on this machine
at a port that rank 0 holds; what a launcher left in the environment is not read.
"""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import Any

import pytorch_lightning as pl
import torch
from lightning_fabric.plugins.environments import ClusterEnvironment
from pytorch_lightning.strategies import DDPStrategy
from pytorch_lightning.strategies.launchers import _SubprocessScriptLauncher

from annealed.compute import onednn
from annealed.compute.machine import Machine
from annealed.compute.ranks import Ranks
from annealed.config.schema import Config
from annealed.utils.errors import Lost, UsageError

COMMAND = "annealed.fit"  # the module that is started again
ADDRESS = "127.0.0.1"
# what rank 0 hands each process that it starts: its own process id, the other's rank, the port
PARENT, RANK, PORT = "ANNEALED_PARENT", "ANNEALED_RANK", "ANNEALED_PORT"
TIMEOUT = timedelta(minutes=10)  # how long a process waits for what the others have to send
POLL = 0.25  # seconds between looks at the other processes
GRACE = 5.0  # seconds for a process to end by itself once another one has gone
ENDING = 60.0  # seconds for the others to end after training


def ranks(config: Config) -> Ranks:
    """The place of this process among those of the run: rank 0 unless that started it."""
    started = os.environ.get(PARENT) == str(os.getppid())
    return Ranks(int(os.environ[RANK]) if started else 0, config.trainer.devices)


def check(config: Config, machine: Machine) -> None:
    """Raise UsageError where the run cannot have the devices or the precision it asks for."""
    wanted, device = config.trainer.devices, machine.device
    most = torch.cuda.device_count() if device.type == "cuda" else os.cpu_count()
    if wanted > most:
        unit = "GPUs visible" if device.type == "cuda" else "CPU cores, a process each"
        raise UsageError(f"trainer.devices is {wanted}; accepted: 1 to {most}, the {unit}.")
    if config.trainer.precision == "tf32" and device.type != "cuda":
        raise UsageError("trainer.precision is 'tf32', which takes a GPU; accepted here: 32, bf16.")
    if config.trainer.products == "onednn" and not onednn.available(device):
        raise UsageError(
            "trainer.products is 'onednn', which takes a CPU and a torch with oneDNN; accepted "
            "here: auto, torch."
        )
    if wanted > 1 and getattr(sys.modules["__main__"].__spec__, "name", None) != COMMAND:
        raise UsageError(
            f"trainer.devices is {wanted}, but only the command python -m {COMMAND} starts a "
            "process for each; here it must be 1."
        )


class Processes(ClusterEnvironment):
    """The processes of one run on this machine, in place of what a launcher says of others."""

    def __init__(self, ranks: Ranks):
        self.ranks = ranks
        self.store: torch.distributed.TCPStore | None = None  # where they meet

    def meet(self) -> None:
        """Hold a free port, as rank 0, or connect to that of rank 0."""
        leads = self.ranks.leads
        port = 0 if leads else int(os.environ[PORT])
        options = {"timeout": TIMEOUT, "wait_for_workers": False}
        self.store = torch.distributed.TCPStore(ADDRESS, port, self.ranks.world, leads, **options)

    @property
    def creates_processes_externally(self) -> bool:
        """Whether another process starts the others."""
        return not self.ranks.leads

    main_address = ADDRESS

    @property
    def main_port(self) -> int:
        """The port where they meet."""
        return self.store.port

    @staticmethod
    def detect() -> bool:
        """Never by itself: `train` says so."""
        return False

    def world_size(self) -> int:
        """The number of processes."""
        return self.ranks.world

    def global_rank(self) -> int:
        """The place of this one."""
        return self.ranks.rank

    local_rank = global_rank

    def node_rank(self) -> int:
        """All are on one machine."""
        return 0

    def set_world_size(self, size: int) -> None:
        """Nothing: `ranks` says it."""

    def set_global_rank(self, rank: int) -> None:
        """Nothing: `ranks` says it."""


class Launcher(_SubprocessScriptLauncher):
    """Starts the other ranks; who looks after them is `Group`, and threads stay as set."""

    def launch(self, function, *arguments, trainer=None, **options) -> Any:
        """Start the other ranks, unless this is one of them, and call `function`."""
        processes = self.cluster_environment
        processes.meet()
        if not processes.creates_processes_externally:
            command = [sys.executable, "-m", COMMAND, *sys.argv[1:]]
            shared = {**os.environ, PARENT: str(os.getpid()), PORT: str(processes.main_port)}
            for rank in range(1, self.num_processes):
                self.procs.append(subprocess.Popen(command, env={**shared, RANK: str(rank)}))
        return function(*arguments, **options)


class Strategy(DDPStrategy):
    """DDP for its processes and their group alone; gradients are summed by `Training`.

    Every process makes the same parameters from the seed, or loads the same checkpoint.
    """

    def __init__(self, group: "Group"):
        super().__init__()
        self.group = group

    def _configure_launcher(self) -> None:
        self._launcher = Launcher(self.cluster_environment, self.num_processes, self.num_nodes)
        self.group.launcher = self._launcher

    def setup_distributed(self) -> None:
        """Make the group of the processes, which have met; Lightning's own reads variables."""
        self.set_world_ranks()
        os.environ["GLOO_SOCKET_IFNAME"] = "lo0" if sys.platform == "darwin" else "lo"
        torch.distributed.init_process_group(
            self._get_process_group_backend(),
            store=self.cluster_environment.store,
            rank=self.global_rank,
            world_size=self.world_size,
            timeout=TIMEOUT,
            device_id=self.root_device if self.root_device.type != "cpu" else None,
        )

    def configure_ddp(self) -> None:
        """Leave the module as it is: its gradients come from no hook that a wrapper could use."""


class Group(pl.Callback):
    """The other processes of a run, watched by rank 0; a run on one device has none.

    When one ends on its own the run ends: what is stuck waiting for it cannot be waited for.
    """

    def __init__(self, ranks: Ranks):
        self.ranks = ranks
        self.launcher: Launcher | None = None
        self.lost: tuple[int, int] | None = None  # rank and exit status of one that ended
        self.over = threading.Event()

    @property
    def processes(self) -> list[subprocess.Popen]:
        """The ranks from 1 on, once they are started."""
        return self.launcher.procs if self.launcher else []

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
        time.sleep(
            GRACE / 2
        )  # where the fault is rank 0's it ends this process, and prints the reason
        raise
