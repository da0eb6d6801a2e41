"""AVO beside its successors: `python -m reproduce.experiments.successors --preset quick`."""

import sys

from annealed.runs import cli
from reproduce.experiments import page_command
from reproduce.experiments.successors import page
from reproduce.experiments.successors.design import BUDGETS


def main() -> None:
    """The command line; see `--help`."""
    page_command.run(page.PAGE, "successors", __doc__, BUDGETS)


if __name__ == "__main__":
    sys.exit(cli.run(main, "Run the same command again to go on."))
