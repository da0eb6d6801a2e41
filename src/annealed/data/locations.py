"""Where data sets lie: the root folder, and the errors for files missing or corrupt."""

import os
from pathlib import Path

from annealed.utils.caches import home_folder
from annealed.utils.errors import UsageError


class DataNotFound(UsageError):
    """The files of a data set are not there and could not be downloaded."""


def data_root(configured: str | None) -> Path:
    """`data.root` where it is set, else $ANNEALED_DATA, else a folder in the user's cache."""
    root = configured or os.environ.get("ANNEALED_DATA")
    return Path(root).expanduser() if root else cache_root() / "data"


def cache_root() -> Path:
    """$XDG_CACHE_HOME/annealed, by default ~/.cache/annealed."""
    return Path(os.environ.get("XDG_CACHE_HOME") or home_folder() / ".cache") / "annealed"


def not_found(
    name: str, missing: str, folder: Path, reason: str = "", files: str = "the files"
) -> DataNotFound:
    """The error for a data set without its file `missing`; `files` are all that it needs."""
    failure = f" and could not be downloaded ({reason})" if reason else ""
    return DataNotFound(
        f"{name}: {missing} is not in {folder}{failure}; place {files} there, or point "
        "ANNEALED_DATA or data.root at a folder that has them (src/annealed/data/README.md)."
    )


def corrupt(path: Path, problem: str) -> UsageError:
    """The error for a file with a `problem`, which ends the clause that starts with its path."""
    return UsageError(f"{path} {problem}; replace it with a good copy or delete it.")
