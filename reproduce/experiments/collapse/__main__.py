"""Posterior collapse, exact and learned: `python -m reproduce.experiments.collapse`."""

import sys
from argparse import Namespace
from types import SimpleNamespace

from annealed.runs import cli
from reproduce.experiments import page_work
from reproduce.experiments.collapse import page
from reproduce.experiments.collapse.linear.design import BUDGETS
from reproduce.experiments.collapse.linear.section import section
from reproduce.experiments.collapse.nonlinear import section as nonlinear
from reproduce.pages import common
from reproduce.pages.page import Section
from reproduce.results import trials
from reproduce.scheduling import engines, failed

DATA = {"quick": ("digits",), "full": ("digits", "mnist")}  # of the trials
SEEDS = {"quick": 2, "full": trials.SEEDS}  # of the trials
BY_PART = SimpleNamespace(seeds=None)  # without --seeds each part has its own number


def autoregressive(arguments: Namespace, data: str) -> tuple[list[Section], list[str]]:
    """The section on a data set, none without results, and what failed on the way."""
    preset, runs = arguments.preset, arguments.runs
    plan, pool = nonlinear.plan(data), trials.pool(preset, runs)
    seeds = arguments.seeds or SEEDS[preset]
    failures = trials.run(plan, preset, data, runs, seeds, engines.chosen(arguments))
    if not trials.gather(plan, pool, preset, data):
        return [], failures
    return [nonlinear.section(pool, preset, data)], failures


def main() -> None:
    """The command line; see `--help`."""
    arguments = common.arguments("collapse", __doc__, dict.fromkeys(BUDGETS, BY_PART))
    preset, budget = arguments.preset, BUDGETS[arguments.preset]
    seeds = arguments.seeds or budget.seeds
    plan = page_work.plan("collapse", preset, arguments.runs, seeds)
    page_work.run(arguments, plan)
    results, _ = page_work.read(plan)
    sections, failures = [section(results, budget), nonlinear.setting()], []
    for data in DATA[preset]:
        more, reasons = autoregressive(arguments, data)
        sections, failures = [*sections, *more], [*failures, *reasons]
    folder = common.folder("collapse", preset)
    digest = page.write(sections, arguments.seeds, folder, preset)
    print(f"page: {folder / 'index.md'} (numbers {digest})")
    failed.conclude(failures)


if __name__ == "__main__":
    sys.exit(cli.run(main, "Run the same command again to go on."))
