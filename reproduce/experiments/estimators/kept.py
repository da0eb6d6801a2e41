"""What the page is made of: the pack of `reproduce.results.scored`, made of run folders.

Curves of training are left out: the page shows none.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from annealed.evaluation.annealed_summary import read_annealed
from annealed.evaluation.batch_file import differences
from annealed.evaluation.result import RESULT, place, read_placed
from annealed.utils.arrays import read_arrays
from annealed.utils.errors import UsageError
from annealed.utils.files import locked, replace
from reproduce.experiments.estimators.design import Budget, from_prior
from reproduce.experiments.estimators.scoring import Scoring
from reproduce.results import scored
from reproduce.results.pack import Pack
from reproduce.results.portable import portable
from reproduce.results.published_sizes import PUBLISHED_SIZES, published_sizes
from reproduce.results.scored import AIS, ANNEALED, FOLDER, Scored, keys, same_weights
from reproduce.results.selection import select
from reproduce.results.store import RESULTS, committed_results, name_of, pack_of

OF_THE_RUN = ("row", "method", "preset", "data", "seed", "split", "binarisation", "data_digest")
OF_THE_RUN += ("data_images", "training", "config")  # what a result of AIS repeats


def root(preset: str, runs: str, results: Path = RESULTS) -> Path:
    """The folder of the pack: below committed `results`, or of a smoke run beside its `runs`."""
    return results / FOLDER if preset == "full" else Path(runs, "estimators")


def made(scoring: Scoring) -> Scored:
    """What `scoring` and the training before it left in the run folder.

    Raises UsageError as `read_run` does.
    """
    return read_run(scoring.folder(), scoring.path)


def read_run(folder: Path, path: Path) -> Scored:
    """The run in `folder` and its score by AIS at `path`.

    Raises UsageError where a part is missing or not readable, or as Scored does.
    """
    run = folder / RESULT
    ais, arrays = read_annealed(path)
    result = read_placed(run)
    ais = portable(ais, str(folder.absolute().parents[len(place(result).parts) - 1]))
    result = portable(result, result["config"]["runs"])
    kept = {key: value for key, value in ais.items() if key not in OF_THE_RUN}
    stored = read_arrays(run.with_suffix(".npz"), "log_prob", advice="score the run again")
    names = ("log_prob", "model_lower", "model_upper")
    bounds = [arrays.get(name, np.zeros(0)) for name in names]
    return Scored(str(path), {**result, AIS: kept}, stored["log_prob"], *bounds)


def commit(scored: Mapping[str, Sequence[Scored]], budget: Budget, folder: Path) -> None:
    """Make the pack below `folder` that of `scored`, in the place of the one that is there.

    `scored` has seeds by the start of their chains, as of `reproduce.results.scored.keys`. What
    `add` put there stays. Raises UsageError as `read` does, and then leaves the one that is there.
    """
    target = pack_of(budget.preset, budget.data, folder)
    target.path.parent.mkdir(parents=True, exist_ok=True)
    label = "the folder of results"
    with locked(target.path.parent, label, wait=True), TemporaryDirectory() as scratch:
        pack = pack_of(budget.preset, budget.data, Path(scratch))
        pack.path.parent.mkdir()
        by_seed: dict[str, dict[str, Scored]] = {}
        for start, seeds in scored.items():
            for one in seeds:
                by_seed.setdefault(name_of(one.result), {})[start] = one
        for name, by_start in by_seed.items():
            _put(pack, name, by_start)
        for part in (budget, from_prior(budget)):
            read(part, Path(scratch))
        for name, one in _sizes(budget, folder).items():
            _put(pack, name, {"": one})
        for new, old in ((pack.arrays, target.arrays), (pack.path, target.path)):
            replace(old, lambda f, new=new: f.write(new.read_bytes()))


def add(run: Path, budget: Budget, folder: Path) -> None:
    """Put a run of configs/published/ and its score by AIS into the pack below `folder`.

    `run` is its folder. It is kept beside the rows, in the place of one of its row and seed. Raises
    UsageError where the run is of a row of the table or of other data, or other options scored it,
    and as `read_run` does.
    """
    one = _scored_run(run, budget)
    result = one.result
    if result["row"] not in published_sizes():
        accepted = ", ".join(published_sizes())
        raise UsageError(f"{run} is of {result['row']}; accepted by --sizes: {accepted}.")
    if (result["preset"], result["data"]) != (budget.preset, budget.data):
        here = f"preset {budget.preset} on {budget.data}"
        raise UsageError(f"{run} is of preset {result['preset']} on {result['data']}, not {here}.")
    target = pack_of(budget.preset, budget.data, folder)
    _put(target, name_of(result, PUBLISHED_SIZES), {"": one})


def add_of_table(run: Path, budget: Budget, folder: Path) -> None:
    """Put a run of another table than `budget`'s and its score by AIS into that table's pack.

    `run` is its folder, the pack below `folder`, beside which the table's results are. It takes the
    place of one of its row and seed. Raises UsageError where the run is of this page or not among
    those results, or other options scored it, and as `read_run` does.
    """
    one = _scored_run(run, budget)
    preset, data = one.result["preset"], one.result["data"]
    if (preset, data) == (budget.preset, budget.data):
        here = f"preset {preset} on {data}"
        raise UsageError(f"{run} is of {here}, which this page makes; --table is for another.")
    name, table = name_of(one.result), pack_of(preset, data, folder.parent)
    if not same_weights(table.results().get(name), one.result):
        raise UsageError(f"{run} is not among the results of {table.path}; it is put there first.")
    _put(pack_of(preset, data, folder), name, {"": one})


def _scored_run(run: Path, budget: Budget) -> Scored:
    """The run in the folder `run`, scored as `budget` says."""
    one = read_run(run, run / budget.options.name)
    if one.result[AIS]["annealing"] != budget.options.to_dict():
        other = differences(one.result[AIS]["annealing"], budget.options.to_dict())
        raise UsageError(f"{one.source} has {other}; score the run again.")
    return one


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

    Raises UsageError where AIS had other options, or results cannot share a table.
    """
    rows: dict[str, list[Scored]] = {row: [] for row in budget.rows}
    key = keys(budget.start)[0]
    chosen, refused = select(committed_results(budget.preset, budget.data, folder))
    if refused:
        raise UsageError(" ".join(refused.values()))
    for one, result in chosen.items():
        if budget.start and (one.row not in rows or key not in result):
            continue
        if result.get(key, {}).get("annealing") != budget.options.to_dict():
            raise UsageError(f"{one} was scored by AIS of other options; make the page again.")
        rows.setdefault(one.row, []).append(scored.read(one, result, budget.start))
    return rows


def _sizes(budget: Budget, folder: Path) -> dict[str, Scored]:
    """What `add` put into the pack below `folder`, by its name there."""
    added = committed_results(budget.preset, budget.data, folder, PUBLISHED_SIZES)
    return {one.name: scored.read(one, one.read()) for one in added}


def _put(pack: Pack, name: str, by_start: Mapping[str, Scored]) -> None:
    """Put a seed into the pack, by chains from each start."""
    result = {key: value for key, value in by_start[""].result.items() if key not in ANNEALED}
    arrays = {}
    for start, one in by_start.items():
        names = keys(start)
        result[names[0]] = one.result[AIS]
        arrays |= zip(names, (one.annealed, one.lower, one.upper), strict=True)
    pack.add(name, result, None, by_start[""].test, arrays)
