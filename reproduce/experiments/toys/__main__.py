"""The toy page: `python -m reproduce.experiments.toys --preset quick`."""

import sys

from annealed.runs import cli
from reproduce.experiments import page_command
from reproduce.experiments.toys import page
from reproduce.experiments.toys.design import BUDGETS


def main() -> None:
    """The command line; see `--help`."""
    page_command.run(page.PAGE, "toy", __doc__, BUDGETS)


if __name__ == "__main__":
    sys.exit(cli.run(main, "Run the same command again to go on."))
