"""The engine for a Ray cluster: a task a cell, on whichever node has room.

Ray's retries are for what happens to a machine, the scheduler's for what happens to a cell; both
are counted together. Moritz et al. 2018 (arXiv 1712.05889) describe Ray.
"""

import logging
import math
import os
import socket
import sys
import uuid
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path

from annealed.utils.errors import InUse, UsageError
from annealed.utils.files import locked, replace as replace_file
from reproduce.scheduling import ray_node, worker_process
from reproduce.scheduling.local import fit_command
from reproduce.scheduling.run_grid import Run

OOM_RETRIES = 2  # of a cell that Ray kills because its node runs out of memory
LOST = -1  # the exit status of a cell whose machines died under it
KNOCK = 10.0  # seconds for the head of the cluster to answer
STOP = worker_process.GRACE + 10.0  # seconds for tasks to stop what they run
PASSED_ON = ("WANDB_MODE",)  # variables of the driver that hold for its cells


class ClusterJob:
    """A cell as a Ray task that may start it `retries` times more."""

    def __init__(self, cluster: "Cluster", cell: Run, key: int, reference, retries: int):
        self.cluster, self.ray, self.cell, self.key = cluster, cluster.ray, cell, key
        self.reference, self.retries, self.tries = reference, retries, 1
        self.ended, self.words = None, ""

    @property
    def state(self) -> dict:
        """What the cell last said of its progress."""
        return self.cluster.heard().get(self.key, {})

    def status(self) -> int | None:
        """The exit status, once the task has ended and its files are here."""
        if self.ended is None:
            ready, _ = self.ray.wait([self.reference], timeout=0)
            if ready:
                self.ended = self.receive()
        return self.ended

    def receive(self) -> int:
        """Take in what the task returned; LOST where Ray gave it up."""
        try:
            outcome = self.ray.get(self.reference)
        except self.ray.exceptions.RayError as error:
            self.tries += self.retries
            reason = str(getattr(error, "cause", None) or error)
            self.words = f"Ray gave it up: {reason.strip().splitlines()[0]}"
            return LOST
        self.words = outcome["words"]
        try:
            self.write(outcome["files"])
        except InUse as error:
            self.words = str(error)
            return InUse.status
        return outcome["status"]

    def write(self, files: dict[str, bytes]) -> None:
        """Write what came from another disk, the mark of done last, holding the run folders."""
        if all(path.exists() for path in self.cell.results()):
            return
        paths = {Path(self.cell.runs, name): content for name, content in files.items()}
        with ExitStack() as stack:
            for folder in dict.fromkeys(path.parent for path in paths):
                stack.enter_context(locked(folder, "the run folder"))
            for path, content in paths.items():
                replace_file(path, lambda f, content=content: f.write(content))

    def last_words(self) -> str:
        """The last line of the log, and where it is."""
        return self.words


def _knock(address: str) -> None:
    """Raise OSError where nothing listens at host:port, for which Ray would wait for minutes."""
    host, _, port = address.rpartition(":")
    if host and "/" not in host:
        socket.create_connection((host, int(port)), KNOCK).close()


