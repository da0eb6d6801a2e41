"""The command line of a page that is made of trials."""

import argparse
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

from annealed.config.datasets import BINARY
from reproduce.pages import common
from reproduce.results import trials
from reproduce.results.locations import choose_data
from reproduce.results.trials import Trial
from reproduce.scheduling import engines, failed

Write = Callable[[list[Trial], Path, Path, str, str], str]


def folder(name: str, preset: str, data: str) -> Path:
    """Where a page's figures and numbers are, beside <folder>.md; `preset` is quick or full."""
    return common.folder(name if data == "mnist" else f"{name}_{data}", preset)


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data", choices=BINARY, help="default: mnist")
    parser.add_argument("--page", action="store_true", help="make no trial, only the page")
    common.add_missing(parser)


def run(
    name: str, description: str, planned: Callable[[str, str], list[Trial]], write: Write
) -> None:
    """Make the trials of `planned(preset, data)` that are missing, and the page from what is there.

    `write` takes the trials, the folder of their results, that of the page's figures and numbers,
    beside which the page is (<folder>.md), the preset (quick or full) and the data; it returns the
    digest of the numbers. Raises UsageError where an argument is wrong or a trial failed.
    """
    sizes = dict.fromkeys(trials.PRESETS, SimpleNamespace(seeds=trials.SEEDS))
    arguments = common.arguments(name, description, sizes, _add_options)
    preset = arguments.preset
    data = arguments.data or "mnist"
    if not arguments.page:  # which needs no image
        data, _ = choose_data(arguments.data, preset)
    plan, failures = planned(preset, data), []
    pool, seeds = trials.pool(preset, arguments.runs), arguments.seeds
    if not arguments.page:
        whole = dict.fromkeys(plan, 0)
        unmade = trials.missing(plan, pool, preset, data, seeds) if arguments.missing else whole
        engine = engines.chosen(arguments)
        unmade = trials.makeable(unmade, engines.has_gpu(arguments))
        failures = trials.run(unmade, preset, data, arguments.runs, seeds, engine)
    if not trials.gather(plan, pool, preset, data):
        how = "; run it without --page" if arguments.page else ""
        failed.conclude(failures, f"{pool} has no trial of this page{how}")
    place = folder(name, preset, data)
    print(f"page: {place}.md; numbers {write(plan, pool, place, preset, data)}")
    failed.conclude(failures)
