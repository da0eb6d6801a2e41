"""The units of a page: settings fitted side by side, one JSON a seed, finished seeds skipped."""

import time
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass
from pathlib import Path

from annealed.evaluation.result import read_result
from annealed.utils.errors import UsageError
from annealed.utils.files import replace_json

Pairs = list[tuple[Hashable, int]]  # of a setting and a seed
Progress = Callable[[int, int], None]  # takes the number of steps done and of all


@dataclass(frozen=True)
class Place:
    """Where a setting's results are, and all that decides them but the seed, of JSON's types."""

    folder: Path
    setup: dict

    def path(self, seed: int) -> Path:
        """A seed's result."""
        return self.folder / f"seed{seed}.json"

    def arrays(self, seed: int) -> Path:
        """What a seed may leave beside its result."""
        return self.folder / f"seed{seed}.npz"

    def read(self, seed: int) -> dict:
        """A seed's result; raises UsageError where there is none or another run made it."""
        result = read_result(self.path(seed))
        if result.get("seed") != seed:
            raise UsageError(
                f"{self.path(seed)} is a copy: it holds the result of seed {result.get('seed')}; "
                "remove it and run again."
            )
        if result.get("setup") != self.setup:
            raise UsageError(
                f"{self.path(seed)} was made by another setup; remove it and run again."
            )
        return result


@dataclass(frozen=True)
class Unit:
    """What one process fits side by side: the settings of a page that `places` has.

    `fit` takes pairs of a setting and a seed, and its progress, and yields the result of each, in
    their order, ready for JSON, with its `status`. `folder` has the unit's lock and log.
    """

    name: str  # what a person calls it
    folder: Path
    places: dict[Hashable, Place]
    fit: Callable[[Pairs, Progress], Iterator[dict]]

    def read(self, seeds: list[int]) -> dict[Hashable, list[dict]]:
        """The results of each setting; raises UsageError as `Place.read` does."""
        return {s: [place.read(seed) for seed in seeds] for s, place in self.places.items()}

    def missing(self, seeds: list[int]) -> Pairs:
        """What has no result; raises UsageError where another setup made one that is there."""
        pairs = [(setting, seed) for setting in self.places for seed in seeds]
        there = {pair for pair in pairs if self.places[pair[0]].path(pair[1]).exists()}
        for setting, seed in there:
            self.places[setting].read(seed)
        return [pair for pair in pairs if pair not in there]


def finish(
    unit: Unit, seeds: list[int], provenance: dict, progress: Progress = lambda done, total: None
) -> dict[Hashable, list[dict]]:
    """The results of `unit`; those that are missing are made, with this provenance."""
    missing = unit.missing(seeds)
    if missing:
        for place in unit.places.values():
            place.folder.mkdir(parents=True, exist_ok=True)
        results = unit.fit(missing, progress)
        for (setting, seed), result in zip(missing, results, strict=True):
            place = unit.places[setting]
            record = {"seed": seed, "setup": place.setup, **result, "provenance": provenance}
            replace_json(place.path(seed), record)
    return unit.read(seeds)


def of_one_setting(
    name: str,
    setting: Hashable,
    place: Place,
    make: Callable[[list[int], Progress], dict[int, dict]],
) -> Unit:
    """A unit whose seeds alone are side by side; `make` gives their results by seed.

    What they took together is written with each, in seconds.
    """

    def fit(missing: Pairs, progress: Progress) -> Iterator[dict]:
        seeds = [seed for _, seed in missing]
        began, cpu = time.monotonic(), time.process_time()
        results = make(seeds, progress)
        costs = {
            "seconds": round(time.monotonic() - began, 1),
            "cpu_seconds": round(time.process_time() - cpu, 1),
            "trained_beside": seeds,
        }
        yield from ({**results[seed], **costs} for seed in seeds)

    return Unit(name, place.folder, {setting: place}, fit)
