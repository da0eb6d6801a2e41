"""Where data sets lie: the root folder, and the sentence that tells how to fill it."""

import os
from pathlib import Path

from annealed.utils.errors import UsageError


class DataNotFound(UsageError):
    """The files of a data set are not there and could not be downloaded."""


def data_root(configured: str | None) -> Path:
    """`data.root` where it is set, else $ANNEALED_DATA, else a folder in the user's cache."""
    chosen = configured or os.environ.get("ANNEALED_DATA")
    return Path(chosen).expanduser() if chosen else cache_root() / "data"


def cache_root() -> Path:
    """$XDG_CACHE_HOME/annealed, by default ~/.cache/annealed."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "annealed"


def not_found(
    name: str, missing: str, where: Path, why: str = "", files: str = "the files"
) -> DataNotFound:
    """The one sentence for a data set that is not at hand; `files` are all that it needs."""
    reason = f" and could not be downloaded ({why})" if why else ""
    return DataNotFound(
        f"{name}: {missing} is not in {where}{reason}; place {files} there, or point "
        "ANNEALED_DATA or data.root at a folder that has them (README, 'Placing data by hand')."
    )


def corrupt(path: Path, problem: str) -> UsageError:
    """The one sentence for a file that is there but wrong."""
    return UsageError(f"{path} {problem}; replace it with a good copy or delete it.")
