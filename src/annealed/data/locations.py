"""Where data sets lie: the root folder, and the errors for files missing or corrupt."""

import os
from itertools import islice
from pathlib import Path

from annealed.utils.errors import UsageError
from annealed.utils.paths import user_folder

LISTED = 6  # names that a message gives of what a folder holds


class DataNotFound(UsageError):
    """The files of a data set are not there and could not be downloaded."""


def data_root(configured: str | None) -> Path:
    """`data.root` where it is set, else $ANNEALED_DATA, else a folder in the user's cache.

    Raises UsageError where the system takes it for no folder, DataNotFound where none is named and
    the user has no home.
    """
    if configured:
        return user_folder(configured, "data.root")
    if root := os.environ.get("ANNEALED_DATA"):
        return user_folder(root, "ANNEALED_DATA")
    try:
        return cache_root() / "data"
    except UsageError as error:
        raise DataNotFound(f"ANNEALED_DATA and data.root are not set, and {error}") from None


def cache_root() -> Path:
    """$XDG_CACHE_HOME/annealed, by default ~/.cache/annealed.

    Raises UsageError where there is neither, as for a user of a container without a home.
    """
    if folder := os.environ.get("XDG_CACHE_HOME"):
        return user_folder(folder, "XDG_CACHE_HOME") / "annealed"
    try:
        return Path.home() / ".cache" / "annealed"
    except RuntimeError:
        raise UsageError(
            "this user has no home folder for a cache; set XDG_CACHE_HOME or HOME to a folder."
        ) from None


def not_found(
    name: str, missing: str, root: Path, below: str, reason: str = "", files: str = "the files"
) -> DataNotFound:
    """The error for a data set without its file `missing`, which belongs into root/below.

    `files` are all that it needs; `reason` is why they could not be downloaded.
    """
    folder = root / below
    failure = f" and could not be downloaded ({reason})" if reason else ""
    return DataNotFound(
        f"{name}: {missing} is not in {folder}{_held(folder, root)}{failure}; place {files} there, "
        "or point data.root, or ANNEALED_DATA where that is null, at a folder that has them "
        "(src/annealed/data/README.md)."
    )


def _held(folder: Path, root: Path) -> str:
    """What lies in `folder`, or in the first of the folders around it, up to `root`, that is there.

    A clause in brackets; empty where there is none of them, or where it may not be listed.
    """
    around = (folder, *folder.parents)
    place = next((p for p in around[: len(around) - len(root.parents)] if p.is_dir()), None)
    if place is None or not os.access(place, os.R_OK):
        return ""
    names = sorted(islice((p.name for p in place.iterdir() if p.name[0] != "."), 1000))
    shown = ", ".join(names[:LISTED]) + (", ..." if len(names) > LISTED else "")
    return f" ({place} holds {shown or 'nothing'})"


def corrupt(path: Path, problem: str) -> UsageError:
    """The error for a file with a `problem`, which ends the clause that starts with its path."""
    return UsageError(f"{path} {problem}; replace it with a good copy or delete it.")
