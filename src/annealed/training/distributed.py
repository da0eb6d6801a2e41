"""Several devices for one run: a process a device, in Lightning's DDP.

The process that the user started is rank 0: it alone holds the lock, writes, logs and scores. It
starts the same command again for each other one, which trains and leaves. They meet on this machine
at a port that rank 0 holds; what a launcher left in the environment is not read.
"""

import os
import subprocess
import sys
from datetime import timedelta
from typing import Any

import torch
from lightning_fabric.plugins.environments import ClusterEnvironment
from pytorch_lightning.strategies import DDPStrategy
from pytorch_lightning.strategies.launchers import _SubprocessScriptLauncher

from annealed.compute import onednn
from annealed.compute.machine import Machine
from annealed.compute.ranks import Ranks
from annealed.config.schema import Config
from annealed.training.process_watch import PARENT, Group
from annealed.utils.errors import UsageError

COMMAND = "annealed.fit"  # the module that is started again
ADDRESS = "127.0.0.1"
# handed to each process that rank 0 starts, beside PARENT: its rank, and the port
RANK, PORT = "ANNEALED_RANK", "ANNEALED_PORT"
TIMEOUT = timedelta(minutes=10)  # how long a process waits for what the others have to send


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

    def __init__(self, group: Group):
        super().__init__()
        self.group = group

    def _configure_launcher(self) -> None:
        self._launcher = Launcher(self.cluster_environment, self.num_processes, self.num_nodes)
        self.group.processes = self._launcher.procs

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
