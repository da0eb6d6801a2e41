"""What every download shares: whole files or none, and the reason where there are none."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.client import HTTPException
from pathlib import Path
from tempfile import TemporaryDirectory

FAILURES = (OSError, RuntimeError, ValueError, HTTPException)  # of urllib and torchvision


@contextmanager
def scratch_in(folder: Path) -> Iterator[Path]:
    """A folder to download into, in `folder`, to move whole files from there.

    Folders that are made for it go again unless something was put into them.
    """
    missing = [place for place in (folder, *folder.parents) if not place.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix=".download-", dir=folder) as scratch:
            yield Path(scratch)
    finally:
        for place in missing:
            with suppress(OSError):  # it was not made, or holds something
                place.rmdir()


def reason(error: Exception) -> str:
    """What an error says, in one line."""
    return " ".join(str(error).split()).rstrip(".") or type(error).__name__
