"""Biased noise, from unimodal posteriors: `python -m reproduce.experiments.noise`."""

import sys

from annealed.runs import cli
from reproduce.experiments import page_work
from reproduce.experiments.noise import page
from reproduce.experiments.noise.design import BUDGETS
from reproduce.pages import common


def main() -> None:
    """The command line; see `--help`."""
    arguments = common.arguments("noise", __doc__, BUDGETS)
    preset = arguments.preset
    plan = page_work.plan("noise", preset, arguments.runs, arguments.seeds)
    page_work.run(arguments, plan)
    results, folders = page_work.read(plan)
    folder = common.folder("noise", preset)
    digest = page.write(results, folders, BUDGETS[preset], folder, preset)
    print(f"page: {folder / 'index.md'} (numbers {digest})")


if __name__ == "__main__":
    sys.exit(cli.run(main, "Run the same command again to go on."))
