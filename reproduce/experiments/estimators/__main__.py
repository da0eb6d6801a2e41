"""The page of estimators: `python -m reproduce.experiments.estimators --preset quick`."""

import sys
from argparse import ArgumentParser, Namespace

from annealed.data.images import load_images
from annealed.runs import cli
from reproduce.experiments.estimators import kept, page
from reproduce.experiments.estimators.design import BUDGETS, runs, scorings
from reproduce.experiments.estimators.scoring import Scoring
from reproduce.pages import common
from reproduce.scheduling import engines, failed, scheduler


def add_options(parser: ArgumentParser) -> None:
    """The option that other pages of runs do not have."""
    parser.add_argument("--page", action="store_true", help="run nothing: the page of what is kept")


def make(arguments: Namespace) -> list[Scoring]:
    """Train and score what is missing; returns every scoring.

    Raises UsageError where one failed or diverged: the page needs all.
    """
    budget = BUDGETS[arguments.preset]
    size = budget, arguments.seeds, arguments.runs
    trainings, planned = runs(*size), scorings(*size)
    if not all(work.done() for work in (*trainings, *planned)):
        load_images(budget.data, None, 0)  # missing data are told before anything runs
    for works in (trainings, planned):
        failed.conclude(scheduler.run_on(engines.chosen(arguments), works))
    return planned


def main() -> None:
    """The command line; see `--help`."""
    arguments = common.arguments("estimators", __doc__, BUDGETS, add_options)
    preset = arguments.preset
    root = kept.root(preset, arguments.runs)
    if not arguments.page:
        kept.commit(make(arguments), root)
    folder = common.folder("estimators", preset)
    print(f"page: {folder / 'index.md'} (numbers {page.write(preset, folder, root)})")


if __name__ == "__main__":
    sys.exit(cli.run(main, "Run the same command again to go on."))
