"""Runs that were scored by annealed importance sampling too: their results and arrays.

They are in a pack of their own, <results>/estimators/<preset>/<data>.jsonl, as those of the table
are; a result there has AIS's under one more key, and is otherwise that of the run. What chains from
the prior gave is under keys and in arrays whose names begin with PRIOR.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from annealed.evaluation.annealed_summary import CLOSE, SPACED
from annealed.utils.arrays import index_of_part
from annealed.utils.errors import UsageError
from reproduce.results.store import RESULTS, Committed, committed_results

FOLDER = "estimators"  # below the folder of results
AIS, LOWER, UPPER = "ais", "lower", "upper"  # keys of arrays; of a result, the first
PRIOR = "from_prior"
ROUNDING = 1e-6  # a share: arrays are kept in float32
APART = 1.0  # nats, from which the two bounds of an image say little
AGAIN = 1e-3  # nats between the NLLs of a run and the same one trained again, sums in another order


@dataclass(frozen=True)
class Scored:
    """A seed by both estimators. Raises UsageError where its numbers are not of its arrays.

    `result` is the run's, with AIS's under AIS. `importance` and `annealed` are log p(x) of the
    same images, (N,) in nats, `lower` and `upper` bounds of log p(x) of images that the model
    draws, (M,). `source` is where it is, in words.
    """

    source: str
    result: dict
    test: np.ndarray  # (all test images,), log p(x) by importance sampling
    annealed: np.ndarray
    lower: np.ndarray
    upper: np.ndarray

    def __post_init__(self):
        ais = self.result[AIS]
        parts = {"importance": "importance-sampled NLL of these images", "bdmc": "BDMC"}
        for key, part in parts.items():
            if ais[key] is None:
                raise UsageError(f"{self.source} has no {part}; score the run again.")
        pairs = {
            "NLL of the test set": (self.result["nll"], -self.test.mean()),
            "NLL of the same images": (ais["importance"]["nll"], self.nll_is),
            "NLL by AIS": (ais["nll"], self.nll_ais),
            "BDMC gap": (ais["bdmc"]["gap"], self.gap.mean()),
        }
        for name, (said, made) in pairs.items():
            if not abs(said - made) < CLOSE + ROUNDING * abs(said):
                raise UsageError(
                    f"{self.source}: its {name} is {said:.5f} and that of its images {made:.5f}; "
                    "they are of other weights or images, so score the run again."
                )

    @property
    def importance(self) -> np.ndarray:
        """Log p(x) by importance sampling of the images that AIS scored."""
        spaced = self.result[AIS].get(SPACED, False)
        return self.test[index_of_part(len(self.annealed), len(self.test), spaced)]

    @property
    def images(self) -> str:
        """Which images AIS scored, in words."""
        count = len(self.annealed)
        if count == len(self.test):
            return f"all {count} test images"
        if self.result[AIS].get(SPACED, False):
            return f"{count} evenly spaced test images"
        return f"the first {count} test images"

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

        NaN where a bound is not finite.
        """
        return float((self.gap > APART).mean()) if np.isfinite(self.gap).all() else math.nan

    @property
    def median_gap(self) -> float:
        """`gap` of the median image."""
        return float(np.median(self.gap))


def keys(start: str) -> tuple[str, str, str]:
    """AIS, LOWER and UPPER of chains from `start`, which is PRIOR or, of those from q, empty."""
    return tuple(f"{start}_{key}" if start else key for key in (AIS, LOWER, UPPER))


ANNEALED = tuple(keys(start)[0] for start in ("", PRIOR))  # the keys of a result that hold AIS's


def read(one: Committed, result: dict, start: str = "") -> Scored:
    """A seed of the pack by chains from `start`, as of `keys`.

    Raises UsageError where it lacks a part, or as Scored does.
    """
    names = keys(start)
    arrays = [one.log_prob(), *map(one.array, names)]
    if names[0] not in result or any(array is None for array in arrays):
        lacking = f"{one.pack.arrays} lacks an array of {one.name}"
        raise UsageError(f"{lacking}; make the page again.")
    return Scored(str(one), {**result, AIS: result[names[0]]}, *arrays)


def scored_among(runs: Iterable[dict], results: Path = RESULTS, below: str = "") -> list[Scored]:
    """Those of `runs`, results of one table, whose weights AIS scored.

    Of a name in the pack `below` is what precedes row and seed, as in `committed_results`.
    A run trained again counts as the same where its NLL agrees to AGAIN; other weights of the same
    seed, of another device for one, are off by a hundredth and more. Raises UsageError as `read`
    does, and where AIS scored other images of some.
    """
    known = {(run["row"], run["seed"]): run for run in runs if run["status"] == "finished"}
    places = {(run["preset"], run["data"]) for run in known.values()}
    scored = [
        read(one, one.read())
        for preset, data in sorted(places)
        for one in committed_results(preset, data, results / FOLDER, below)
        if same_weights(known.get((one.row, one.seed)), one.read())
    ]
    for one in scored:
        if one.images != scored[0].images:
            raise UsageError(
                f"AIS scored {one.images} of {one.source} and {scored[0].images} of "
                f"{scored[0].source}; score the same images of both."
            )
    return scored


def same_weights(run: dict | None, result: dict) -> bool:
    """Whether `result`, which AIS scored, is of the data, S and weights of `run`, if there is one.

    Both are of one row and seed.
    """
    shared = ("status", "data_digest", "samples")
    if run is None or any(run[key] != result[key] for key in shared):
        return False
    return abs(run["nll"] - result["nll"]) < AGAIN
