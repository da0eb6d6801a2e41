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


UNKNOWN, NO_CHECKOUT = "unknown: ", "not run from a git checkout"
GIT_KEPT = ("GIT_CONFIG_", "GIT_EXEC_PATH", "GIT_TEST_")  # the others may name another repository


class GitFailed(OSError):
    """Git does not answer; the message says why, in one clause."""


def commit() -> str:
    """The commit of the checkout this code runs from, with `-dirty` where tracked files differ.

    "unknown: " and the cause where git does not tell it. Changes below `reports/` do not count:
    runs write there, and no training reads from it.
    """
    try:
        return _commit()
    except GitFailed as cause:
        return f"{UNKNOWN}{cause}"


def tell_unknown_commit(commit: str) -> None:
    """Say on standard error, at the start of a run, why `commit()` is unknown.

    Nothing is said of code outside a checkout, as an installed wheel is: it has no commit.
    """
    _, is_unknown, cause = commit.partition(UNKNOWN)
    if is_unknown and cause != NO_CHECKOUT:
        print(f"results will not name their commit: {cause}", file=sys.stderr)


def _commit() -> str:
    file = Path(__file__)
    in_checkout = any((folder / ".git").exists() for folder in file.parents)
    if not in_checkout or not _git("ls-files", "--", file.name):
        raise GitFailed(NO_CHECKOUT)
    pathspec = (":/", ":(exclude,top)reports")
    options = ("--porcelain", "--untracked-files=no")
    changed = _git("status", *options, "--", *pathspec)
    return _git("rev-parse", "--verify", "HEAD") + ("-dirty" if changed else "")


def _git(*arguments: str) -> str:
    """What git prints for the repository that this file lies in, whatever the environment names."""
    command = ["git", "--no-optional-locks", "-C", str(Path(__file__).parent), *arguments]
    kept = {k: v for k, v in os.environ.items() if k[:4] != "GIT_" or k.startswith(GIT_KEPT)}
    environment = {**kept, "LC_ALL": "C"}  # its messages in English
    text = {"encoding": "utf-8", "errors": "replace"}
    try:
        done = subprocess.run(command, capture_output=True, env=environment, **text)
    except FileNotFoundError:
        raise GitFailed("git is not installed") from None
    except OSError as error:
        raise GitFailed(f"git cannot be run ({error.strerror})") from None
    if done.returncode:
        raise GitFailed(_cause(done.stderr))
    return done.stdout.strip()


def _cause(errors: str) -> str:
    """Why git failed, in one clause."""
    remedy = next((line.strip() for line in errors.splitlines() if "safe.directory " in line), "")
    if remedy:
        return f"git does not trust the checkout, which another user owns; `{remedy}` makes it"
    last = (errors.strip().splitlines() or ["no message"])[-1]
    return f"git cannot read the checkout ({last})"


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
    except GitFailed:
        pass
    return {path for path in files if this.parents[1] in path.parents}


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
