"""AVO with invertible steps: `python -m reproduce.experiments.invertible --preset quick`."""

import sys

from annealed.runs import cli
from reproduce.experiments import page_work
from reproduce.experiments.invertible import digits, page
from reproduce.experiments.invertible.design import BUDGETS
from reproduce.pages import common


def main() -> None:
    """The command line; see `--help`."""
    arguments = common.arguments("invertible", __doc__, BUDGETS)
    preset, seeds, runs = arguments.preset, arguments.seeds, arguments.runs
    toys, rows = page_work.plan("invertible", preset, runs, seeds), digits.plan(preset, seeds, runs)
    page_work.run(arguments, [*toys, *rows])
    results, folders = page_work.read(toys)
    folder = common.folder("invertible", preset)
    digest = page.write(results, digits.results(rows), folders, BUDGETS[preset], folder, preset)
    print(f"page: {folder / 'index.md'} (numbers {digest})")


if __name__ == "__main__":
    sys.exit(cli.run(main, "Run the same command again to go on."))
