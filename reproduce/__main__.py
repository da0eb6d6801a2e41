"""Run the grid and write the table: `python -m reproduce --preset quick`."""

import argparse
import sys
from pathlib import Path

from annealed import command
from annealed.data.catalogue import BINARY
from annealed.data.images import load_images
from annealed.data.sources import DataNotFound
from annealed.errors import UsageError
from annealed.registry import METHODS, allow_import
from reproduce import engines, schedule, table
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
    parser.add_argument("--runs", default="runs", help="where run folders are")
    parser.add_argument("--keep", action="store_true", help="copy results to reports/results/")
    parser.add_argument("--allow-import", action="store_true", help="rows may name a class")
    engines.add_options(parser)
    part = parser.add_argument_group("a part of it, as for Slurm").add_mutually_exclusive_group()
    part.add_argument("--list-cells", action="store_true", help="print an index and a run a line")
    part.add_argument("--cell-index", type=int, help="run this one of the list, write no table")
    part.add_argument("--table-only", action="store_true", help="write the table, run nothing")
    return parser


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
        tell(schedule.run_on(engines.chosen(arguments), [cell], **keeping))
        return
    failures = []
    if not arguments.table_only:
        failures = schedule.run_on(engines.chosen(arguments), cells, **keeping)
    folder = reports_folder(arguments.preset, data)
    paths = [path for cell in cells for path in cell.results()]
    print(table.write(paths, folder, arguments.preset, note))
    print(f"{note}table: {folder / 'nll_table.md'}", flush=True)
    tell(failures)


if __name__ == "__main__":
    sys.exit(command.run(main, "Run the same command again to go on."))
