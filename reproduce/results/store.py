"""The committed record of runs: reports/results/<preset>/<data>/<row>/seed<k>.json and beside it.

A result is its whole JSON, its metrics an epoch (.csv) and the test images' log p(x) (.npz): every
table, comparison and curve is made again of them, without a run folder.
"""

import json
import re
import sys
from collections.abc import Iterable
from functools import cache
from pathlib import Path

import numpy as np

from annealed.config import read_resolved
from annealed.config.registry import METHODS
from annealed.evaluation.result import RESULT, read_placed
from annealed.runs.folders import CONFIG
from annealed.training.record import METRICS
from annealed.utils.errors import UsageError
from annealed.utils.files import replace, replace_text

RESULTS = Path("reports", "results")
SEED = re.compile(r"seed(0|[1-9]\d*)")


def commit_result(run: Path, results: Path = RESULTS) -> Path:
    """Copy the record of the finished run in folder `run`; returns the JSON's path.

    Where the runs are on this machine is left out of it.

    Raises UsageError where another run's result is there already: a committed number is replaced by
    hand alone.
    """
    result = read_placed(run / RESULT)
    text = _portable(result)
    place = results / result["preset"] / result["data"] / result["row"] / f"seed{result['seed']}"
    path = place.with_suffix(".json")
    if path.exists():
        if path.read_text(encoding="utf-8") != text:
            raise UsageError(f"{path} holds another run's result; remove it to keep that of {run}.")
        return path
    read_resolved(run / CONFIG)
    place.parent.mkdir(parents=True, exist_ok=True)
    if result["status"] == "finished":
        arrays = {"log_prob": np.load(run / "result.npz")["log_prob"].astype(np.float32)}
        replace(place.with_suffix(".npz"), lambda f: np.savez_compressed(f, **arrays))
    if (run / METRICS).exists():
        replace_text(place.with_suffix(".csv"), (run / METRICS).read_text(encoding="utf-8"))
    replace_text(path, text)
    return path


def _portable(result: dict) -> str:
    """A result's JSON without the path at which this machine has its runs, all else as it was."""
    config = result["config"]
    if Path(config["runs"]).is_absolute():
        result = {**result, "config": {**config, "runs": "runs"}}
    return json.dumps(result, indent=2, allow_nan=False) + "\n"


def commit_results(finished: Iterable[Path], results: Path = RESULTS) -> list[str]:
    """`commit_result` of the run of every result.json; returns a sentence for each refusal."""
    refusals = []
    for path in finished:
        try:
            commit_result(path.parent, results)
        except UsageError as error:
            refusals.append(str(error))
    return refusals


def committed_results(preset: str, data: str, results: Path = RESULTS) -> list[Path]:
    """The committed results of a preset on a data set, row by row and seed by seed.

    Rows are in the package's order, a user's own after them.
    """
    place = {row: i for i, row in enumerate(METHODS)}

    def order(path: Path) -> tuple[int, str, int]:
        row = path.parent.name
        return place.get(row, len(place)), row, int(path.stem[4:])

    return sorted(result_files((results / preset / data).glob("*/seed*.json")), key=order)


def result_files(paths: Iterable[Path]) -> list[Path]:
    """Those of `paths` that are called seed<k>.json; the others are named on standard error."""
    return [path for path in paths if SEED.fullmatch(path.stem) or _pass_over(path)]


@cache
def _pass_over(path: Path) -> None:
    """Say, once, that `path` is no result."""
    print(f"{path} is passed over: a result is called seed<k>.json", file=sys.stderr)


def log_prob(path: Path) -> np.ndarray:
    """The test images' log p(x) in nats, (N,), of the result at `path`."""
    return np.load(path.with_suffix(".npz"))["log_prob"].astype(np.float64)
