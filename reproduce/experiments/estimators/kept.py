"""What the page is made of: a line a seed, the run's result with that of AIS in it, and arrays.

The pack is one of runs as those of the table are, at <root>/<preset>/<data>.jsonl, where a run's
result has AIS's under one more key. Curves of training are left out: the page shows none.
"""

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from annealed.evaluation.annealed_summary import read_annealed
from annealed.evaluation.result import RESULT, place, read_placed
from annealed.utils.errors import UsageError
from annealed.utils.files import locked
from reproduce.experiments.estimators.design import Budget
from reproduce.experiments.estimators.scoring import Scoring
from reproduce.results.selection import select
from reproduce.results.store import RESULTS, committed_results, pack_of, portable

AIS, LOWER, UPPER = "ais", "lower", "upper"  # keys of arrays; of a result, the first
OF_THE_RUN = ("row", "method", "preset", "data", "seed", "split", "binarisation", "data_digest")
OF_THE_RUN += ("data_images", "training", "config")  # what a result of AIS repeats
CLOSE, ROUNDING = 1e-4, 1e-6  # nats, and a share; arrays are kept in float32


@dataclass(frozen=True)
class Scored:
    """A seed by both estimators. Raises UsageError where its numbers are not of its arrays.

    `result` is the run's, with AIS's under AIS. `importance` and `annealed` are log p(x) of the
    same images, (N,) in nats, `lower` and `upper` bounds of log p(x) of images that the model
    draws, (M,), where M is 0 of a seed without BDMC. `source` is where it is, in words.
    """

    source: str
    result: dict
    test: np.ndarray  # (all test images,), log p(x) by importance sampling
    annealed: np.ndarray
    lower: np.ndarray
    upper: np.ndarray

    def __post_init__(self):
        ais = self.result[AIS]
        if ais["importance"] is None:
            part = "importance-sampled NLL of these images"
            raise UsageError(f"{self.source} has no {part}; score the run again.")
        pairs = {
            "NLL of the test set": (self.result["nll"], -self.test.mean()),
            "NLL of the same images": (ais["importance"]["nll"], -self.importance.mean()),
            "NLL by AIS": (ais["nll"], -self.annealed.mean()),
        }
        if ais["bdmc"] is not None or len(self.lower):
            said = (ais["bdmc"] or {}).get("gap", math.nan)
            pairs["BDMC gap"] = said, self.gap.mean() if len(self.lower) else math.nan
        for name, (said, made) in pairs.items():
            if not abs(said - made) < CLOSE + ROUNDING * abs(said):
                raise UsageError(
                    f"{self.source}: its {name} is {said:.5f} and that of its images {made:.5f}; "
                    "they are of other weights or images, so score the run again."
                )

    @property
    def importance(self) -> np.ndarray:
        """Log p(x) by importance sampling of the images that AIS scored."""
        return self.test[: len(self.annealed)]

    @property
    def gap(self) -> np.ndarray:
        """How far the two bounds of BDMC lie apart on each image of the model, (M,) in nats."""
        return self.upper - self.lower


def root(preset: str, runs: str, results: Path = RESULTS) -> Path:
    """The folder of the pack: below committed `results`, or of a smoke run beside its `runs`."""
    return results / "estimators" if preset == "full" else Path(runs, "estimators")


def made(scoring: Scoring) -> Scored:
    """What `scoring` and the training before it left in the run folder.

    Raises UsageError where a part is missing or not readable, or as Scored does.
    """
    run = scoring.folder() / RESULT
    ais, arrays = read_annealed(scoring.path)
    result = portable(read_placed(run))
    kept = {key: value for key, value in ais.items() if key not in OF_THE_RUN}
    with np.load(run.with_suffix(".npz")) as stored:
        test = stored["log_prob"]
    names = ("log_prob", "model_lower", "model_upper")
    bounds = [arrays.get(name, np.zeros(0)) for name in names]
    return Scored(str(scoring.path), {**result, AIS: kept}, test, *bounds)


def commit(scored: Sequence[Scored], budget: Budget, folder: Path) -> None:
    """Make the pack below `folder` that of `scored`, in the place of the one that is there.

    Raises UsageError as `read` does, and then leaves the one that is there.
    """
    target = pack_of(budget.preset, budget.data, folder)
    target.path.parent.mkdir(parents=True, exist_ok=True)
    label = "the folder of results"
    with locked(target.path.parent, label, wait=True), TemporaryDirectory(dir=folder) as scratch:
        pack = pack_of(budget.preset, budget.data, Path(scratch))
        pack.path.parent.mkdir()
        for one in scored:
            name = "/".join(place(one.result).parts[2:])
            arrays = {AIS: one.annealed, LOWER: one.lower, UPPER: one.upper}
            pack.add(name, one.result, None, one.test, arrays)
        read(budget, Path(scratch))
        os.replace(pack.arrays, target.arrays)
        os.replace(pack.path, target.path)


def read(budget: Budget, folder: Path) -> list[Scored]:
    """Every seed of the pack below `folder`, row by row.

    Raises UsageError where it lacks a row of `budget`, and as `read_rows` does.
    """
    rows = read_rows(budget, folder)
    if missing := [row for row, of_row in rows.items() if not of_row]:
        path = pack_of(budget.preset, budget.data, folder).path
        raise UsageError(f"{path} has no result of {', '.join(missing)}; make the page again.")
    return [one for of_row in rows.values() for one in of_row]


def read_rows(budget: Budget, folder: Path) -> dict[str, list[Scored]]:
    """The seeds that the pack below `folder` has of each row of `budget`, perhaps none.

    A seed may have been scored without BDMC. Raises UsageError where AIS had other options, or
    results cannot share a table.
    """
    chosen, refused = select(committed_results(budget.preset, budget.data, folder))
    if refused:
        raise UsageError(" ".join(refused.values()))
    rows: dict[str, list[Scored]] = {row: [] for row in budget.rows}
    for one, result in chosen.items():
        if _size(result.get(AIS, {}).get("annealing")) != _size(budget.options.to_dict()):
            raise UsageError(f"{one} was scored by AIS of other options; make the page again.")
        arrays = [one.log_prob(), *(one.array(key) for key in (AIS, LOWER, UPPER))]
        if any(array is None for array in arrays):
            lacking = f"{one.pack.arrays} lacks an array of {one.name}"
            raise UsageError(f"{lacking}; make the page again.")
        rows.setdefault(one.row, []).append(Scored(str(one), result, *arrays))
    return rows


def _size(annealing: dict | None) -> dict | None:
    """The options of AIS that every seed shares; images of the model are asked for or not."""
    if not annealing:
        return None
    return {key: value for key, value in annealing.items() if key != "simulated"}
