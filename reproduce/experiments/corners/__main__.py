"""Where AVO fails or costs: `python -m reproduce.experiments.corners --preset quick`."""

import sys
from pathlib import Path

import torch

from annealed.runs import cli
from annealed.utils.provenance import provenance
from reproduce.experiments.corners import design, page, run
from reproduce.pages import common
from reproduce.scheduling import tasks


def main() -> None:
    """The command line; see `--help`."""
    arguments = common.arguments("corners", __doc__, run.SIZES)
    torch.set_num_threads(1)
    size, preset = run.SIZES[arguments.preset], arguments.preset
    cells, code = design.cells(), provenance(torch.device("cpu"))
    work = [run.task(cell, size, Path(arguments.runs), preset) for cell in cells]
    seeds = list(range(arguments.seeds))
    results = tasks.finish_all(work, seeds, arguments.jobs, code)
    found = dict(zip(cells, results, strict=True))
    places = {cell: one.place for cell, one in zip(cells, work, strict=True)}
    folder = common.folder("corners", preset)
    written = page.write(found, design.cases(), places, size, folder, preset)
    print(f"page: {folder / 'index.md'} (numbers {written})")


if __name__ == "__main__":
    sys.exit(cli.run(main, "Run the same command again to go on."))
