"""The grid: which cells a table needs, and which of them have a result."""

from dataclasses import dataclass
from pathlib import Path

from annealed.config import load
from annealed.config.registry import METHODS
from annealed.config.schema import Config
from annealed.evaluation.result import RESULT
from annealed.runs.folders import each_seed, group_folder, is_finished, run_folder

ROWS = tuple(METHODS)


@dataclass(frozen=True)
class Run:
    """One (data, row, seed) under a preset, or `replicas` seeds from `seed` on, side by side.

    `row` is a configuration by name or by path.
    """

    preset: str
    data: str
    row: str
    seed: int
    runs: str = "runs"
    allow_import: bool = False
    replicas: int = 1
    compile: bool = False
    changes: tuple[str, ...] = ()  # further overrides
    note: str = ""  # what a person calls them

    @property
    def name(self) -> str:
        """What a person calls it."""
        last = self.seed + self.replicas - 1
        seeds = f"seed {self.seed}" if self.replicas == 1 else f"seeds {self.seed}-{last}"
        return " ".join(filter(None, [Path(self.row).stem, self.note, seeds]))

    @property
    def overrides(self) -> list[str]:
        """The cell as overrides of its row's configuration."""
        return [
            f"preset={self.preset}",
            f"data.name={self.data}",
            f"seed={self.seed}",
            f"runs={self.runs}",
            f"trainer.replicas={self.replicas}",
            *["trainer.compile=true"] * self.compile,
            *self.changes,
        ]

    def config(self) -> Config:
        """The resolved configuration; raises UsageError where there is none."""
        return load(self.row, self.overrides)

    def folder(self) -> Path:
        """The run folder, or that which seeds trained side by side share."""
        return group_folder(self.config())

    def results(self) -> list[Path]:
        """The files that mark the cell as done, one a seed."""
        return [run_folder(config) / RESULT for config in each_seed(self.config())]

    def done(self) -> bool:
        """Whether the results are there; raises UsageError where another configuration made one."""
        return all([is_finished(c, run_folder(c)) for c in each_seed(self.config())])


def run_grid(
    preset: str, data: str, rows: list[str], seeds: int, replicas: int = 1, **options
) -> list[Run]:
    """Seeds 0..seeds-1 of each row, `replicas` a cell; every row's first before any row's next."""
    starts = range(0, seeds, replicas)
    sizes = [(start, min(replicas, seeds - start)) for start in starts]
    return [
        Run(preset, data, row, start, replicas=size, **options)
        for start, size in sizes
        for row in dict.fromkeys(rows)
    ]
