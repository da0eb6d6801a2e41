"""Runs of fewer epochs than a table's: beside its curves they show theirs, and no row of it.

Where no schedule is a share of all epochs, a run's first ones do not depend on their limit.
"""

from collections.abc import Sequence
from pathlib import Path

from annealed import config as configuration
from annealed.evaluation.result import RESULT, read_placed
from annealed.runs import limit
from annealed.runs.folders import CONFIG, SCORING, differing
from annealed.utils.errors import UsageError
from reproduce.results.published import label
from reproduce.results.store import RESULTS, Committed, commit_result, committed_results

BELOW = "shorter"  # in a pack, what precedes their rows


def keep(run: Path, preset: str, data: str, results: Path = RESULTS) -> None:
    """Put the run in folder `run` into the pack of a preset on a data set, below `BELOW`.

    Raises UsageError where it is of another preset or data set, where its limit of epochs is not
    below that of every run of the table, where a schedule of it is a share of its epochs, where
    another key than that limit and those of the scoring is not its row's, and as `commit_result`
    does.
    """
    result = read_placed(run / RESULT)
    if (result["preset"], result["data"]) != (preset, data):
        there = f"preset {result['preset']} on {result['data']}"
        raise UsageError(f"{run} is of {there}, not {preset} on {data}.")
    epochs = _limit(result)
    least = min(map(_limit, _read(committed_results(preset, data, results))), default=0)
    if epochs >= least:
        raise UsageError(
            f"{run} has trainer.epochs={epochs}; accepted by --shorter: fewer than the table's "
            f"{least or 'runs have, and there are none'}."
        )
    config = configuration.read_resolved(run / CONFIG)
    if key := limit.dependence(config):
        raise UsageError(
            f"{run} has {key}, by shares of its epochs: it is no beginning of a longer run. "
            "Accepted by --shorter: a constant learning rate and a linear warm-up."
        )
    row = configuration.load(
        result["row"], [f"preset={preset}", f"data.name={data}", f"seed={result['seed']}"]
    )
    if found := differing(row, config, (limit.KEY, *SCORING)):
        raise UsageError(
            f"{run / CONFIG} has {found[0]}={found[1]}; accepted by --shorter: {found[2]}, as its "
            f"row has it in preset {preset}."
        )
    commit_result(run, results, BELOW)


def beside(made: Sequence[Committed], preset: str, data: str, results: Path) -> list[Committed]:
    """The shorter runs of rows and seeds that are not among `made`, the results of the table."""
    there = {(one.row, one.seed) for one in made}
    shorter = committed_results(preset, data, results, BELOW)
    return [one for one in shorter if (one.row, one.seed) not in there]


def sentence(shorter: Sequence[Committed]) -> str:
    """Which these are; empty where there are none."""
    each = [f"{label(r['row'])}, seed {r['seed']}, {_limit(r)} epochs" for r in _read(shorter)]
    return f"Not in the table, whose runs are longer: {'; '.join(each)}." if each else ""


def _read(made: Sequence[Committed]) -> list[dict]:
    return [one.read() for one in made]


def _limit(result: dict) -> int:
    return result["config"]["trainer"]["epochs"]
