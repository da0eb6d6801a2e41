"""The scoring of a trained run by annealed importance sampling, as work for the scheduler."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from annealed.evaluation.annealed_options import AnnealedScoreOptions
from annealed.evaluation.batch_file import differences
from annealed.evaluation.result import RESULT, identity, read_result
from annealed.runs.folders import CONFIG, run_folder
from annealed.training.checkpoints import BEST
from annealed.utils.errors import UsageError
from reproduce.scheduling.run_grid import Run


@dataclass(frozen=True)
class Scoring:
    """One run of the grid, scored under `options`; the run is trained before.

    An interrupted scoring goes on from its last whole batch of images.
    """

    preset: str
    data: str
    row: str
    seed: int
    options: AnnealedScoreOptions
    runs: str = "runs"
    output: str = ""  # the folder of the result, below the run folder
    uses_gpu: ClassVar[bool] = True

    @property
    def name(self) -> str:
        """What a person calls it."""
        return f"{self.row} seed {self.seed} by AIS from the {self.options.start}"

    @property
    def run(self) -> Run:
        """What is scored."""
        return Run(self.preset, self.data, self.row, self.seed, self.runs)

    @property
    def path(self) -> Path:
        """The result, beside which its arrays are."""
        return self.folder() / self.output / self.options.name

    def arguments(self, threads: int) -> list[str]:
        """The command that scores it, every option named."""
        command = ["-m", "annealed.evaluate", str(self.folder()), "--estimator", "ais"]
        command += ["--output", str(self.path.parent)] if self.output else []
        for name, value in self.options.to_dict().items():
            command += [f"--{name}", str(value)]
        return [*command, f"trainer.threads={threads}"]

    def folder(self) -> Path:
        """The run folder."""
        return run_folder(self.run.config())

    def locks(self) -> list[Path]:
        """The run folder."""
        return [self.folder()]

    def results(self) -> list[Path]:
        """The result alone."""
        return [self.path]

    def files(self) -> list[Path]:
        """What the command reads, what an interrupted one leaves, what it makes."""
        read = [self.folder() / name for name in (CONFIG, BEST, "result.npz", RESULT)]
        return [*read, *map(self.path.with_suffix, (".batches.npz", ".npz")), self.path]

    def done(self) -> bool:
        """Whether the result is there; raises UsageError where other options made it."""
        if not self.path.exists():
            return False
        there = read_result(self.path)
        here = {**identity(self.run.config()), "annealing": self.options.to_dict()}
        if any(there.get(key) != value for key, value in here.items() if key != "annealing"):
            raise UsageError(f"{self.path} is of another run; remove it and score again.")
        if there.get("annealing") != here["annealing"]:
            other = differences(there.get("annealing") or {}, here["annealing"])
            raise UsageError(f"{self.path} has {other}; remove it and score again.")
        return True
