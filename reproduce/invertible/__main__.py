"""AVO with invertible steps: `python -m reproduce.invertible --preset quick`."""

import argparse
import sys
from pathlib import Path

import torch

from annealed import command
from annealed.errors import UsageError
from annealed.provenance import provenance
from reproduce.__main__ import default_jobs
from reproduce.invertible import digits, page, run
from reproduce.invertible.grid import cells


def reports_folder(preset: str) -> Path:
    """reports/invertible for `full`; a smoke run never overwrites it."""
    return (
        Path("reports", "invertible") if preset == "full" else Path("reports", preset, "invertible")
    )


def main() -> None:
    """The command line; see `--help`."""
    parser = argparse.ArgumentParser(prog="reproduce.invertible", description=__doc__)
    parser.add_argument("--preset", default="quick", help="quick or full")
    parser.add_argument("--seeds", type=int, help="seeds 0 to SEEDS - 1; default: 3 or 5 by preset")
    parser.add_argument("--jobs", type=int, default=default_jobs(), help="runs at a time")
    parser.add_argument("--runs", default="runs", help="where results are")
    arguments = parser.parse_args()
    if arguments.preset not in run.SIZES:
        raise UsageError(f"--preset is {arguments.preset!r}; accepted: {', '.join(run.SIZES)}.")
    size = run.SIZES[arguments.preset]
    seeds = size.seeds if arguments.seeds is None else arguments.seeds
    for name, value in (("seeds", seeds), ("jobs", arguments.jobs)):
        if value < 1:
            raise UsageError(f"--{name} is {value}; accepted: 1 or more.")
    torch.set_num_threads(1)
    code = provenance(torch.device("cpu"))
    runs, seeds = Path(arguments.runs), list(range(seeds))
    toys = cells()
    found = run.run_all(toys, size, runs, arguments.preset, seeds, arguments.jobs, code)
    rows = digits.run_all(arguments.preset, len(seeds), arguments.jobs, arguments.runs)
    places = {cell: run.folder(runs, arguments.preset, cell) for cell in toys}
    folder = reports_folder(arguments.preset)
    written = page.write(found, digits.results(rows), places, size, folder, arguments.preset)
    print(f"page: {folder / 'index.md'} (numbers {written})")


if __name__ == "__main__":
    sys.exit(command.run(main, "Run the same command again to go on."))
