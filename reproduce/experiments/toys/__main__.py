"""The toy page: `python -m reproduce.experiments.toys --preset quick`."""

import sys
from pathlib import Path

from annealed.runs import cli
from reproduce.experiments import page_work
from reproduce.experiments.toys import page
from reproduce.experiments.toys.design import BUDGETS, settings
from reproduce.pages import common


def main() -> None:
    """The command line; see `--help`."""
    arguments = common.arguments("toys", __doc__, BUDGETS)
    preset = arguments.preset
    plan = page_work.plan("toys", preset, arguments.runs, arguments.seeds)
    page_work.run(arguments, plan)
    results, _ = page_work.read(plan)
    by_setting = {setting: results[setting] for setting in settings()}
    folder = common.folder("toy", preset)
    digest = page.write(by_setting, BUDGETS[preset], Path(arguments.runs), folder, preset)
    print(f"page: {folder / 'index.md'} (numbers {digest})")


if __name__ == "__main__":
    sys.exit(cli.run(main, "Run the same command again to go on."))
