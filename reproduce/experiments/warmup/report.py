"""Which trials the page is made of, and the page from a pool of them."""

from pathlib import Path

from reproduce.experiments.warmup import page
from reproduce.experiments.warmup.summary import plan
from reproduce.results.trials import Trial


def planned(preset: str, data: str) -> list[Trial]:
    """The trials of the page, the same under both presets."""
    return plan(data)


def write(trials: list[Trial], pool: Path, folder: Path, preset: str, data: str) -> str:
    """See `page.write`."""
    return f"numbers {page.write(trials, pool, folder, preset, data)}"
