"""Biased noise, from unimodal posteriors: `python -m reproduce.experiments.noise`."""

import sys

from annealed.runs import cli
from reproduce.experiments import page_command
from reproduce.experiments.noise import page
from reproduce.experiments.noise.design import BUDGETS


def main() -> None:
    """The command line; see `--help`."""
    page_command.run(page.PAGE, "noise", __doc__, BUDGETS)


if __name__ == "__main__":
    sys.exit(cli.run(main, "Run the same command again to go on."))
