"""Nested variational inference on the ring: `python -m reproduce.experiments.nested`."""

import sys

from annealed.runs import cli
from reproduce.experiments import committed, page_work
from reproduce.experiments.nested import page
from reproduce.experiments.nested.design import BUDGETS
from reproduce.pages import common


def main() -> None:
    """The command line; see `--help`."""
    arguments = common.arguments("nested", __doc__, BUDGETS)
    source = page_work.Source(arguments.preset, arguments.seeds, arguments.runs)
    page_work.run(arguments, page.PAGE.works(source))
    committed.commit(page.PAGE, source)
    folder = common.folder("nested", source.preset)
    print(f"page: {folder / 'index.md'} (numbers {page.make(source, folder)})")


if __name__ == "__main__":
    sys.exit(cli.run(main, "Run the same command again to go on."))
