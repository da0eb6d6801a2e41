"""Paths that a person gives: on the command line, in a configuration, in the environment."""

import os
import re
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

from annealed.utils.errors import UsageError

URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
LONGEST_NAME, LONGEST_PATH = 255, 2000  # bytes; what file systems take, with room for run folders


def expanded(text: str) -> str:
    """`text` with a leading ~ or ~user written out.

    Raises ValueError, a clause on `text`, where no file system of this machine has such a path.
    """
    if URL.match(text):
        raise ValueError("is a URL; accepted: a path on a disk of this machine")
    path = os.path.expanduser(text)
    if text.startswith("~") and path == text:
        raise ValueError(
            "begins with the home folder of a user who is not known here; accepted: a path on a "
            "disk of this machine, as in ./~name for a name with ~"
        )
    try:
        encoded = os.fsencode(path)
    except UnicodeEncodeError:
        raise ValueError(
            "has letters that the locale does not; accepted: any under a locale of UTF-8"
        ) from None
    if max(map(len, encoded.split(b"/"))) > LONGEST_NAME or len(encoded) > LONGEST_PATH:
        raise ValueError(
            f"is too long; accepted: names of up to {LONGEST_NAME} bytes, {LONGEST_PATH} in all"
        )
    if "\0" in path:
        raise ValueError("holds a null character; accepted: a path on a disk of this machine")
    return path


def named(name: str, text: str) -> str:
    """The path `text` of the option or variable `name`; raises UsageError as `expanded` does."""
    try:
        return expanded(text)
    except ValueError as error:
        shown = text if len(text) <= 100 else text[:100] + "..."
        raise UsageError(f"{name} is {shown!r}, which {error}.") from None


def argument(name: str, kind: Callable[[str], Any] = str) -> Callable[[str], Any]:
    """The `type` of argparse for the option `name`: its path, as `kind`."""
    return lambda text: kind(named(name, text))


def user_folder(text: str, label: str) -> Path:
    """The folder that `text` names, looked at; it need not be there.

    Raises UsageError, which calls it `label`, as `expanded` does, and where it is a file or a link
    to nothing or the system cannot serve it.
    """
    path = Path(named(label, text))
    try:
        if stat.S_ISDIR(path.stat().st_mode):
            return path
        reason = "it is no folder"
    except FileNotFoundError:
        if not path.is_symlink():
            return path
        reason = f"it is a link to {os.readlink(path)}, which is not there"
    except OSError as error:
        reason = error.strerror
    raise UsageError(f"{label} is {text!r}: {reason}; accepted: a folder's path.")
