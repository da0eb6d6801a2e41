"""The page of estimators: `python -m reproduce.experiments.estimators --preset quick`."""

import sys
from argparse import ArgumentParser, Namespace
from dataclasses import replace
from pathlib import Path

from annealed.data.images import load_images
from annealed.runs import cli
from annealed.utils.paths import argument
from reproduce.experiments.estimators import kept, page
from reproduce.experiments.estimators.design import BUDGETS, Budget, from_prior, runs, scorings
from reproduce.pages import common
from reproduce.results.scored import Scored
from reproduce.scheduling import engines, failed, scheduler

TABLE = "keep what AIS gave in these run folders of another preset, for the columns of its table"
SIZES = "keep what AIS gave in these run folders of configs/published/, for the successors' page"


def add_options(parser: ArgumentParser) -> None:
    """The options beside those of every page."""
    common.add_missing(parser)
    parser.add_argument("--page", action="store_true", help="run nothing: the page of what is kept")
    parser.add_argument("--table", type=argument("--table", Path), nargs="+", help=TABLE)
    parser.add_argument("--sizes", type=argument("--sizes", Path), nargs="+", help=SIZES)


def make(budget: Budget, arguments: Namespace) -> list[Scored]:
    """Train and score what has no result in the run folders; returns every seed of `budget`.

    Raises UsageError where one failed or diverged: the page needs all.
    """
    size = budget, arguments.seeds, arguments.runs
    trainings, planned = runs(*size), scorings(*size)
    if not all(work.done() for work in (*trainings, *planned)):
        load_images(budget.data, None, 0)  # missing data are told before anything runs
    for works in (trainings, planned):
        failed.conclude(scheduler.run_on(engines.chosen(arguments), works))
    return [kept.made(scoring) for scoring in planned]


def complete(budget: Budget, root: Path, seeds: int) -> list[Scored]:
    """The kept results of the rows that have every seed from 0 to `seeds` - 1."""
    rows = kept.read_rows(budget, root).values()
    wanted = set(range(seeds))
    return [one for row in rows if wanted <= {one.result["seed"] for one in row} for one in row]


def all_of(budget: Budget, root: Path, arguments: Namespace) -> list[Scored]:
    """Every seed of `budget`, with --missing those that are kept from the pack."""
    scored = complete(budget, root, arguments.seeds) if arguments.missing else []
    taken = {one.result["row"] for one in scored}
    others = tuple(row for row in budget.rows if row not in taken)
    return scored + (make(replace(budget, rows=others), arguments) if others else [])


def main() -> None:
    """The command line; see `--help`."""
    arguments = common.arguments("estimators", __doc__, BUDGETS, add_options)
    preset, root = arguments.preset, kept.root(arguments.preset, arguments.runs)
    budget = BUDGETS[preset]
    for run in arguments.sizes or ():
        kept.add(run, budget, root)
    for run in arguments.table or ():
        kept.add_of_table(run, budget, root)
    if not arguments.page:
        parts = budget, from_prior(budget)
        kept.commit({part.start: all_of(part, root, arguments) for part in parts}, budget, root)
    folder = common.folder("estimators", preset)
    print(f"page: {folder / 'index.md'} (numbers {page.write(preset, folder, root)})")


if __name__ == "__main__":
    sys.exit(cli.run(main, "Run the same command again to go on."))
