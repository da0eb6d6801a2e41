"""Where runs go, as a command line says: this machine, its GPUs, or a Ray cluster."""

import argparse
import os

import torch

from annealed.utils.errors import UsageError
from reproduce.scheduling import gpus
from reproduce.scheduling.local import Local
from reproduce.scheduling.ray_cluster import Cluster
from reproduce.scheduling.scheduler import Engine


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options that `chosen` reads; what uses no GPU, as a page's toys, is handed none."""
    where = parser.add_argument_group("where runs go")
    where.add_argument("--engine", choices=("local", "ray"), default="local", help="default: local")
    where.add_argument("--jobs", type=int, help="runs at a time; default: what is there can take")
    where.add_argument("--devices", help="local: GPUs, by number, as in 2, or by name, as in 0,3")
    where.add_argument("--gpus", type=float, help="ray: GPUs a run, as in 0.5; default: 1 if any")
    where.add_argument("--threads", type=int, default=1, help="CPU threads a run")


def chosen(arguments: argparse.Namespace) -> Engine:
    """The engine that `arguments` ask for; raises UsageError for what it does not take or have."""
    if arguments.engine == "ray":
        if arguments.devices is not None:
            raise UsageError("--devices is of --engine local; Ray hands GPUs out by --gpus.")
        share = arguments.gpus
        if share is not None and not (0.0 <= share <= 1.0 or (share > 1.0 and share.is_integer())):
            raise UsageError(f"--gpus is {share}; accepted: 0 to 1, or a whole number.")
        return Cluster(arguments.jobs, arguments.threads, share)
    if arguments.gpus is not None:
        raise UsageError("--gpus is of --engine ray; --devices names GPUs on this machine.")
    devices = gpus.parse(arguments.devices) if arguments.devices is not None else None
    jobs = arguments.jobs or (len(devices) if devices else default_jobs())
    return Local(jobs, arguments.threads, devices)


def default_jobs() -> int:
    """One run a CPU core this process may use; one alone where they would share a GPU."""
    if torch.cuda.is_available():
        return 1
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def has_gpu(arguments: argparse.Namespace) -> bool:
    """Whether a run can be given a GPU: one is visible here, or Ray may hand out its cluster's."""
    return torch.cuda.is_available() or (arguments.engine == "ray" and arguments.gpus != 0)