class Cluster:
    """Cells on the cluster that $RAY_ADDRESS names, or that runs on this machine.

    `jobs` at a time or what the nodes can take, `threads` CPU cores each, and `gpus` GPUs or a
    share of one, by default one where any node has some. `command` is what runs for a cell, as for
    `Local`, by each node's own Python. Raises UsageError where Ray is not installed, no cluster
    answers or it has too little.
    """

    def __init__(
        self,
        jobs: int | None,
        threads: int = 1,
        gpus: float | None = None,
        command: Callable[[Run, int], list[str]] = fit_command,
    ):
        os.environ.setdefault("RAY_task_oom_retries", str(OOM_RETRIES))  # Ray's own is no bound
        try:
            import ray
            from ray.util.scheduling_strategies import (
                NodeAffinitySchedulingStrategy as NodeAffinity,
            )
        except ImportError:
            raise UsageError(
                "--engine ray needs Ray; install it with pip install 'annealed[cluster]'."
            ) from None
        try:
            _knock(os.environ.get("RAY_ADDRESS", "auto"))
            ray.init(
                address="auto",
                log_to_driver=False,
                logging_level=logging.ERROR,
                ignore_reinit_error=True,
            )
        except (OSError, RuntimeError, ValueError) as error:
            raise UsageError(
                f"no Ray cluster answers ({str(error).strip().splitlines()[0]}); start one with "
                "`ray start --head`, name it in RAY_ADDRESS, or leave --engine out."
            ) from None
        self.ray, self.jobs, self.threads, self.command = ray, jobs or math.inf, threads, command
        self.seen, self.marked = f".seen-{uuid.uuid4().hex}", set()
        nodes = [found["Resources"] for found in ray.nodes() if found["Alive"]]
        has = [(found.get("CPU", 0.0), found.get("GPU", 0.0)) for found in nodes]
        self.gpus = float(any(gpu for _, gpu in has)) if gpus is None else gpus
        self.check(has)
        for module in (
            ray_node,
            worker_process,
        ):  # nodes need no checkout of reproduce/ at the same place
            ray.cloudpickle.register_pickle_by_value(module)
        self.task, self.count = ray.remote(ray_node.train), 0
        here = NodeAffinity(ray.get_runtime_context().get_node_id(), soft=False)
        self.ear = ray.remote(ray_node.Heard).options(num_cpus=0, scheduling_strategy=here).remote()
        self.states, self.asked = {}, self.ear.all.remote()

    def check(self, has: list[tuple[float, float]]) -> None:
        """Refuse what would wait for ever on nodes with these numbers of CPU cores and GPUs."""
        if not any(cpu >= self.threads and gpu >= self.gpus for cpu, gpu in has):
            told = ", ".join(f"{cpu:g} and {gpu:g}" for cpu, gpu in has)
            self.close([])
            raise UsageError(
                f"a run takes {self.threads} CPU cores (--threads) and {self.gpus:g} GPUs (--gpus) "
                f"and no node of the Ray cluster has them; the nodes have {told}."
            )

    def start(self, cell: Run, retries: int) -> ClusterJob:
        """Hand `cell` to Ray, which starts it again `retries` times where a machine fails."""
        runs = Path(cell.runs).absolute()
        if runs not in self.marked:
            runs.mkdir(parents=True, exist_ok=True)
            (runs / self.seen).touch()
            self.marked.add(runs)
        here = replace(cell, runs=str(runs))
        self.count += 1
        order = ray_node.Order(
            key=self.count,
            arguments=self.command(here, self.threads)[1:],
            runs=str(runs),
            seen=self.seen,
            cwd=os.getcwd(),
            folder=str(here.folder().relative_to(runs)),
            each=[str(path.parent.relative_to(runs)) for path in here.results()],
            threads=self.threads,
            environment={name: os.environ[name] for name in PASSED_ON if name in os.environ},
        )
        task = self.task.options(
            name=cell.name, num_cpus=self.threads, num_gpus=self.gpus, max_retries=retries
        )
        return ClusterJob(self, cell, order.key, task.remote(order, self.ear), retries)

    def heard(self) -> dict[int, dict]:
        """What the cells last said of their progress, as far as it is here."""
        if self.ray.wait([self.asked], timeout=0)[0]:
            with suppress(self.ray.exceptions.RayError):  # runs go on without it
                self.states, self.asked = self.ray.get(self.asked), self.ear.all.remote()
        return self.states

    def close(self, jobs: list[ClusterJob]) -> None:
        """Cancel the tasks, which stop what they run, and leave the cluster."""
        references = [job.reference for job in jobs]
        for reference in references:
            self.ray.cancel(reference)
        if references:
            _, left = self.ray.wait(references, num_returns=len(references), timeout=STOP)
            for reference in left:
                print("a task does not stop and is killed", file=sys.stderr)
                self.ray.cancel(reference, force=True)
        for runs in self.marked:
            (runs / self.seen).unlink(missing_ok=True)
        self.ray.shutdown()
