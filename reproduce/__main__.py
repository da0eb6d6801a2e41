"""Run the grid and write the table: `python -m reproduce --preset quick`."""

import argparse
import os
import sys
from pathlib import Path

import torch

from annealed import command
from annealed.data.catalogue import BINARY
from annealed.data.images import load_images
from annealed.data.sources import DataNotFound
from annealed.errors import UsageError
from annealed.registry import METHODS, allow_import
from reproduce import devices, schedule, table
from reproduce.cells import ROWS, Cell, grid
from reproduce.cluster import Cluster
from reproduce.local import Local
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


def arguments_parser() -> argparse.ArgumentParser:
    """The command line's arguments."""
    parser = argparse.ArgumentParser(prog="reproduce", description=__doc__)
    parser.add_argument("--preset", default="quick", help="quick, short or paper")
    parser.add_argument("--data", choices=BINARY, help="default: mnist")
    parser.add_argument("--rows", default=",".join(ROWS), help="comma-separated rows of configs/")
    parser.add_argument("--seeds", type=int, default=2, help="seeds 0 to SEEDS - 1")
    parser.add_argument("--replicas", type=int, default=1, help="seeds trained side by side")
    parser.add_argument("--compile", action="store_true", help="compile the training step")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads a run")
    parser.add_argument("--runs", default="runs", help="where run folders are")
    parser.add_argument("--keep", action="store_true", help="copy results to reports/results/")
    parser.add_argument("--allow-import", action="store_true", help="rows may name a class")
    where = parser.add_argument_group("where runs go")
    where.add_argument("--engine", choices=("local", "ray"), default="local", help="default: local")
    where.add_argument("--jobs", type=int, help="runs at a time; default: what is there can take")
    where.add_argument("--devices", help="local: GPUs, by number, as in 2, or by name, as in 0,3")
    where.add_argument("--gpus", type=float, help="ray: GPUs a run, as in 0.5; default: 1 if any")
    part = parser.add_argument_group("a part of it, as for Slurm").add_mutually_exclusive_group()
    part.add_argument("--list-cells", action="store_true", help="print an index and a run a line")
    part.add_argument("--cell-index", type=int, help="run this one of the list, write no table")
    part.add_argument("--table-only", action="store_true", help="write the table, run nothing")
    return parser


def engine(arguments: argparse.Namespace) -> schedule.Engine:
    """Where the runs go; raises UsageError for what that engine does not take or have."""
    if arguments.engine == "ray":
        if arguments.devices is not None:
            raise UsageError("--devices is of --engine local; Ray hands GPUs out by --gpus.")
        gpus = arguments.gpus
        if gpus is not None and not (0.0 <= gpus <= 1.0 or (gpus > 1.0 and gpus.is_integer())):
            raise UsageError(f"--gpus is {gpus}; accepted: 0 to 1, or a whole number.")
        return Cluster(arguments.jobs, arguments.threads, gpus)
    if arguments.gpus is not None:
        raise UsageError("--gpus is of --engine ray; --devices names GPUs on this machine.")
    found = devices.parse(arguments.devices) if arguments.devices is not None else None
    jobs = arguments.jobs or (len(found) if found else default_jobs())
    return Local(jobs, arguments.threads, found)


def cells_of(arguments: argparse.Namespace, data: str, rows: list[str]) -> list[Cell]:
    """The grid that the command line asks for."""
    options = {"runs": arguments.runs, "allow_import": arguments.allow_import}
    options |= {"replicas": arguments.replicas, "compile": arguments.compile}
    return grid(arguments.preset, data, rows, arguments.seeds, **options)


def pick(cells: list[Cell], index: int) -> Cell:
    """The cell of a Slurm array's task; raises UsageError where there is none."""
    if not 0 <= index < len(cells):
        raise UsageError(
            f"--cell-index is {index} and the grid has {len(cells)} runs; accepted: 0 to "
            f"{len(cells) - 1}, as --list-cells shows them."
        )
    return cells[index]


def tell(failures: list[str]) -> None:
    """Print each failure; raises UsageError where there is one."""
    for failure in failures:
        print(failure, file=sys.stderr)
    if failures:
        raise UsageError(f"{len(failures)} runs failed or could not be kept, as told above.")


def main() -> None:
    """The command line; see `--help`."""
    arguments = arguments_parser().parse_args()
    for name in ("seeds", "jobs", "replicas", "threads"):
        value = getattr(arguments, name)
        if value is not None and value < 1:
            raise UsageError(f"--{name} is {value}; accepted: 1 or more.")
    rows = [row for row in arguments.rows.replace(" ", ",").split(",") if row]
    if not rows:
        raise UsageError(f"--rows is empty; accepted: some of {', '.join(METHODS)}.")
    if arguments.allow_import:
        allow_import()
    for row in rows:  # a bad row or preset is told before data are looked for
        Cell(arguments.preset, arguments.data or "mnist", row, 0).config()
    names = cells_of(arguments, arguments.data or "mnist", rows)
    if arguments.list_cells:
        print("\n".join(f"{index} {cell.name}" for index, cell in enumerate(names)))
        return
    if arguments.cell_index is not None:
        pick(names, arguments.cell_index)
    data, note = choose_data(arguments.data, arguments.preset)
    cells = cells_of(arguments, data, rows)
    keeping = {"done": lambda cell: keep_all(cell.results())} if arguments.keep else {}
    if arguments.cell_index is not None:
        cell = pick(cells, arguments.cell_index)
        tell(schedule.run_on(engine(arguments), [cell], **keeping))
        return
    failures = []
    if not arguments.table_only:
        failures = schedule.run_on(engine(arguments), cells, **keeping)
    folder = reports_folder(arguments.preset, data)
    paths = [path for cell in cells for path in cell.results()]
    print(table.write(paths, folder, arguments.preset, note))
    print(f"{note}table: {folder / 'nll_table.md'}", flush=True)
    tell(failures)


if __name__ == "__main__":
    sys.exit(command.run(main, "Run the same command again to go on."))
