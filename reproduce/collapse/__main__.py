"""Posterior collapse, exact and learned: `python -m reproduce.collapse --preset quick`."""

import sys
from pathlib import Path

import torch

from annealed import command
from annealed.provenance import provenance
from reproduce import pages, tasks
from reproduce.collapse import page
from reproduce.collapse.linear import run
from reproduce.collapse.linear.grid import SIZES
from reproduce.collapse.linear.section import section


def main() -> None:
    """The command line; see `--help`."""
    arguments = pages.arguments("collapse", __doc__, SIZES)
    torch.set_num_threads(1)
    size, preset = SIZES[arguments.preset], arguments.preset
    cells = run.tasks(size, Path(arguments.runs), preset)
    seeds, code = list(range(arguments.seeds)), provenance(torch.device("cpu"))
    results = tasks.finish_all(list(cells.values()), seeds, arguments.jobs, code)
    found = dict(zip(cells, results, strict=True))
    folder = pages.folder("collapse", preset)
    written = page.write([section(found, size)], seeds, folder, preset)
    print(f"page: {folder / 'index.md'} (numbers {written})")


if __name__ == "__main__":
    sys.exit(command.run(main, "Run the same command again to go on."))
