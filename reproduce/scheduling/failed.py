"""Sentences on works that failed: shown as they come, named once more at the end."""

import sys
from collections.abc import Sequence

from annealed.utils.errors import UsageError


def sentence(error: UsageError | OSError) -> str:
    """What went wrong with a work, without a traceback."""
    if isinstance(error, UsageError):
        return str(error)
    return f"{error.filename or 'this machine'} cannot be used: {error.strerror or error}."


def joined(failures: list[str], more: Sequence[str]) -> list[str]:
    """`failures`, which were shown, and those of `more` that are not among them; shows these."""
    new = [failure for failure in more if failure not in failures]
    for failure in new:
        print(failure, file=sys.stderr)
    return [*failures, *new]


def conclude(failures: Sequence[str], consequence: str = "") -> None:
    """Raise UsageError where there are `failures` or a `consequence` that ends a page.

    It is one sentence, of the names alone: the reasons were shown as they came.
    """
    names = ", ".join(dict.fromkeys(failure.partition(": ")[0] for failure in failures))
    failed = f"{len(failures)} failed, as told above: {names}" if failures else ""
    if failed or consequence:
        raise UsageError("; ".join(filter(None, [consequence.removesuffix("."), failed])) + ".")
