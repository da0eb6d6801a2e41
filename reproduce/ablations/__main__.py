"""One choice at a time, on the validation set: `python -m reproduce.ablations --preset quick`."""

import sys
from pathlib import Path

from annealed import command
from reproduce import trial_page
from reproduce.ablations import page, plan
from reproduce.trials import Trial

SMOKE = 7  # trials that a smoke run makes


def planned(preset: str, data: str) -> list[Trial]:
    """The trials of the page under a preset on a data set."""
    trials, _ = plan.read(data)
    return trials if preset == "full" else trials[:SMOKE]


def write(trials: list[Trial], pool: Path, folder: Path, preset: str, data: str) -> str:
    """See `page.write`."""
    _, budget = plan.read(data)
    return f"numbers {page.write(trials, budget, pool, folder, preset, data)}"


if __name__ == "__main__":
    asked = ("ablations", __doc__, planned, write)
    sys.exit(command.run(lambda: trial_page.run(*asked), "Run the same command again to go on."))
