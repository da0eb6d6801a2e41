"""Which trials the page is made of, and the page from a pool of them."""

from pathlib import Path

from reproduce.experiments.ablations import design, page
from reproduce.results.trials import Trial

SMOKE = 7  # trials that a smoke run makes


def planned(preset: str, data: str) -> list[Trial]:
    """The trials of the page under a preset on a data set."""
    trials, _ = design.read(data)
    return trials if preset == "full" else trials[:SMOKE]


def write(trials: list[Trial], pool: Path, folder: Path, preset: str, data: str) -> str:
    """See `page.write`."""
    _, budget = design.read(data)
    return f"numbers {page.write(trials, budget, pool, folder, preset, data)}"
