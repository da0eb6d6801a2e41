"""Posterior collapse, exact and learned: `python -m reproduce.experiments.collapse`."""

import sys
from types import SimpleNamespace

from annealed.runs import cli
from reproduce.experiments import committed, page_work
from reproduce.experiments.collapse import page
from reproduce.experiments.collapse.linear.design import BUDGETS
from reproduce.experiments.collapse.nonlinear import section as nonlinear
from reproduce.pages import common
from reproduce.results import trials
from reproduce.scheduling import engines, failed

SEEDS = {"quick": 2, "full": trials.SEEDS}  # of the trials
BY_PART = SimpleNamespace(seeds=None)  # without --seeds each part has its own number


def main() -> None:
    """The command line; see `--help`."""
    by_preset = dict.fromkeys(BUDGETS, BY_PART)
    arguments = common.arguments("collapse", __doc__, by_preset, common.add_missing)
    preset, runs = arguments.preset, arguments.runs
    source = page_work.Source(preset, arguments.seeds or BUDGETS[preset].seeds, runs)
    if arguments.missing:
        committed.take(page.PAGE, source)
    page_work.run(arguments, page.PAGE.works(source))
    committed.commit(page.PAGE, source)
    failures, seeds = [], arguments.seeds or SEEDS[preset]
    for data in page.DATA[preset]:
        plan = nonlinear.plan(data)
        planned = dict.fromkeys(plan, 0)
        if arguments.missing:
            planned = trials.missing(plan, trials.pool(preset, runs), preset, data, seeds)
        failures += trials.run(planned, preset, data, runs, seeds, engines.chosen(arguments))
    folder = common.folder("collapse", preset)
    print(f"page: {folder / 'index.md'} (numbers {page.make(source, folder)})")
    failed.conclude(failures)


if __name__ == "__main__":
    sys.exit(cli.run(main, "Run the same command again to go on."))
