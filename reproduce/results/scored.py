"""Runs that were scored by annealed importance sampling too: their results and arrays.

They are in a pack of their own, <results>/estimators/<preset>/<data>.jsonl, as those of the table
are; a result there has AIS's under one more key, and is otherwise that of the run.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from annealed.utils.errors import UsageError
from reproduce.results.selection import select
from reproduce.results.store import RESULTS, Committed, committed_results

FOLDER = "estimators"  # below the folder of results
AIS, LOWER, UPPER = "ais", "lower", "upper"  # keys of arrays; of a result, the first
CLOSE, ROUNDING = 1e-4, 1e-6  # nats, and a share; arrays are kept in float32
APART = 1.0  # nats, from which the two bounds of an image say little
AGAIN = 1e-3  # nats between the NLLs of a run and the same one trained again, sums in another order


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
            "NLL of the same images": (ais["importance"]["nll"], self.nll_is),
            "NLL by AIS": (ais["nll"], self.nll_ais),
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

    @property
    def nll_is(self) -> float:
        """The NLL of these images by importance sampling, nats an image."""
        return -self.importance.mean()

    @property
    def nll_ais(self) -> float:
        """Their NLL by AIS."""
        return -self.annealed.mean()

    @property
    def apart(self) -> float:
        """The share of images of the model whose bounds lie more than APART nats apart.

        NaN of a seed without BDMC, or where a bound is not finite.
        """
        if not len(self.gap) or not np.isfinite(self.gap).all():
            return math.nan
        return float((self.gap > APART).mean())

    @property
    def median_gap(self) -> float:
        """`gap` of the median image; NaN of a seed without BDMC."""
        return float(np.median(self.gap)) if len(self.gap) else math.nan


def read(one: Committed, result: dict) -> Scored:
    """A seed of the pack; raises UsageError where it lacks a part, or as Scored does."""
    arrays = [one.log_prob(), *(one.array(key) for key in (AIS, LOWER, UPPER))]
    if AIS not in result or any(array is None for array in arrays):
        lacking = f"{one.pack.arrays} lacks an array of {one.name}"
        raise UsageError(f"{lacking}; make the page again.")
    return Scored(str(one), result, *arrays)


def selected(preset: str, data: str, root: Path) -> dict[Committed, dict]:
    """The results of the pack below `root`; raises UsageError where they cannot share a table."""
    chosen, refused = select(committed_results(preset, data, root))
    if refused:
        raise UsageError(" ".join(refused.values()))
    return chosen


def scored_among(runs: Iterable[dict], results: Path = RESULTS) -> list[Scored]:
    """Those of `runs`, results of one table, whose weights AIS scored.

    A run trained again counts as the same where its NLL agrees to AGAIN; other weights of the same
    seed, of another device for one, are off by a hundredth and more. Raises UsageError as `read`
    does.
    """
    known = {(run["row"], run["seed"]): run for run in runs if run["status"] == "finished"}
    places = {(run["preset"], run["data"]) for run in known.values()}
    return [
        read(one, result)
        for preset, data in sorted(places)
        for one, result in selected(preset, data, results / FOLDER).items()
        if _same_weights(known.get((result["row"], result["seed"])), result)
    ]


def _same_weights(run: dict | None, result: dict) -> bool:
    shared = ("data_digest", "samples")
    if run is None or any(run[key] != result[key] for key in shared):
        return False
    return abs(run["nll"] - result["nll"]) < AGAIN
