"""The trials of the page, in the order of choices.yaml."""

from pathlib import Path
from typing import NamedTuple

import yaml

from reproduce.results.trials import Trial

CHOICES = Path(__file__).parent / "choices.yaml"
SMOKE = 7  # trials that a smoke run makes

Pair = tuple[Trial, Trial]


class Reading(NamedTuple):
    """What AVO may be: a trial of it, and HVI's with the same start and kernel."""

    name: str
    hvi_avo: Trial
    hvi: Trial


def planned(preset: str, data: str) -> list[Trial]:
    """The trials of the page under a preset, quick or full, on a data set."""
    trials, _ = read(data)
    return trials if preset == "full" else trials[:SMOKE]


def read(data: str, path: Path = CHOICES) -> tuple[list[Trial], int]:
    """The trials on a data set, and its budget: how many of a row's count in a comparison."""
    content = _content(path)
    trials = [trial for trial, _ in _entries(content, data)]
    trials += [trial for one in _readings(content, data) for trial in (one.hvi, one.hvi_avo)]
    return list(dict.fromkeys(trials)), content["budget"][data]


def readings(data: str, path: Path = CHOICES) -> list[Reading]:
    """The readings of AVO that are tried on a data set."""
    return _readings(_content(path), data)


def matched(data: str, path: Path = CHOICES) -> list[Pair]:
    """Trials of different choices that are compared all the same."""
    return [
        (trial, Trial(trial.setting, row)) for trial, row in _entries(_content(path), data) if row
    ]


def _content(path: Path) -> dict:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def _readings(content: dict, data: str) -> list[Reading]:
    block = content["readings"]
    if data not in block["data"]:
        return []

    def trial(row: str, one: dict) -> Trial:
        return Trial(block["setting"], row, one[row])

    return [Reading(one["name"], trial("hvi_avo", one), trial("hvi", one)) for one in block["of"]]


def _entries(content: dict, data: str) -> list[tuple[Trial, str | None]]:
    return [
        (Trial(block["setting"], row, change), block.get("against"))
        for block in content["runs"]
        if data in block.get("data", [data])
        for change in block["choices"]
        for row in block["rows"]
    ]
