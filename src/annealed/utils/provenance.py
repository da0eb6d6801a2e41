"""Where a number came from: commit, command, versions, hardware."""

import os
import platform
import subprocess
import sys
from collections.abc import Iterable
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path

import torch

from annealed import __version__
from annealed.utils.files import sha256

OUTSIDE = "outside_commit"  # the key of files that decided a run and are not of its commit
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
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def outside_commit(paths: Iterable[Path]) -> list[dict[str, str]]:
    """Path and SHA-256 of each file that decides a run and is not of the commit or the package.

    A path is relative to the current folder where it is below it.
    """
    files, here = list(dict.fromkeys(Path(path).resolve() for path in paths)), Path.cwd()
    committed = _committed(files)
    return [
        {
            "path": str(path.relative_to(here) if here in path.parents else path),
            "sha256": sha256(path.read_bytes()),
        }
        for path in files
        if path not in committed
    ]


def _committed(files: list[Path]) -> set[Path]:
    """Those of `files` that git tracks beside this one; without a checkout, the package's."""
    this = Path(__file__).resolve()
    try:
        root = Path(_git("rev-parse", "--show-toplevel"))
        below = [str(path) for path in (this, *files) if root in path.parents]
        names = _git("ls-files", "-z", "--full-name", "--", *below).split("\0")
        listed = {root / name for name in names}
        if this in listed:
            return listed
    except (OSError, subprocess.CalledProcessError):
        pass
    return {path for path in files if this.parents[1] in path.parents}


def processor() -> str:
    """The CPU's name."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
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
