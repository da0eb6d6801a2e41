"""The toy page: `python -m reproduce.experiments.toys --preset quick`."""

import sys
from functools import partial
from pathlib import Path

import torch

from annealed.runs import cli
from annealed.utils.provenance import provenance
from reproduce.experiments.toys import page
from reproduce.experiments.toys.design import TARGETS, cells, families
from reproduce.experiments.toys.run import SIZES, run_family
from reproduce.pages import common
from reproduce.scheduling.tasks import in_processes


def main() -> None:
    """The command line; see `--help`."""
    arguments = common.arguments("toys", __doc__, SIZES)
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
    folder = common.folder("toy", arguments.preset)
    written = page.write(found, size, runs, folder, arguments.preset)
    print(f"page: {folder / 'index.md'} (numbers {written})")


if __name__ == "__main__":
    sys.exit(cli.run(main, "Run the same command again to go on."))
