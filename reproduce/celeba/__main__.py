"""CelebA in bits per dimension: `python -m reproduce.celeba --preset quick`."""

import sys
from argparse import ArgumentParser
from pathlib import Path

from annealed import command
from annealed.errors import UsageError
from reproduce import engines, pages, schedule
from reproduce.celeba import fid, page, plan
from reproduce.results import keep_all


def own(parser: ArgumentParser) -> None:
    """The options that other pages do not have."""
    parser.add_argument("--fid-weights", type=Path, help="torchvision's inception_v3 state dict")
    parser.add_argument(
        "--set", nargs="+", default=[], metavar="key=value", help="of every run, as in data.size=32"
    )
    parser.add_argument("--keep", action="store_true", help="copy results to reports/results/")


def main() -> None:
    """The command line; see `--help`."""
    arguments = pages.arguments("celeba", __doc__, plan.SIZES, own, by_engine=True)
    weights = arguments.fid_weights
    if weights:
        fid.load(weights)  # what is wrong with them is told before hours of training
    cells = plan.cells(arguments.preset, arguments.seeds, arguments.runs, arguments.set)
    plan.check_data(cells[0])
    keeping = {"done": lambda cell: keep_all(cell.results())} if arguments.keep else {}
    failures = schedule.run_on(engines.chosen(arguments), cells, **keeping)
    folder = pages.folder("celeba", arguments.preset)
    print(page.write(cells, folder, arguments.preset, weights))
    for failure in failures:
        print(failure, file=sys.stderr)
    print(f"page: {folder / 'index.md'}", flush=True)
    if failures:
        raise UsageError(f"{len(failures)} runs failed or could not be kept, as told above.")


if __name__ == "__main__":
    sys.exit(command.run(main, "Run the same command again to go on."))
