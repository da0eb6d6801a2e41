"""What the scheduler runs: anything that has a name, a command, and results by which it is done."""

from pathlib import Path
from typing import Protocol


class Work(Protocol):
    """A command that makes result files; finished parts are kept, so that it can be run again.

    A work is a frozen dataclass: two that are equal are one, and with another `runs`, by
    `dataclasses.replace`, it is the same work in another folder. The command ends with status 0 or
    that of `Diverged` where it made its results, and with that of `InUse` where another process
    holds one of its locks; see `annealed.utils.errors`.
    """

    runs: str  # the folder that all its files are below
    uses_gpu: bool  # whether its command uses a GPU where it sees one

    @property
    def name(self) -> str:
        """What a person calls it."""

    def arguments(self, threads: int) -> list[str]:
        """Those of the Python that runs it, with `threads` CPU threads."""

    def folder(self) -> Path:
        """Where its log is."""

    def locks(self) -> list[Path]:
        """The folders that its command locks while it works."""

    def results(self) -> list[Path]:
        """The files that mark it as done."""

    def files(self) -> list[Path]:
        """All files that may be of use, each result after those that belong to it."""

    def done(self) -> bool:
        """Whether every result is there; raises UsageError where another setup made one."""
