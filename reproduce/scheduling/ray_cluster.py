"""The engine for a Ray cluster: a task a work, on whichever node has room.

Ray's retries are for what happens to a machine, the scheduler's for what happens to a work; both
are counted together. Moritz et al. 2018 (arXiv 1712.05889) describe Ray.
"""

import logging
import math
import os
import socket
import sys
import uuid
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path

from annealed.utils.errors import Diverged, UsageError
from annealed.utils.files import locked, replace as replace_file, write_errors_explained
from reproduce.scheduling import ray_node, worker_process
from reproduce.scheduling.work import Work

OOM_RETRIES = 2  # of a work that Ray kills because its node runs out of memory
LOST = -1  # the exit status of a work whose machines died under it
CONNECT = 10.0  # seconds for the head of the cluster to answer
STOP = worker_process.GRACE + 10.0  # seconds for tasks to stop what they run
PASSED_ON = ("WANDB_MODE",)  # variables of the driver that hold for its works


class ClusterJob:
    """A work as a Ray task that may start it `retries` times more."""

    def __init__(self, cluster: "Cluster", work: Work, key: int, reference, retries: int):
        self.cluster, self.ray, self.work, self.key = cluster, cluster.ray, work, key
        self.reference, self.retries, self.tries = reference, retries, 1
        self.ended, self.message = None, ""

    @property
    def state(self) -> dict:
        """The last progress that the work reported."""
        return self.cluster.newest_states().get(self.key, {})

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
            self.message = f"Ray gave it up: {reason.strip().splitlines()[0]}"
            return LOST
        self.message = outcome["message"]
        made = outcome["status"] in (0, Diverged.status)
        try:
            self.write(outcome["files"] if made else {})
        except UsageError as error:  # in use, or nothing can be written here
            self.message = str(error)
            return error.status
        return outcome["status"]

    def write(self, files: dict[str, bytes]) -> None:
        """Write what came from another disk, in its order, holding the work's locks."""
        if not files or all(path.exists() for path in self.work.results()):
            return
        with ExitStack() as stack:
            for folder in self.work.locks():
                stack.enter_context(locked(folder, "the run folder"))
            for name, content in files.items():
                path = Path(self.work.runs, name)
                with write_errors_explained(path, "it can be sent again"):
                    path.parent.mkdir(parents=True, exist_ok=True)
                replace_file(path, lambda f, content=content: f.write(content))

    def reason(self) -> str:
        """Why the task ended, and where its log is."""
        return self.message


def _connect(address: str) -> None:
    """Raise OSError where nothing listens at host:port, for which Ray would wait for minutes."""
    host, _, port = address.rpartition(":")
    if host and "/" not in host:
        socket.create_connection((host, int(port)), CONNECT).close()


class Cluster:
    """Works on the cluster that $RAY_ADDRESS names, or that runs on this machine.

    `jobs` at a time or what the nodes can take, `threads` CPU cores each, and `gpus` GPUs or a
    share of one, by default one where any node has some; a work that uses no GPU gets none. Each
    node runs them with its own Python. Raises UsageError where Ray is not installed, no cluster
    answers or it has too little.
    """

    def __init__(self, jobs: int | None, threads: int = 1, gpus: float | None = None):
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
            _connect(os.environ.get("RAY_ADDRESS", "auto"))
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
        self.ray, self.jobs, self.threads = ray, jobs or math.inf, threads
        self.marker, self.marked = f".seen-{uuid.uuid4().hex}", set()
        resources = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        nodes = [(node.get("CPU", 0.0), node.get("GPU", 0.0)) for node in resources]
        self.gpus = float(any(gpu for _, gpu in nodes)) if gpus is None else gpus
        self.check(nodes)
        for module in (ray_node, worker_process):  # nodes need no checkout at the same place
            ray.cloudpickle.register_pickle_by_value(module)
        self.task, self.count = ray.remote(ray_node.execute), 0
        here = NodeAffinity(ray.get_runtime_context().get_node_id(), soft=False)
        actor = ray.remote(ray_node.States).options(num_cpus=0, scheduling_strategy=here)
        self.actor, self.states = actor.remote(), {}
        self.asked = self.actor.all.remote()

    def check(self, nodes: list[tuple[float, float]]) -> None:
        """Refuse what would wait for ever on nodes with these numbers of CPU cores and GPUs."""
        if not any(cpu >= self.threads and gpu >= self.gpus for cpu, gpu in nodes):
            listed = ", ".join(f"{cpu:g} and {gpu:g}" for cpu, gpu in nodes)
            self.close([])
            raise UsageError(
                f"a run takes {self.threads} CPU cores (--threads) and {self.gpus:g} GPUs (--gpus) "
                f"and no node of the Ray cluster has them; the nodes have {listed}."
            )

    def start(self, work: Work, retries: int) -> ClusterJob:
        """Hand `work` to Ray, which starts it again `retries` times where a machine fails."""
        runs = Path(work.runs).absolute()
        if runs not in self.marked:
            runs.mkdir(parents=True, exist_ok=True)
            (runs / self.marker).touch()
            self.marked.add(runs)
        self.count += 1
        assigned = self.assignment(work, runs)
        task = self.task.options(
            name=work.name,
            num_cpus=self.threads,
            num_gpus=self.gpus if work.uses_gpu else 0,
            max_retries=retries,
        )
        return ClusterJob(self, work, assigned.key, task.remote(assigned, self.actor), retries)

    def assignment(self, work: Work, runs: Path) -> ray_node.Assignment:
        """`work`, whose folder of runs is `runs`, absolute, as what a node gets."""
        here = replace(work, runs=str(runs))
        return ray_node.Assignment(
            key=self.count,
            arguments=replace(work, runs=ray_node.RUNS).arguments(self.threads),
            runs=str(runs),
            marker=self.marker,
            cwd=os.getcwd(),
            folder=str(here.folder().relative_to(runs)),
            results=[str(path.relative_to(runs)) for path in here.results()],
            files=[str(path.relative_to(runs)) for path in here.files()],
            threads=self.threads,
            environment={name: os.environ[name] for name in PASSED_ON if name in os.environ},
        )

    def newest_states(self) -> dict[int, dict]:
        """The last progress of each work, as far as it is here."""
        if self.ray.wait([self.asked], timeout=0)[0]:
            with suppress(self.ray.exceptions.RayError):  # runs go on without it
                self.states, self.asked = self.ray.get(self.asked), self.actor.all.remote()
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
            (runs / self.marker).unlink(missing_ok=True)
        self.ray.shutdown()
