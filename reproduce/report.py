"""A table's report from the committed results alone: `python -m reproduce.report`."""

import argparse
import sys
from pathlib import Path

import pandas as pd

from annealed import command
from annealed.data.images import NAMES
from annealed.errors import UsageError
from annealed.files import replace, replace_text
from reproduce import curves, paired, table
from reproduce.__main__ import reports_folder
from reproduce.results import RESULTS, kept

NOTE = (
    "Difference in NLL, nats an image, of the first row less the second, over the seeds that both "
    "have and all test images; below zero the first is better. The first interval is Student's t "
    "over seeds, the second a bootstrap over seeds and images together; with few seeds both are "
    "rough. Effect is the mean over seeds by its standard deviation."
)


def paired_markdown(found: pd.DataFrame) -> str:
    """The paired differences as Markdown."""
    head = "| row | against | seeds | difference | 95% over seeds | 95% over seeds and images |"
    lines = ["# Paired differences", "", head + " effect |", "| --- | --- |" + " ---: |" * 5]
    for r in found.itertuples():
        over = f"{r.t_low:+.3f} to {r.t_high:+.3f}" if r.seeds > 1 else "one seed"
        both = f"{r.bootstrap_low:+.3f} to {r.bootstrap_high:+.3f}"
        effect = f"{r.effect:+.1f}" if r.seeds > 1 else "-"
        lines.append(
            f"| {r.row} | {r.against} | {r.seeds} | {r.difference:+.3f} | {over} | {both} "
            f"| {effect} |"
        )
    return "\n".join([*lines, "", NOTE, ""])


def write(preset: str, data: str, results: Path = RESULTS, folder: Path | None = None) -> Path:
    """Write the report of a preset on a data set from `results`; returns its folder.

    Raises UsageError where there are no results to report.
    """
    paths = kept(preset, data, results)
    if not paths:
        raise UsageError(
            f"{results / preset / data} has no results; `make reproduce-table PRESET={preset} "
            "KEEP=1` puts them there."
        )
    folder = folder or reports_folder(preset, data)
    table.write(paths, folder, preset)
    found = paired.table(paths)
    if len(found):
        replace_text(folder / "paired.md", paired_markdown(found))
        replace_text(folder / "paired.csv", found.to_csv(index=False))
    replace(folder / "curves.png", lambda f: curves.draw(curves.gather(paths), f))
    return folder


def main() -> None:
    """The command line; see `--help`."""
    parser = argparse.ArgumentParser(prog="reproduce.report", description=__doc__)
    parser.add_argument("--preset", default="short", help="quick, short or paper")
    parser.add_argument("--data", choices=NAMES, default="mnist")
    arguments = parser.parse_args()
    print(f"report: {write(arguments.preset, arguments.data)}")


if __name__ == "__main__":
    sys.exit(command.run(main, "Run the same command again."))
