"""Where AVO fails or costs: `python -m reproduce.experiments.corners --preset quick`."""

import sys

from annealed.runs import cli
from reproduce.experiments import page_work
from reproduce.experiments.corners import page
from reproduce.experiments.corners.design import BUDGETS, cases
from reproduce.pages import common


def main() -> None:
    """The command line; see `--help`."""
    arguments = common.arguments("corners", __doc__, BUDGETS)
    preset = arguments.preset
    plan = page_work.plan("corners", preset, arguments.runs, arguments.seeds)
    page_work.run(arguments, plan)
    results, folders = page_work.read(plan)
    folder = common.folder("corners", preset)
    digest = page.write(results, cases(), folders, BUDGETS[preset], folder, preset)
    print(f"page: {folder / 'index.md'} (numbers {digest})")


if __name__ == "__main__":
    sys.exit(cli.run(main, "Run the same command again to go on."))
