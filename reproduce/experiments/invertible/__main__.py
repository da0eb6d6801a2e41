"""AVO with invertible steps: `python -m reproduce.experiments.invertible --preset quick`."""

import sys
from pathlib import Path

import torch

from annealed.runs import cli
from annealed.utils.provenance import provenance
from reproduce.experiments.invertible import digits, page, run
from reproduce.experiments.invertible.design import cells
from reproduce.pages import common
from reproduce.scheduling import tasks


def main() -> None:
    """The command line; see `--help`."""
    arguments = common.arguments("invertible", __doc__, run.SIZES)
    torch.set_num_threads(1)
    size, preset = run.SIZES[arguments.preset], arguments.preset
    toys, code = cells(), provenance(torch.device("cpu"))
    work = [run.task(cell, size, Path(arguments.runs), preset) for cell in toys]
    seeds = list(range(arguments.seeds))
    results = tasks.finish_all(work, seeds, arguments.jobs, code)
    rows = digits.run_all(preset, arguments.seeds, arguments.jobs, arguments.runs)
    found = dict(zip(toys, results, strict=True))
    places = {cell: one.place for cell, one in zip(toys, work, strict=True)}
    folder = common.folder("invertible", preset)
    written = page.write(found, digits.results(rows), places, size, folder, preset)
    print(f"page: {folder / 'index.md'} (numbers {written})")


if __name__ == "__main__":
    sys.exit(cli.run(main, "Run the same command again to go on."))
