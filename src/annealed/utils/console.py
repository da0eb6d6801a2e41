"""Standard output and error that may go away: what is printed is lost, what is computed is not."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any


class Lasting:
    """A text stream that goes on as the null device once it cannot be written."""

    def __init__(self, stream: IO[str]):
        self.stream = stream

    def write(self, text: str) -> int:
        """Write `text`; returns its length."""
        try:
            self.stream.write(text)
        except OSError:
            self._leave()
        return len(text)

    def flush(self) -> None:
        """Write what is kept back."""
        try:
            self.stream.flush()
        except OSError:
            self._leave()

    def _leave(self) -> None:
        """Let the number of the file stand for the null device, which takes what is kept back."""
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, self.stream.fileno())
        os.close(null)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)


@contextmanager
def lasting() -> Iterator[None]:
    """Standard streams for this block that are there and never raise for want of a reader."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:  # closed; the lowest free number is its, or a file would be
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115
    streams = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = map(Lasting, streams)
    try:
        yield
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        sys.stdout, sys.stderr = streams
