"""CelebA in bits per dimension: `python -m reproduce.experiments.celeba --preset quick`."""

import sys
from argparse import ArgumentParser
from pathlib import Path

from annealed.config.registry import METHODS
from annealed.runs import cli
from annealed.utils.errors import UsageError
from annealed.utils.paths import argument
from reproduce.experiments.celeba import design, fid, page
from reproduce.pages import common
from reproduce.results.selection import results_of
from reproduce.results.store import commit_results
from reproduce.scheduling import engines, failed, scheduler
from reproduce.scheduling.run_grid import rows_of


def add_options(parser: ArgumentParser) -> None:
    """The options that other pages do not have."""
    weights = argument("--fid-weights", Path)
    parser.add_argument("--fid-weights", type=weights, help="torchvision's inception_v3 state dict")
    rows = ",".join(design.ROWS)
    parser.add_argument("--rows", default=rows, help="comma-separated rows of configs/")
    parser.add_argument(
        "--set", nargs="+", default=[], metavar="key=value", help="of every run, as in data.size=32"
    )
    parser.add_argument("--keep", action="store_true", help="copy results to reports/results/")


def main() -> None:
    """The command line; see `--help`."""
    arguments = common.arguments("celeba", __doc__, design.BUDGETS, add_options)
    weights = arguments.fid_weights
    if weights:
        fid.load(weights)  # a wrong file is refused before hours of training
    rows = rows_of(arguments.rows)
    if not rows:
        raise UsageError(f"--rows is empty; accepted: some of {', '.join(METHODS)}.")
    where = arguments.preset, arguments.seeds, arguments.runs
    runs = design.runs(*where, arguments.set, rows)
    design.check_data(runs[0])
    keeping = {"done": lambda run: commit_results(run.results())} if arguments.keep else {}
    failures = scheduler.run_on(engines.chosen(arguments), runs, **keeping)
    folder = common.folder("celeba", arguments.preset)
    try:
        failures = failed.joined(failures, results_of(runs)[1])
        print(page.write(runs, folder, arguments.preset, weights))
    except UsageError as error:
        failed.conclude(failures, str(error))
    print(f"page: {folder / 'index.md'}", flush=True)
    failed.conclude(failures)


if __name__ == "__main__":
    sys.exit(cli.run(main, "Run the same command again to go on."))
