"""Where AVO fails or costs: `python -m reproduce.experiments.corners --preset quick`."""

import sys

from annealed.runs import cli
from reproduce.experiments import page_command
from reproduce.experiments.corners import page
from reproduce.experiments.corners.design import BUDGETS


def main() -> None:
    """The command line; see `--help`."""
    page_command.run(page.PAGE, "corners", __doc__, BUDGETS)


if __name__ == "__main__":
    sys.exit(cli.run(main, "Run the same command again to go on."))
