"""Where a number came from: commit, command, versions, hardware."""

import os
import platform
import subprocess
import sys
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path

import torch

from annealed import __version__

PACKAGES = (
    "torch",
    "pytorch-lightning",
    "torchvision",
    "zuko",
    "numpy",
    "scipy",
    "scikit-learn",
    "pandas",
    "omegaconf",
)


def commit() -> str:
    """The commit of the checkout this code runs from, with `-dirty` where tracked files differ.

    Changes below `reports/` do not count: runs write there, and no training reads from it.
    """
    try:
        _git("ls-files", "--error-unmatch", Path(__file__).name)
        pathspec = (":/", ":(exclude,top)reports")
        changed = _git("status", "--porcelain", "--untracked-files=no", "--", *pathspec)
        return _git("rev-parse", "HEAD") + ("-dirty" if changed else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown: not run from a git checkout"


def _git(*arguments: str) -> str:
    command = ["git", "-C", str(Path(__file__).parent), *arguments]
    return subprocess.run(command, capture_output=True, encoding="utf-8", check=True).stdout.strip()


def processor() -> str:
    """The CPU's name."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def memory() -> float | None:
    """The machine's memory, GiB; None where the system does not say."""
    if not {"SC_PHYS_PAGES", "SC_PAGE_SIZE"} <= os.sysconf_names.keys():
        return None
    return round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30, 1)


def provenance(device: torch.device) -> dict:
    """A JSON-ready record of this process."""
    on_gpu = device.type == "cuda"
    return {
        "commit": commit(),
        "command": " ".join([Path(sys.executable).name, *sys.orig_argv[1:]]),
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "versions": {"annealed": __version__, **{name: version(name) for name in PACKAGES}},
        "platform": platform.platform(),
        "device_type": device.type,
        "device": torch.cuda.get_device_name(device) if on_gpu else processor(),
        "cores": os.cpu_count(),
        "memory_gib": memory(),
        "threads": torch.get_num_threads(),
    }
