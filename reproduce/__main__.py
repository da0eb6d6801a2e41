"""Run the grid and write the table: `python -m reproduce --preset quick`."""

import argparse
import os
import sys
from pathlib import Path

from annealed import command
from annealed.data.images import NAMES, load_images
from annealed.data.sources import DataNotFound
from annealed.errors import UsageError
from reproduce import schedule, table
from reproduce.cells import ROWS, Cell, grid

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


def reports_folder(preset: str, data: str) -> Path:
    """reports/<preset>, and a folder below it for data other than mnist."""
    folder = Path("reports", preset)
    return folder if data == "mnist" else folder / data


def main() -> None:
    """The command line; see `--help`."""
    parser = argparse.ArgumentParser(prog="reproduce", description=__doc__)
    parser.add_argument("--preset", default="quick", help="quick, short or paper")
    parser.add_argument("--data", choices=NAMES, help="default: mnist")
    parser.add_argument("--rows", default=",".join(ROWS), help="comma-separated rows of configs/")
    parser.add_argument("--seeds", type=int, default=2, help="seeds 0 to SEEDS - 1")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="runs at a time")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads a run")
    parser.add_argument("--runs", default="runs", help="where run folders are")
    arguments = parser.parse_args()
    for name in ("seeds", "jobs", "threads"):
        if getattr(arguments, name) < 1:
            raise UsageError(f"--{name} is {getattr(arguments, name)}; accepted: 1 or more.")
    rows = [row for row in arguments.rows.replace(" ", ",").split(",") if row]
    probe = Cell(arguments.preset, arguments.data or "mnist", rows[0], 0) if rows else None
    if probe is None:
        raise UsageError(f"--rows is empty; accepted: some of {', '.join(ROWS)}.")
    probe.config()
    data, note = choose_data(arguments.data, arguments.preset)
    cells = grid(arguments.preset, data, rows, arguments.seeds, arguments.runs)
    failures = schedule.run(cells, arguments.jobs, arguments.threads)
    folder = reports_folder(arguments.preset, data)
    print(table.write(cells, folder, note))
    for failure in failures:
        print(failure, file=sys.stderr)
    print(f"{note}table: {folder / 'nll_table.md'}", flush=True)
    if failures:
        raise UsageError(f"{len(failures)} of {len(cells)} runs failed; the table is without them.")


if __name__ == "__main__":
    sys.exit(command.run(main))
