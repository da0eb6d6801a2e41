"""What the pages share: their command line and where they are written."""

import argparse
from collections.abc import Callable, Mapping
from pathlib import Path

from annealed.utils.errors import UsageError
from annealed.utils.paths import argument
from reproduce.scheduling import engines

MISSING = "take committed results for done: make only those that are not committed"


def arguments(
    name: str,
    description: str,
    budgets: Mapping,
    add_options: Callable[[argparse.ArgumentParser], None] = lambda parser: None,
) -> argparse.Namespace:
    """The options of `python -m reproduce.experiments.<name>`: preset, seeds, runs, `engines`.

    `budgets` maps a preset to what has its number of `seeds`; `add_options` adds those of one page.
    Raises UsageError for a preset that it does not have and for a number below 1.
    """
    parser = argparse.ArgumentParser(prog=f"reproduce.experiments.{name}", description=description)
    accepted = " or ".join(budgets)
    parser.add_argument("--preset", default="quick", help=accepted)
    parser.add_argument("--seeds", type=int, help="seeds 0 to SEEDS - 1; default: by preset")
    runs = argument("--runs")
    parser.add_argument("--runs", default="runs", type=runs, help="where results are")
    engines.add_options(parser)
    add_options(parser)
    parsed = parser.parse_args()
    if parsed.preset not in budgets:
        raise UsageError(f"--preset is {parsed.preset!r}; accepted: {', '.join(budgets)}.")
    if parsed.seeds is None:
        parsed.seeds = budgets[parsed.preset].seeds
    for option in ("seeds", "jobs", "threads"):
        value = getattr(parsed, option, None)
        if value is not None and value < 1:
            raise UsageError(f"--{option} is {value}; accepted: 1 or more.")
    return parsed


def add_missing(parser: argparse.ArgumentParser) -> None:
    """Add `--missing`, of pages whose results are committed."""
    parser.add_argument("--missing", action="store_true", help=MISSING)


def folder(name: str, preset: str) -> Path:
    """reports/<name> for `full`; a smoke run never overwrites it."""
    return Path("reports", name) if preset == "full" else Path("reports", preset, name)
