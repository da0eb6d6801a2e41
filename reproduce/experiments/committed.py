"""What a page's runs made, in two files below reports/results/, and back as run folders.

<page>.jsonl has a line for each folder of results: its place, what its seeds share, such as the
process that made them, and what is each seed's. <page>.npz has the arrays that the page is made of.
Curves of training are left out: no page shows them.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import numpy as np

from annealed.evaluation.result import read_result
from annealed.runs.folders import claim
from annealed.utils.errors import UsageError
from annealed.utils.files import replace, replace_json, replace_text
from reproduce.experiments.entries import Entry, entries
from reproduce.experiments.page_work import PageWork, Source
from reproduce.results.portable import portable
from reproduce.scheduling.work import Work

PRESET = "full"  # whose numbers are evidence
COMMON = ("setup", "provenance")  # what the seeds of a folder may share
APART = ("curve",)


@dataclass(frozen=True)
class UnitPage:
    """A page that is made of units, and of `others`, what it needs beside them.

    Others are runs, whose results are committed with the page's, or units of another page, which
    commits them itself. The page is index.md of its folder, or where `beside` the file of the
    folder's name next to it.
    """

    units: str  # their name in page_work.PAGES
    make: Callable[[Source, Path], str]
    others: Callable[[Source], Sequence[Work]] = lambda source: ()
    beside: bool = False

    def path(self, folder: Path) -> Path:
        """The page whose figures and numbers are in `folder`."""
        return folder.with_name(f"{folder.name}.md") if self.beside else folder / "index.md"

    def works(self, source: Source) -> list[Work]:
        """All that the page needs."""
        return [*source.plan(self.units), *self.others(source)]

    def by_pack(self, source: Source) -> dict[str, list[Work]]:
        """`works` by the page that commits them, this one first."""
        packs: dict[str, list[Work]] = {}
        for work in self.works(source):
            name = work.page if isinstance(work, PageWork) else self.units
            packs.setdefault(name, []).append(work)
        return packs


def commit(page: UnitPage, source: Source) -> None:
    """Write what the page is made of to `source.results`; a smoke run is no evidence.

    What was committed before is replaced whole, as the page is, so both are of the same runs.
    Raises UsageError where a result is missing or the files cannot be written.
    """
    if source.preset != PRESET:
        return
    lines, arrays = [], {}
    works = page.by_pack(source)[page.units]
    for folder, of_folder in groupby(entries(works), lambda e: e.path.parent):
        place = folder.relative_to(source.runs).as_posix()
        read = [(e, portable(read_result(e.path), source.runs)) for e in of_folder]
        for common, alike in groupby(read, lambda pair: [pair[1].get(key) for key in COMMON]):
            line = {"folder": place} | dict(zip(COMMON, common, strict=True)) | {"results": {}}
            for entry, result in alike:
                numbers = {k: v for k, v in result.items() if k not in (*COMMON, *APART)}
                line["results"][entry.path.name] = numbers
                arrays |= _arrays(entry, place)
            lines.append(line)
    source.results.mkdir(parents=True, exist_ok=True)
    if arrays:
        replace(source.results / f"{page.units}.npz", lambda f: np.savez_compressed(f, **arrays))
    text = "".join(json.dumps(line, allow_nan=False) + "\n" for line in lines)
    replace_text(source.results / f"{page.units}.jsonl", text)


def _arrays(entry: Entry, place: str) -> dict[str, np.ndarray]:
    if not (entry.shown and entry.beside.exists()):
        return {}
    with np.load(entry.beside) as stored:
        return {f"{place}/{entry.path.stem}/{name}": stored[name] for name in entry.shown}


def restore(page: UnitPage, results: Path, runs: Path) -> Source:
    """Write what `results` has of a page as run folders below `runs`, which are then a source.

    Raises UsageError where they are not the results of the page as it is today.
    """
    stored = _read(results / f"{page.units}.jsonl")
    seeds = 1 + max(int(r["seed"]) for r in stored.values())
    source = Source(PRESET, seeds, str(runs), results)
    for pack, works in page.by_pack(source).items():
        path = results / f"{pack}.jsonl"
        stored, expected = _read(path), _by_place(works, source.runs)
        if lacking := [name for name in expected if name not in stored]:
            raise UsageError(f"{path} has no result {lacking[0]}; make the page again.")
        more = [name for name in stored if name not in expected]
        if more and pack == page.units:
            what = "has a result that the page does not need,"
            raise UsageError(f"{path} {what} {more[0]}; make the page again.")
        for name, entry in expected.items():
            if not entry.made(stored[name]):
                raise UsageError(f"{path}: {name} was made by another setup; make the page again.")
        _write(expected, stored, path)
    return source


def take(page: UnitPage, source: Source) -> int:
    """Write committed results as they are made today where `source.runs` has none.

    Returns how many; the others are left to be made. Raises UsageError where the file of committed
    results is there and cannot be read.
    """
    taken = 0
    for pack, works in page.by_pack(source).items():
        path = source.results / f"{pack}.jsonl"
        stored = _read(path) if path.exists() else {}
        lacking = {
            name: entry
            for name, entry in _by_place(works, source.runs).items()
            if name in stored and not entry.path.exists() and entry.made(stored[name])
        }
        for entry in lacking.values():
            if entry.config:
                entry.path.parent.mkdir(parents=True, exist_ok=True)
                claim(entry.config, entry.path.parent, entry.path.parent)
        _write(lacking, stored, path)
        taken += len(lacking)
    return taken


def _by_place(works: Sequence[Work], runs: str) -> dict[str, Entry]:
    """Every result of `works` by its path below `runs`."""
    return {entry.path.relative_to(runs).as_posix(): entry for entry in entries(works)}


def _write(expected: dict[str, Entry], stored: dict[str, dict], path: Path) -> None:
    """Write each result that is expected from what is stored, and its arrays from beside `path`."""
    arrays = np.load(path.with_suffix(".npz")) if path.with_suffix(".npz").exists() else {}
    for name, entry in expected.items():
        entry.path.parent.mkdir(parents=True, exist_ok=True)
        keys = {key: f"{name.removesuffix('.json')}/{key}" for key in entry.shown}
        if kept := {key: arrays[full] for key, full in keys.items() if full in arrays}:
            replace(entry.beside, lambda f, kept=kept: np.savez_compressed(f, **kept))
        replace_json(entry.path, stored[name])  # the mark of done last


def _read(path: Path) -> dict[str, dict]:
    """Every result in the file at `path` by the path that it had below the runs."""
    try:
        lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        stored = {
            f"{line['folder']}/{name}": {
                **numbers,
                **{key: line[key] for key in COMMON if line[key] is not None},
            }
            for line in lines
            for name, numbers in line["results"].items()
        }
        if all(isinstance(result["seed"], int) for result in stored.values()) and stored:
            return stored
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        pass
    raise UsageError(f"{path} has no readable results of a page.")
