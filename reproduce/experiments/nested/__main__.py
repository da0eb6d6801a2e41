"""Nested variational inference on the ring: `python -m reproduce.experiments.nested`."""

import sys

from annealed.runs import cli
from reproduce.experiments import page_command
from reproduce.experiments.nested import page
from reproduce.experiments.nested.design import BUDGETS


def main() -> None:
    """The command line; see `--help`."""
    page_command.run(page.PAGE, "nested", __doc__, BUDGETS)


if __name__ == "__main__":
    sys.exit(cli.run(main, "Run the same command again to go on."))
