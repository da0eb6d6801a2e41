"""Biased noise, from unimodal posteriors: `python -m reproduce.experiments.noise`."""

import sys
from pathlib import Path

import torch

from annealed.runs import cli
from annealed.utils.provenance import provenance
from reproduce.experiments.noise import page, run
from reproduce.experiments.noise.design import SIZES
from reproduce.pages import common
from reproduce.scheduling import tasks


def main() -> None:
    """The command line; see `--help`."""
    arguments = common.arguments("noise", __doc__, SIZES)
    torch.set_num_threads(1)
    size, preset = SIZES[arguments.preset], arguments.preset
    cells = run.tasks(size, Path(arguments.runs), preset)
    seeds, code = list(range(arguments.seeds)), provenance(torch.device("cpu"))
    results = tasks.finish_all(list(cells.values()), seeds, arguments.jobs, code)
    places = {row: task.place for row, task in cells.items()}
    folder = common.folder("noise", preset)
    written = page.write(dict(zip(cells, results, strict=True)), places, size, folder, preset)
    print(f"page: {folder / 'index.md'} (numbers {written})")


if __name__ == "__main__":
    sys.exit(cli.run(main, "Run the same command again to go on."))
