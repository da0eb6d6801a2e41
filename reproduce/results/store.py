"""The committed record of runs: reports/results/<preset>/<data>.jsonl, a line a run, and beside it.

A record is a run's whole result, its metrics by epoch and the test images' log p(x): every table,
comparison and curve is made again of them, without a run folder.
"""

import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from tqdm import tqdm

from annealed.config import read_resolved
from annealed.config.registry import METHODS
from annealed.evaluation.result import RESULT, place, read_placed
from annealed.runs.folders import CONFIG, is_of, scored_config
from annealed.training.record import METRICS
from annealed.utils.arrays import read_arrays
from annealed.utils.errors import UsageError
from reproduce.results.pack import SUFFIX, Pack
from reproduce.results.portable import portable

RESULTS = Path("reports", "results")


@dataclass(frozen=True)
class Committed:
    """A run in a pack, by its name there: <row>/seed<k>, of a trial below <setting>/<change>."""

    pack: Pack
    name: str

    def __str__(self) -> str:
        return f"{self.pack.path}#{self.name}"

    @property
    def row(self) -> str:
        """The row that was run."""
        return self.name.split("/")[-2]

    @property
    def seed(self) -> int:
        """Its seed; raises UsageError as `read` does."""
        return self.read()["seed"]

    def read(self) -> dict:
        """The result; raises UsageError where there is none or it is of another run."""
        result = self.pack.results().get(self.name)
        if result is None:
            raise UsageError(f"{self} is not there.")
        try:
            right = place(result)
        except (KeyError, TypeError):
            raise UsageError(f"{self} does not say of which run it is; remove its line.") from None
        here = (self.pack.path.parent.name, self.pack.path.stem, *self.name.split("/"))
        if here[:2] != right.parts[:2] or here[2 - len(right.parts) :] != right.parts[2:]:
            raise UsageError(
                f"{self} is a copy: it holds the result of {right}. Remove its line; a result "
                "counts once, where its run put it."
            )
        return result

    def metrics(self) -> pd.DataFrame | None:
        """The metrics, a line an epoch; None where there are none."""
        return self.pack.metrics(self.name)

    def log_prob(self) -> np.ndarray | None:
        """The test images' log p(x) in nats, (N,); None where the run diverged.

        Raises UsageError where they are not beside a finished result.
        """
        values = self.pack.log_prob(self.name)
        if values is None and self.read()["status"] == "finished":
            raise UsageError(
                f"{self.pack.arrays} lacks log p(x) of {self.name}; add its run again."
            )
        return values

    def array(self, key: str) -> np.ndarray | None:
        """Another array of the run, in float64; None where it has none."""
        return self.pack.array(self.name, key)


Made = Path | Committed  # the result.json of a run folder, or a committed result


def read(made: Made) -> dict:
    """The result of a run; raises UsageError where it is none, or of another run than it says."""
    return read_placed(made) if isinstance(made, Path) else made.read()


def name_of(result: dict, below: str = "") -> str:
    """What a pack calls the run of `result`, its name below `below`."""
    return "/".join(filter(None, [below, *place(result).parts[2:]]))


def pack_of(preset: str, data: str, results: Path = RESULTS) -> Pack:
    """The committed results of a preset on a data set."""
    return Pack(results / preset / f"{data}{SUFFIX}")


class MadeAgain(UsageError):
    """What is committed is another run's of the same configuration."""


def commit_result(run: Path, results: Path = RESULTS, below: str = "") -> Committed:
    """Put the record of the finished run in folder `run` into its pack, its name below `below`.

    Where the runs are on this machine is left out of it.

    Raises UsageError where another run's result is there already, MadeAgain if both have one
    configuration: a committed number is replaced by hand alone.
    """
    result = read_placed(run / RESULT)
    result = portable(result, result["config"]["runs"])
    pack = pack_of(result["preset"], result["data"], results)
    committed = Committed(pack, name_of(result, below))
    there = pack.results().get(committed.name)
    if there is None:
        there = pack.add(committed.name, result, *_arrays(run, result), keep=True)
    if there != result:
        kept = f"{committed} holds another run's result"
        advice = f"remove its line to keep that of {run}."
        path = run / RESULT
        if is_of(scored_config(path, result), path, there):
            both = f"{_nll(there)} there, {_nll(result)} here"
            raise MadeAgain(f"{kept}, of the same configuration, and stays: {both}; {advice}")
        raise UsageError(f"{kept}; {advice}")
    return committed


def _nll(result: dict) -> str:
    finished = result["status"] == "finished"
    return f"NLL {result['nll']:.4f}" if finished else result["status"]


def _arrays(run: Path, result: dict) -> tuple[pd.DataFrame | None, np.ndarray | None]:
    """The metrics of the run in folder `run`, and log p(x) of each image if it finished."""
    read_resolved(run / CONFIG)
    metrics, log_prob = run / METRICS, None
    if result["status"] == "finished":
        by_image = read_arrays(run / "result.npz", "log_prob", advice="score the run again")
        log_prob = by_image["log_prob"]
    return pd.read_csv(metrics) if metrics.exists() else None, log_prob


def commit_results(finished: Iterable[Path], results: Path = RESULTS, below: str = "") -> list[str]:
    """`commit_result` of the run of every result.json; returns a sentence for each refusal.

    A cell that was made again is none: what is committed stays, and a line has both NLLs.
    """
    refusals = []
    for path in finished:
        try:
            commit_result(path.parent, results, below)
        except MadeAgain as again:
            tqdm.write(str(again), file=sys.stderr)  # above the scheduler's bars
        except UsageError as error:
            refusals.append(str(error))
    return refusals


def committed_results(
    preset: str, data: str, results: Path = RESULTS, below: str = ""
) -> list[Committed]:
    """The committed results of a preset on a data set, row by row and seed by seed.

    Rows are in the package's order, a user's own after them. Of a name in the pack `below` is what
    precedes row and seed.
    """
    rank = {row: i for i, row in enumerate(METHODS)}

    def order(one: Committed) -> tuple[int, str, int, str]:  # seed10 after seed9
        return rank.get(one.row, len(rank)), one.row, len(one.name), one.name

    pack = pack_of(preset, data, results)
    names = [name for name in pack.results() if name.rpartition("/")[0].rpartition("/")[0] == below]
    return sorted((Committed(pack, name) for name in names), key=order)


def every_result(results: Path = RESULTS) -> list[Committed]:
    """All that is committed below `results`."""
    packs = [Pack(path) for path in sorted(results.glob(f"**/*/*{SUFFIX}"))]
    return [Committed(pack, name) for pack in packs for name in pack.results()]
