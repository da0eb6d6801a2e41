"""HVI against HVI-AVO over warm-up schedules: `python -m reproduce.warmup --preset quick`."""

import sys
from pathlib import Path

from annealed import command
from reproduce import trial_page
from reproduce.trials import Trial
from reproduce.warmup import page
from reproduce.warmup.numbers import plan


def planned(preset: str, data: str) -> list[Trial]:
    """The trials of the page, the same under both presets."""
    return plan(data)


def write(trials: list[Trial], pool: Path, folder: Path, preset: str, data: str) -> str:
    """See `page.write`."""
    return f"numbers {page.write(trials, pool, folder, preset, data)}"


if __name__ == "__main__":
    asked = ("warmup", __doc__, planned, write)
    sys.exit(command.run(lambda: trial_page.run(*asked), "Run the same command again to go on."))
