"""The grid: which cells a table needs, and which of them have a result."""

from dataclasses import dataclass
from pathlib import Path

from annealed.config import load
from annealed.fit import RESULT, is_finished, run_folder
from annealed.registry import METHODS
from annealed.schema import Config

ROWS = tuple(METHODS)


@dataclass(frozen=True)
class Cell:
    """One (data, row, seed) under a preset; `row` is a configuration by name or by path."""

    preset: str
    data: str
    row: str
    seed: int
    runs: str = "runs"
    allow_import: bool = False

    @property
    def name(self) -> str:
        """What a person calls it."""
        return f"{Path(self.row).stem} seed {self.seed}"

    @property
    def overrides(self) -> list[str]:
        """The cell as overrides of its row's configuration."""
        return [
            f"preset={self.preset}",
            f"data.name={self.data}",
            f"seed={self.seed}",
            f"runs={self.runs}",
        ]

    def config(self) -> Config:
        """The resolved configuration; raises UsageError where there is none."""
        return load(self.row, self.overrides)

    def folder(self) -> Path:
        """The run folder."""
        return run_folder(self.config())

    def result(self) -> Path:
        """The file that marks the cell as done."""
        return self.folder() / RESULT

    def done(self) -> bool:
        """Whether the result is there; raises UsageError where another configuration made it."""
        config = self.config()
        return is_finished(config, run_folder(config))


def grid(preset: str, data: str, rows: list[str], seeds: int, **options) -> list[Cell]:
    """Seeds 0..seeds-1 of each row; every row's first seed before any row's second."""
    unique = dict.fromkeys(rows)
    return [Cell(preset, data, row, seed, **options) for seed in range(seeds) for row in unique]
