"""The command line of a page that is made from trials."""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from annealed.data.catalogue import BINARY
from annealed.errors import UsageError
from reproduce import trials
from reproduce.__main__ import choose_data, default_jobs
from reproduce.trials import Trial

Write = Callable[[list[Trial], Path, Path, str, str], str]


def folder(name: str, preset: str, data: str) -> Path:
    """Where a page's figures and numbers are, beside <folder>.md; `preset` is quick or full."""
    parent = Path("reports") if preset == "full" else Path("reports", preset)
    return parent / (name if data == "mnist" else f"{name}_{data}")


def run(name: str, words: str, planned: Callable[[str, str], list[Trial]], write: Write) -> None:
    """Make the trials of `planned(preset, data)` that are missing, and the page from what is there.

    `write` takes the trials, where their results are kept, the folder of the page's figures and
    numbers, beside which the page is (<folder>.md), the preset (quick or full) and the data; it
    returns the page's last word. Raises UsageError where an
    argument is wrong or a trial failed.
    """
    parser = argparse.ArgumentParser(prog=f"reproduce.{name}", description=words)
    parser.add_argument("--preset", default="quick", help="quick or full")
    parser.add_argument("--data", choices=BINARY, help="default: mnist")
    parser.add_argument("--seeds", type=int, default=3, help="seeds 0 to SEEDS - 1, side by side")
    parser.add_argument("--jobs", type=int, default=default_jobs(), help="trials at a time")
    parser.add_argument("--runs", default="runs", help="where run folders are")
    parser.add_argument("--page", action="store_true", help="make no trial, only the page")
    arguments = parser.parse_args()
    preset = arguments.preset
    if preset not in trials.PRESETS:
        raise UsageError(f"--preset is {preset!r}; accepted: {', '.join(trials.PRESETS)}.")
    for option in ("seeds", "jobs"):
        if getattr(arguments, option) < 1:
            raise UsageError(f"--{option} is {getattr(arguments, option)}; accepted: 1 or more.")
    data, _ = choose_data(arguments.data, preset)
    plan, failures = planned(preset, data), []
    if not arguments.page:
        sizes = arguments.seeds, arguments.jobs
        failures = trials.run(plan, preset, data, arguments.runs, *sizes)
    pool = trials.pool(preset, arguments.runs)
    if not trials.gather(plan, pool, preset, data):
        raise UsageError(f"{pool} has no trial of this page; run it without --page.")
    place = folder(name, preset, data)
    print(f"page: {place}.md; {write(plan, pool, place, preset, data)}")
    for failure in failures:
        print(failure, file=sys.stderr)
    if failures:
        raise UsageError(f"{len(failures)} trials failed or could not be kept, as told above.")
