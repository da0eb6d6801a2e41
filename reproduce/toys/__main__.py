"""The toy page: `python -m reproduce.toys --preset quick`."""

import argparse
import multiprocessing
import sys
from concurrent.futures import ProcessPoolExecutor, as_completed
from functools import partial
from pathlib import Path

import torch

from annealed import command
from annealed.errors import UsageError
from annealed.provenance import provenance
from reproduce.__main__ import default_jobs
from reproduce.invertible.run import quiet_worker
from reproduce.toys import page
from reproduce.toys.grid import TARGETS, cells, families
from reproduce.toys.run import SIZES, run_family


def reports_folder(preset: str) -> Path:
    """reports/toy for `full`; a smoke run never overwrites it."""
    return Path("reports", "toy") if preset == "full" else Path("reports", preset, "toy")


def main() -> None:
    """The command line; see `--help`."""
    parser = argparse.ArgumentParser(prog="reproduce.toys", description=__doc__)
    parser.add_argument("--preset", default="quick", help="quick or full")
    parser.add_argument("--seeds", type=int, help="seeds 0 to SEEDS - 1; default: 2 or 5 by preset")
    parser.add_argument("--jobs", type=int, default=default_jobs(), help="processes at a time")
    parser.add_argument("--runs", default="runs", help="where results are")
    arguments = parser.parse_args()
    if arguments.preset not in SIZES:
        raise UsageError(f"--preset is {arguments.preset!r}; accepted: {', '.join(SIZES)}.")
    size = SIZES[arguments.preset]
    count = size.seeds if arguments.seeds is None else arguments.seeds
    for name, value in (("seeds", count), ("jobs", arguments.jobs)):
        if value < 1:
            raise UsageError(f"--{name} is {value}; accepted: 1 or more.")
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
        fast=arguments.preset == "full",  # a smoke run ends before a compilation would pay
    )
    found = {}
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(arguments.jobs, mp_context=spawn, initializer=quiet_worker) as pool:
        futures = {pool.submit(one, family): family for family in families()}
        try:
            for done, future in enumerate(as_completed(futures), 1):
                found |= future.result()
                label = futures[future].label
                print(f"[{done}/{len(futures)}] {label}: done", file=sys.stderr, flush=True)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    found = {cell: found[cell] for cell in cells()}
    folder = reports_folder(arguments.preset)
    written = page.write(found, size, runs, folder, arguments.preset)
    print(f"page: {folder / 'index.md'} (numbers {written})")


if __name__ == "__main__":
    sys.exit(command.run(main, "Run the same command again to go on."))
