"""Run the grid and write the table: `python -m reproduce --preset quick`."""

import argparse
import os
import sys
from pathlib import Path

import torch

from annealed import command
from annealed.data.images import BINARY, load_images
from annealed.data.sources import DataNotFound
from annealed.errors import UsageError
from annealed.registry import METHODS, allow_import
from reproduce import schedule, table
from reproduce.cells import ROWS, Cell, grid
from reproduce.results import keep_all

FALLBACK = "MNIST is not at hand, so this is scikit-learn's digits; "


def choose_data(wanted: str | None, preset: str) -> tuple[str, str]:
    """The data set to run and a note for the table's title.

    Without a wish it is mnist, or, under `quick` alone, digits where MNIST cannot be had. Raises
    DataNotFound otherwise.
    """
    name = wanted or "mnist"
    try:
        load_images(name, None, 0)
        return name, ""
    except DataNotFound as error:
        if wanted or preset != "quick":
            raise
        print(f"{FALLBACK}{error}", flush=True)
        return "digits", FALLBACK


def default_jobs() -> int:
    """One run a CPU core this process may use; one alone where they would share a GPU."""
    if torch.cuda.is_available():
        return 1
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def reports_folder(preset: str, data: str) -> Path:
    """reports/<preset>, and a folder below it for data other than mnist."""
    folder = Path("reports", preset)
    return folder if data == "mnist" else folder / data


def main() -> None:
    """The command line; see `--help`."""
    parser = argparse.ArgumentParser(prog="reproduce", description=__doc__)
    parser.add_argument("--preset", default="quick", help="quick, short or paper")
    parser.add_argument("--data", choices=BINARY, help="default: mnist")
    parser.add_argument("--rows", default=",".join(ROWS), help="comma-separated rows of configs/")
    parser.add_argument("--seeds", type=int, default=2, help="seeds 0 to SEEDS - 1")
    parser.add_argument("--jobs", type=int, default=default_jobs(), help="runs at a time")
    parser.add_argument("--replicas", type=int, default=1, help="seeds trained side by side")
    parser.add_argument("--compile", action="store_true", help="compile the training step")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads a run")
    parser.add_argument("--runs", default="runs", help="where run folders are")
    parser.add_argument("--keep", action="store_true", help="copy results to reports/results/")
    parser.add_argument("--allow-import", action="store_true", help="rows may name a class")
    arguments = parser.parse_args()
    for name in ("seeds", "jobs", "replicas", "threads"):
        if getattr(arguments, name) < 1:
            raise UsageError(f"--{name} is {getattr(arguments, name)}; accepted: 1 or more.")
    rows = [row for row in arguments.rows.replace(" ", ",").split(",") if row]
    if not rows:
        raise UsageError(f"--rows is empty; accepted: some of {', '.join(METHODS)}.")
    if arguments.allow_import:
        allow_import()
    for row in rows:  # a bad row or preset is told before data are looked for
        Cell(arguments.preset, arguments.data or "mnist", row, 0).config()
    data, note = choose_data(arguments.data, arguments.preset)
    options = {"runs": arguments.runs, "allow_import": arguments.allow_import}
    options |= {"replicas": arguments.replicas, "compile": arguments.compile}
    cells = grid(arguments.preset, data, rows, arguments.seeds, **options)
    keeping = {"done": lambda cell: keep_all(cell.results())} if arguments.keep else {}
    failures = schedule.run(cells, arguments.jobs, arguments.threads, **keeping)
    folder = reports_folder(arguments.preset, data)
    paths = [path for cell in cells for path in cell.results()]
    print(table.write(paths, folder, arguments.preset, note))
    for failure in failures:
        print(failure, file=sys.stderr)
    print(f"{note}table: {folder / 'nll_table.md'}", flush=True)
    if failures:
        raise UsageError(f"{len(failures)} runs failed or could not be kept, as told above.")


if __name__ == "__main__":
    sys.exit(command.run(main, "Run the same command again to go on."))
