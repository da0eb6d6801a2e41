"""What a table holds before it is written anew: a run stays in it while its result is there."""

from pathlib import Path

import pandas as pd

from annealed.evaluation.result import RESULT

CELLS = "nll_cells.csv"  # a line a run


def runs_before(folder: Path, runs: Path) -> dict[Path, str]:
    """The result of each run of the table in `folder`, below `runs`: <runs>/<preset>/<data>.

    With each goes what a person calls the run. The results need not be there.
    """
    try:
        cells = pd.read_csv(
            folder / CELLS, usecols=["row", "seed"], dtype={"row": str, "seed": int}
        )
    except (OSError, ValueError):  # no table, or none that can be read
        return {}
    return {
        runs / cell.row / f"seed{cell.seed}" / RESULT: f"{cell.row} seed {cell.seed}"
        for cell in cells.itertuples()
    }


def changes(before: dict[Path, str], asked: list[Path], written: list[Path], table: Path) -> str:
    """What `table` keeps beside the runs asked for, and what it no longer has; empty for neither.

    `before` is of `runs_before`, `asked` and `written` are results.
    """
    kept = [name for path, name in before.items() if path in written and path not in asked]
    lost = [name for path, name in before.items() if path not in written]
    lines = [f"{table} keeps {', '.join(kept)}, whose results are still there"] if kept else []
    if lost:
        lines.append(f"{table} no longer has {', '.join(lost)}: no result that fits is there")
    return "".join(f"{line}\n" for line in lines)
