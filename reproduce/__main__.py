"""Run rows and seeds and write the table: `python -m reproduce --preset quick`."""

import argparse
import sys
from pathlib import Path

from annealed.config.datasets import BINARY
from annealed.config.registry import METHODS, allow_import
from annealed.runs import cli
from annealed.utils.errors import UsageError
from annealed.utils.paths import argument
from reproduce.results.locations import choose_data, reports_folder
from reproduce.results.published_sizes import place_of_row
from reproduce.results.scored import scored_among
from reproduce.results.selection import results_of
from reproduce.results.store import commit_results
from reproduce.scheduling import engines, failed, scheduler
from reproduce.scheduling.run_grid import ROWS, Run, rows_of, run_grid
from reproduce.table import nll_table
from reproduce.table.earlier import changes, runs_before

# what --set takes: the limit of a run, which the table states, and keys of the machine
SETTABLE = ("trainer.epochs", "trainer.accelerator", "trainer.checkpoint_seconds")
SETTABLE += ("trainer.products", "data.root", "evaluate.memory_mb", "wandb.")


def arguments_parser() -> argparse.ArgumentParser:
    """The command line's arguments."""
    parser = argparse.ArgumentParser(prog="reproduce", description=__doc__)
    parser.add_argument("--preset", default="quick", help="quick, short or paper")
    parser.add_argument("--data", choices=BINARY, help="default: mnist")
    parser.add_argument("--rows", default=",".join(ROWS), help="comma-separated rows of configs/")
    parser.add_argument("--seeds", type=int, default=2, help="seeds 0 to SEEDS - 1")
    parser.add_argument("--replicas", type=int, default=1, help="seeds trained side by side")
    parser.add_argument("--compile", action="store_true", help="compile the training step")
    runs = argument("--runs")
    parser.add_argument("--runs", default="runs", type=runs, help="where run folders are")
    several = {"nargs": "+", "default": [], "metavar": "key=value"}
    parser.add_argument("--set", **several, help=f"of every run: {', '.join(SETTABLE)}*")
    limit = "go on from runs that had another trainer.epochs; of --engine local"
    parser.add_argument("--new-limit", action="store_true", help=limit)
    parser.add_argument("--keep", action="store_true", help="copy results to reports/results/")
    parser.add_argument("--allow-import", action="store_true", help="rows may name a class")
    engines.add_options(parser)
    part = parser.add_argument_group("a part of it, as for Slurm").add_mutually_exclusive_group()
    part.add_argument("--list-cells", action="store_true", help="print an index and a run a line")
    part.add_argument("--cell-index", type=int, help="run this one of the list, write no table")
    part.add_argument("--table-only", action="store_true", help="write the table, run nothing")
    return parser


def runs_of(arguments: argparse.Namespace, data: str, rows: list[str]) -> list[Run]:
    """The runs that the command line asks for, of every row and seed."""
    options = {"runs": arguments.runs, "allow_import": arguments.allow_import}
    options |= {"replicas": arguments.replicas, "compile": arguments.compile}
    options |= {"changes": tuple(arguments.set), "new_limit": arguments.new_limit}
    return run_grid(arguments.preset, data, rows, arguments.seeds, **options)


def check_changes(changes: list[str]) -> None:
    """Raise UsageError for a key that is not SETTABLE: the table would not say what was run."""
    for key in (change.partition("=")[0] for change in changes):
        if not any(key == name or (name[-1] == "." and key.startswith(name)) for name in SETTABLE):
            raise UsageError(
                f"--set has {key}; accepted: {', '.join(SETTABLE)}*. Other choices go into a "
                "configuration file of another name, which --rows takes."
            )


def pick(runs: list[Run], index: int) -> Run:
    """The run of a Slurm array's task; raises UsageError where there is none."""
    if not 0 <= index < len(runs):
        raise UsageError(
            f"--cell-index is {index} and the grid has {len(runs)} runs; accepted: 0 to "
            f"{len(runs) - 1}, as --list-cells shows them."
        )
    return runs[index]


def write_table(runs: list[Run], folder: Path, note: str, failures: list[str]) -> None:
    """Write the table of `runs`, and of the runs that it had before, to `folder`, and show it.

    Raises UsageError where there are `failures` or refused results, which cost no other run its
    place, or where there is no table.
    """
    before = runs_before(folder, Path(runs[0].runs, runs[0].preset, runs[0].data))
    table, text = folder / "nll_table.md", ""
    try:
        chosen, refused = results_of(runs, before)
        failures = failed.joined(failures, refused)
        scored = scored_among(chosen.values())
        text = nll_table.write(list(chosen), folder, runs[0].preset, note, scored)
    except UsageError as error:
        failed.conclude(failures, str(error))
    asked = [path for run in runs for path in run.results()]
    print(text, changes(before, asked, list(chosen), table), sep="\n", end="")
    print(f"{note}table: {table}", flush=True)
    failed.conclude(failures)


def keep(run: Run) -> list[str]:
    """Commit the results of a run; returns a sentence for each refusal."""
    return commit_results(run.results(), below=place_of_row(run.row))


def main() -> None:
    """The command line; see `--help`."""
    arguments = arguments_parser().parse_args()
    for name in ("seeds", "jobs", "replicas", "threads"):
        value = getattr(arguments, name)
        if value is not None and value < 1:
            raise UsageError(f"--{name} is {value}; accepted: 1 or more.")
    rows = rows_of(arguments.rows)
    if not rows:
        raise UsageError(f"--rows is empty; accepted: some of {', '.join(METHODS)}.")
    check_changes(arguments.set)
    if arguments.new_limit and arguments.engine == "ray":
        raise UsageError("--new-limit is of --engine local; Ray's nodes keep no last checkpoint.")
    if arguments.allow_import:
        allow_import()
    # a bad row or preset is refused before data are looked for
    names = runs_of(arguments, arguments.data or "mnist", rows)
    if arguments.list_cells:
        print("\n".join(f"{index} {run.name}" for index, run in enumerate(names)))
        return
    if arguments.cell_index is not None:
        pick(names, arguments.cell_index)
    data, note = choose_data(arguments.data, arguments.preset)
    runs = runs_of(arguments, data, rows)
    keeping = {"done": keep} if arguments.keep else {}
    if arguments.cell_index is not None:
        run = pick(runs, arguments.cell_index)
        failed.conclude(scheduler.run_on(engines.chosen(arguments), [run], **keeping))
        return
    failures = []
    if not arguments.table_only:
        failures = scheduler.run_on(engines.chosen(arguments), runs, **keeping)
    write_table(runs, reports_folder(arguments.preset, data), note, failures)


if __name__ == "__main__":
    sys.exit(cli.run(main, "Run the same command again to go on."))
