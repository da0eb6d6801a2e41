"""A data set's files looked for under several names, and read, compressed or not."""

import gzip
import os
import stat
import zlib
from collections.abc import Iterable
from pathlib import Path

from annealed.data.locations import corrupt
from annealed.utils.errors import UsageError
from annealed.utils.files import read_errors_explained

GZIP = b"\x1f\x8b"  # how a compressed file begins


def find_file(candidates: Iterable[Path]) -> Path | None:
    """The first of `candidates` that is a file; None where there is nothing at any of them.

    Raises UsageError where there is something else in place of all: a folder, a link to nothing,
    or what may not be looked at. A download then would not be what the user wants.
    """
    problem = None
    for path in candidates:
        try:
            if stat.S_ISREG(path.stat().st_mode):
                return path
            problem = problem or corrupt(path, "is no file")
        except (FileNotFoundError, NotADirectoryError):
            problem = problem or dangling(path)
        except OSError as error:
            problem = problem or UsageError(f"{path} cannot be read: {error.strerror}.")
    if problem:
        raise problem
    return None


def dangling(path: Path) -> UsageError | None:
    """The error where `path`, or a folder that it is in, is a link to nothing."""
    for place in (path, *path.parents):
        if os.path.islink(place) and not os.path.exists(place):
            return corrupt(place, f"is a link to {os.readlink(place)}, which is not there")
    return None


def read(path: Path) -> bytes:
    """The content of a file; raises UsageError where it cannot be read."""
    with read_errors_explained(path):
        return path.read_bytes()


def decompressed(path: Path, content: bytes) -> bytes:
    """The `content` of `path`, whose name may end in .gz though it is plain, or the other way."""
    if not content.startswith(GZIP):
        return content
    try:
        return gzip.decompress(content)
    except (OSError, EOFError, zlib.error) as error:
        raise corrupt(path, f"cannot be decompressed ({error})") from None
