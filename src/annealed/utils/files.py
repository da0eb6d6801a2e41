"""Writing so that a kill at any moment leaves the old file or the new one, and locking a folder."""

import errno
import fcntl
import hashlib
import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from annealed.utils.errors import InUse, UsageError


def replace(path: Path, write: Callable[[IO[bytes]], None], previous: Path | None = None) -> None:
    """Let `write` fill a temporary file beside `path`, then rename it over `path`.

    Where `previous` is named, the old file is renamed to it. Raises UsageError, with `path` as it
    was, where the system does not take the file, as when the disk is full.
    """
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        with write_errors_explained(path, "what it held before is kept"), open(partial, "wb") as f:
            write(f)
            f.flush()
            os.fsync(f.fileno())
        if previous is not None and path.exists():
            os.replace(path, previous)
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def write_errors_explained(path: Path, consequence: str) -> Iterator[None]:
    """Raise UsageError, ending in `consequence`, where `path` cannot be written in this block."""
    try:
        yield
    except OSError as error:
        if error.errno is None:
            raise
        raise UsageError(f"{path} cannot be written: {error.strerror}; {consequence}.") from None


@contextmanager
def read_errors_explained(path: Path) -> Iterator[None]:
    """Raise UsageError where a file cannot be read in this block: the system's, else `path`."""
    try:
        yield
    except OSError as error:
        if error.errno is None:
            raise
        raise UsageError(f"{error.filename or path} cannot be read: {error.strerror}.") from None


def replace_text(path: Path, text: str) -> None:
    """Write `text` to `path` by `replace`."""
    replace(path, lambda f: f.write(text.encode()))


def replace_json(path: Path, record: dict) -> None:
    """Write `record` as indented JSON to `path` by `replace`; a number that is not finite raises.

    NaN is no JSON: other programs could not read the file.
    """
    replace_text(path, json.dumps(record, indent=2, allow_nan=False) + "\n")


def sha256(content: bytes | memoryview) -> str:
    """Hexadecimal SHA-256 of `content`."""
    return hashlib.sha256(content).hexdigest()


@contextmanager
def locked(folder: Path, label: str, wait: bool = False, otherwise: str = "") -> Iterator[None]:
    """Hold `folder`'s lock; the kernel drops it when the process ends, however it ends.

    What a process that was killed left half written there is removed. Where another process holds
    it: with `wait` says so on standard error and waits, else raises InUse. Messages call the folder
    `label`, and end in what one may do `otherwise`. Raises UsageError where nothing can be written
    or the disk has no locks.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = open(folder / ".lock", "w", encoding="utf-8")  # noqa: SIM115 - held until the block ends
    except OSError as error:
        reason = "; ".join(filter(None, [error.strerror, otherwise]))
        raise UsageError(f"{label} {folder} cannot be written: {reason}.") from None
    with handle:
        if not _lock(handle, f"{label} {folder}", fcntl.LOCK_EX | fcntl.LOCK_NB):
            if not wait:
                advice = ", or ".join(filter(None, ["wait for it to end", otherwise]))
                raise InUse(f"{label} {folder} is in use by another process; {advice}.") from None
            print(f"waiting for another process that has {label} {folder}", file=sys.stderr)
            _lock(handle, f"{label} {folder}", fcntl.LOCK_EX)
        for partial in folder.glob(".*.partial"):
            partial.unlink()
        yield


def _lock(handle: IO, name: str, how: int) -> bool:
    """Whether the lock of `handle` was to be had; UsageError where its disk gives no locks."""
    try:
        fcntl.flock(handle, how)
        return True
    except OSError as error:
        if error.errno in (errno.EWOULDBLOCK, errno.EAGAIN):
            return False
        raise UsageError(
            f"{name} cannot be locked: {error.strerror}, as on network disks that are mounted "
            "without locks; name a folder on another disk."
        ) from None


def in_use(folder: Path) -> bool:
    """Whether another process holds the lock of `folder`; raises UsageError as `locked` does."""
    if not (folder / ".lock").exists():
        return False
    try:
        with locked(folder, "the folder"):
            return False
    except InUse:
        return True
