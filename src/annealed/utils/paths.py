"""A folder that a user names, looked at once: what the system cannot serve is one sentence."""

import os
import stat
from pathlib import Path

from annealed.utils.errors import UsageError


def user_folder(text: str, label: str) -> Path:
    """The folder that `text` names, with ~ expanded; it need not be there.

    Raises UsageError, which calls it `label`, where it cannot be: a file, a link to nothing, the
    home of nobody, a name too long or one that the locale has no letters for.
    """
    try:
        path = Path(text).expanduser()
        if stat.S_ISDIR(path.stat().st_mode):
            return path
        reason = "it is no folder"
    except FileNotFoundError:
        if not path.is_symlink():
            return path
        reason = f"it is a link to {os.readlink(path)}, which is not there"
    except (OSError, RuntimeError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error).rstrip(".")
    raise UsageError(f"{label} is {text!r}: {reason}; accepted: a folder's path.")
