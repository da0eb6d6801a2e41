"""Which results share a table: each run once, all of the same images and with the same S."""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from annealed.evaluation.result import place, read_placed
from annealed.utils.errors import UsageError
from reproduce.scheduling.run_grid import Run

SHARED = {"data_digest": "data", "samples": "importance samples", "split": "split"}


def select(
    paths: Iterable[Path], more: Iterable[Path] = ()
) -> tuple[dict[Path, dict], dict[Path, str]]:
    """The results at `paths` that can share a table, and a sentence for each that cannot.

    Paths where nothing is are passed over. Refused is what cannot be read, what is a copy of
    another run's result, and what was scored otherwise than most of `paths`; a result that is there
    twice counts once. Those at `more` follow as far as they fit. Raises UsageError where no way of
    scoring has more results than any other.
    """
    results, refused = _read(paths)
    usual = _usual(results)
    added, unread = _read(path for path in more if path not in results)
    chosen, runs = {}, {}
    for path, result in (results | added).items():
        first = runs.setdefault(place(result), path)
        if usual and result["status"] == "finished" and _way(result) != usual:
            names = _difference(_way(result), usual)
            refused[path] = f"{path} differs from most results of its table in its {names}."
        elif first == path:
            chosen[path] = result
        elif (results | added)[first] != result:
            refused[path] = f"{path} is another result of the run of {first}."
    return chosen, refused | unread


def results_of(
    runs: Iterable[Run], more: Iterable[Path] = ()
) -> tuple[dict[Path, dict], list[str]]:
    """`select` of what `runs` have finished, and a sentence for each of their results refused.

    A sentence begins with the name of the run, as the scheduler's do.
    """
    names, sentences = {}, []
    for run in runs:
        finished, refused = run.finished()
        names |= dict.fromkeys(finished, run.name)
        sentences += [f"{run.name}: {sentence}" for sentence in refused]
    chosen, refused = select(names, more)
    return chosen, sentences + [f"{names[p]}: {refused[p]}" for p in names if p in refused]


def _read(paths: Iterable[Path]) -> tuple[dict[Path, dict], dict[Path, str]]:
    results, refused = {}, {}
    for path in paths:
        try:
            if path.exists():
                results[path] = read_placed(path)
        except UsageError as error:
            refused[path] = str(error)
    return results, refused


def _usual(results: dict[Path, dict]) -> tuple | None:
    """How most of the finished results were scored; UsageError where two ways are as frequent."""
    finished = {path: _way(r) for path, r in results.items() if r["status"] == "finished"}
    ways = Counter(finished.values()).most_common(2)
    if len(ways) == 2 and ways[0][1] == ways[1][1]:
        one, other = (way for way, _ in ways)
        odd = [next(path for path in finished if finished[path] == way) for way in (one, other)]
        raise UsageError(
            f"the results differ in their {_difference(one, other)}, so they cannot share a table; "
            f"remove the odd ones, of {odd[0]} and {odd[1]}."
        )
    return ways[0][0] if ways else None


def _way(result: dict) -> tuple:
    """How a result was scored."""
    return tuple(result.get(key, "test") for key in SHARED)


def _difference(one: tuple, other: tuple) -> str:
    """What two ways of scoring differ in."""
    return ", ".join(n for n, a, b in zip(SHARED.values(), one, other, strict=True) if a != b)
