"""The toy page: `python -m reproduce.toys --preset quick`."""

import sys
from functools import partial
from pathlib import Path

import torch

from annealed import command
from annealed.provenance import provenance
from reproduce import pages
from reproduce.tasks import in_processes
from reproduce.toys import page
from reproduce.toys.grid import TARGETS, cells, families
from reproduce.toys.run import SIZES, run_family


def main() -> None:
    """The command line; see `--help`."""
    arguments = pages.arguments("toys", __doc__, SIZES)
    size, count = SIZES[arguments.preset], arguments.seeds
    torch.set_num_threads(1)
    runs, seeds = Path(arguments.runs), list(range(count))
    code = provenance(torch.device("cpu"))
    one = partial(
        run_family,
        targets=list(TARGETS),
        size=size,
        runs=runs,
        preset=arguments.preset,
        seeds=seeds,
        code=code,
    )
    found, todo = {}, families()
    calls = [partial(one, family) for family in todo]
    for done, (which, results) in enumerate(in_processes(calls, arguments.jobs), 1):
        found |= results
        print(f"[{done}/{len(todo)}] {todo[which].label}: done", file=sys.stderr, flush=True)
    found = {cell: found[cell] for cell in cells()}
    folder = pages.folder("toy", arguments.preset)
    written = page.write(found, size, runs, folder, arguments.preset)
    print(f"page: {folder / 'index.md'} (numbers {written})")


if __name__ == "__main__":
    sys.exit(command.run(main, "Run the same command again to go on."))
