"""The grid: which runs a table needs, and which of them have a result."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from annealed.config import load, override
from annealed.config.loader import find_file
from annealed.config.registry import METHODS
from annealed.config.schema import Config
from annealed.evaluation.result import RESULT
from annealed.runs.folders import each_seed, group_folder, is_finished, run_folder
from annealed.utils.errors import UsageError

ROWS = tuple(METHODS)
# of a run folder, the mark of done last
FILES = ("config.yaml", "group", "wandb_id", "metrics.csv", "best.ckpt", "result.npz", RESULT)


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
    new_limit: bool = False  # another trainer.epochs than that of what is there
    uses_gpu: ClassVar[bool] = True

    @property
    def name(self) -> str:
        """What a person calls it."""
        last = self.seed + self.replicas - 1
        seeds = f"seed {self.seed}" if self.replicas == 1 else f"seeds {self.seed}-{last}"
        return " ".join(filter(None, [Path(self.row).stem, self.note, seeds]))

    @property
    def overrides(self) -> list[str]:
        """The run as overrides of its row's configuration."""
        return [
            f"preset={self.preset}",
            f"data.name={self.data}",
            f"seed={self.seed}",
            override("runs", self.runs),
            f"trainer.replicas={self.replicas}",
            *["trainer.compile=true"] * self.compile,
            *self.changes,
        ]

    def config(self) -> Config:
        """The resolved configuration; raises UsageError where there is none."""
        return load(self.row, self.overrides)

    def arguments(self, threads: int) -> list[str]:
        """The command that trains and scores it, going on from its last checkpoint."""
        command = ["-m", "annealed.fit", "--config", self.row, "--resume"]
        command += ["--allow-import"] * self.allow_import + ["--new-limit"] * self.new_limit
        return [*command, *self.overrides, f"trainer.threads={threads}"]

    def folder(self) -> Path:
        """The run folder, or that which seeds trained side by side share."""
        return group_folder(self.config())

    def results(self) -> list[Path]:
        """The files that mark the run as done, one a seed."""
        return [folder / RESULT for folder in self.locks()]

    def locks(self) -> list[Path]:
        """The run folder of each seed."""
        return [run_folder(config) for config in each_seed(self.config())]

    def files(self) -> list[Path]:
        """What a finished run leaves in the folder of each seed."""
        return [folder / name for folder in self.locks() for name in FILES]

    def finished(self) -> tuple[list[Path], list[str]]:
        """The results that are there, and a sentence for each that is not of this run."""
        paths, refusals = [], []
        for config in each_seed(self.config()):
            path = run_folder(config) / RESULT
            try:
                if is_finished(config, path.parent, self.new_limit):
                    paths.append(path)
                elif path.exists():
                    refusals.append(f"{path} is of another trainer.epochs; run it with --new-limit")
            except (UsageError, OSError) as error:
                refusals.append(str(error))
        return paths, refusals

    def done(self) -> bool:
        """Whether the results are there; raises UsageError where another configuration made one."""
        configs = each_seed(self.config())
        return all([is_finished(c, run_folder(c), self.new_limit) for c in configs])


def rows_of(text: str) -> list[str]:
    """The rows of `text`, apart by commas, or by spaces that are not in a file's name."""
    parts = [part.strip() for part in text.split(",")]
    files = [os.path.isfile(os.path.expanduser(part)) for part in parts]
    return [
        row
        for part, file in zip(parts, files, strict=True)
        for row in ([part] if file else part.split())
    ]


def run_grid(
    preset: str, data: str, rows: list[str], seeds: int, replicas: int = 1, **options
) -> list[Run]:
    """Seeds 0..seeds-1 of each row, `replicas` a run; every row's first before any row's next.

    Raises UsageError as `distinct_rows` does.
    """
    rows = distinct_rows(preset, data, rows, **options)
    starts = range(0, seeds, replicas)
    sizes = [(start, min(replicas, seeds - start)) for start in starts]
    return [
        Run(preset, data, row, start, replicas=size, **options)
        for start, size in sizes
        for row in rows
    ]


def distinct_rows(preset: str, data: str, rows: list[str], **options) -> list[str]:
    """`rows` without those that are one configuration, spelt otherwise.

    Raises UsageError where one has no configuration, or two of one name have different ones.
    """
    first: dict[str, Run] = {}
    for row in rows:
        run = Run(preset, data, row, 0, **options)
        config = run.config()
        before = first.setdefault(config.row, run)
        if before.config() != config:
            raise UsageError(
                f"--rows has {find_file(before.row)} and {find_file(row)}, two configurations of "
                f"one name, {config.row}, which is that of their run folder; accepted: another "
                "file name, or a key row in one of them, as in row: other."
            )
    return [run.row for run in first.values()]
