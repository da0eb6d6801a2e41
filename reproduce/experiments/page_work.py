"""A page's units as work for the scheduler, computed on the CPU whatever devices there are."""

from argparse import Namespace
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import ClassVar

from reproduce.experiments.units import Place, Unit
from reproduce.results.store import RESULTS
from reproduce.scheduling import engines, failed, scheduler
from reproduce.scheduling.work import Work

PAGES = {  # the package whose `design` has BUDGETS and whose `run` has `units`
    "toys": "reproduce.experiments.toys",
    "invertible": "reproduce.experiments.invertible",
    "corners": "reproduce.experiments.corners",
    "nested": "reproduce.experiments.nested",
    "successors": "reproduce.experiments.successors",
    "noise": "reproduce.experiments.noise",
    "collapse": "reproduce.experiments.collapse.linear",
}
A_PROCESS = {"quick": 4}  # units a process, where starting it takes about as long as a unit


@cache
def units_of(page: str, preset: str, runs: str) -> dict[str, Unit]:
    """The units of a page below the folder `runs`, by their keys."""
    design, run = (import_module(f"{PAGES[page]}.{part}") for part in ("design", "run"))
    units = run.units(design.BUDGETS[preset], Path(runs), preset)
    return {unit.folder.relative_to(Path(runs, page, preset)).as_posix(): unit for unit in units}


@dataclass(frozen=True)
class PageWork:
    """Units of a page, with seeds 0 to `seeds` - 1, that one process makes one after another."""

    page: str
    preset: str
    runs: str
    seeds: int
    keys: tuple[str, ...]
    uses_gpu: ClassVar[bool] = False

    @property
    def units(self) -> list[Unit]:
        """The units."""
        every = units_of(self.page, self.preset, self.runs)
        return [every[key] for key in self.keys]

    @property
    def places(self) -> list[Place]:
        """Those of every setting."""
        return [place for unit in self.units for place in unit.places.values()]

    @property
    def name(self) -> str:
        """What a person calls it."""
        more = f" and {len(self.keys) - 1} more" if len(self.keys) > 1 else ""
        return self.units[0].name + more

    def arguments(self, threads: int) -> list[str]:
        """The command that makes the results that are missing."""
        command = ["-m", "reproduce.experiments.worker", self.page, "--preset", self.preset]
        command += ["--runs", self.runs, "--seeds", str(self.seeds), "--threads", str(threads)]
        return [*command, "--unit", *self.keys]

    def folder(self) -> Path:
        """That of the first unit."""
        return self.units[0].folder

    def locks(self) -> list[Path]:
        """The folders of all units and settings."""
        folders = [unit.folder for unit in self.units] + [place.folder for place in self.places]
        return list(dict.fromkeys(folders))

    def results(self) -> list[Path]:
        """A JSON a setting and seed."""
        return [place.path(seed) for place in self.places for seed in range(self.seeds)]

    def files(self) -> list[Path]:
        """Each result after what stands beside it."""
        pairs = [(place, seed) for place in self.places for seed in range(self.seeds)]
        return [path for p, seed in pairs for path in (p.arrays(seed), p.path(seed))]

    def done(self) -> bool:
        """Whether nothing is missing; raises UsageError where another setup made a result."""
        return not any([unit.missing(list(range(self.seeds))) for unit in self.units])


def plan(
    page: str, preset: str, runs: str, seeds: int, keys: Sequence[str] | None = None
) -> list[PageWork]:
    """The units of a page that `keys` name, by default all, as work."""
    keys = list(units_of(page, preset, runs)) if keys is None else keys
    size = A_PROCESS.get(preset, 1)
    parts = [tuple(keys[start : start + size]) for start in range(0, len(keys), size)]
    return [PageWork(page, preset, runs, seeds, part) for part in parts]


def run(arguments: Namespace, works: Sequence[Work]) -> None:
    """Run `works` where the command line says; raises UsageError where one failed.

    A page needs all of them, so that one with another's result is refused before anything runs.
    """
    for work in works:
        work.done()
    failed.conclude(scheduler.run_on(engines.chosen(arguments), works))


@dataclass(frozen=True)
class Source:
    """Where the results of a page are: those of units below `runs`, all others below `results`."""

    preset: str
    seeds: int  # of every unit
    runs: str
    results: Path = RESULTS

    def plan(self, page: str, keys: Sequence[str] | None = None) -> list[PageWork]:
        """The units of a page that `keys` name, by default all, as work."""
        return plan(page, self.preset, self.runs, self.seeds, keys)

    def read(self, page: str) -> tuple[dict[Hashable, list[dict]], dict[Hashable, Path]]:
        """What the units of a page made; raises UsageError where something is missing."""
        return read(self.plan(page))


def read(works: Sequence[PageWork]) -> tuple[dict[Hashable, list[dict]], dict[Hashable, Path]]:
    """The results of every setting, one a seed, and the folder that they are in."""
    results, folders = {}, {}
    for work in works:
        for unit in work.units:
            results |= unit.read(list(range(work.seeds)))
            folders |= {setting: place.folder for setting, place in unit.places.items()}
    return results, folders
