"""What the rows of a table draw: `python -m reproduce.table.pictures --preset short`."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import matplotlib

from annealed.config.datasets import BINARY
from annealed.config.registry import METHODS
from annealed.evaluation.pictures import picture
from annealed.runs import cli
from annealed.runs.load import configured, trained
from annealed.runs.machine_keys import OVERRIDES_HELP
from annealed.training.checkpoints import BEST
from annealed.utils.errors import UsageError
from annealed.utils.files import write_errors_explained
from annealed.utils.paths import argument
from reproduce.pages.page import save
from reproduce.results.locations import reports_folder

matplotlib.use("agg")  # no screen is needed
from matplotlib import pyplot as plt

TITLES = {
    "samples": "samples of the prior",
    "reconstructions": "test images, and below each row its reconstruction",
    "traversals": "one latent from -3 to 3, the most used first",
}


def draw(run: Path, title: str, place: Path, name: str, overrides: Sequence[str] = ()) -> None:
    """Draw the trained run in folder `run` as <name>.png and <name>.pdf into `place`.

    `overrides` are of keys of the machine, as those of `configured`.
    """
    config = configured(run, overrides)
    method, subject = trained(run, config)
    kinds = subject.grids(method)
    figure, axes = plt.subplots(1, 3, figsize=(12, 4.9), constrained_layout=True)
    for axis, (kind, drawn) in zip(axes, kinds.items(), strict=True):
        axis.imshow(picture(drawn), cmap="gray")
        axis.set_title(TITLES[kind], fontsize=10)
        axis.axis("off")
    figure.suptitle(title)
    save(figure, place, name)
    plt.close(figure)


def main() -> None:
    """The command line; see `--help`."""
    parser = argparse.ArgumentParser(prog="reproduce.table.pictures", description=__doc__)
    parser.add_argument("--preset", default="quick", help="quick, short or paper")
    parser.add_argument("--data", choices=BINARY, default="mnist")
    parser.add_argument("--rows", default=",".join(METHODS), help="comma-separated rows")
    parser.add_argument("--seed", type=int, default=0, help="of the runs that are drawn")
    runs = argument("--runs")
    parser.add_argument("--runs", default="runs", type=runs, help="where run folders are")
    place = argument("--output", Path)
    parser.add_argument("--output", type=place, help="default: reports/<preset>/pictures")
    parser.add_argument("overrides", nargs="*", metavar="key=value", help=OVERRIDES_HELP)
    arguments = parser.parse_intermixed_args()
    place = Path(arguments.runs, arguments.preset, arguments.data)
    rows = [row for row in arguments.rows.split(",") if row]
    runs = {row: place / row / f"seed{arguments.seed}" for row in rows}
    done = {row: run for row, run in runs.items() if (run / BEST).is_file()}
    if not done:
        raise UsageError(f"{place} has no trained run of {', '.join(rows)} to draw.")
    folder = reports_folder(arguments.preset, arguments.data) / "pictures"
    folder = arguments.output or folder
    with write_errors_explained(folder, "name another folder with --output"):
        folder.mkdir(parents=True, exist_ok=True)
    for row, run in done.items():
        title = f"{row}, {arguments.data}, preset {arguments.preset}, seed {arguments.seed}"
        draw(run, title, folder, row, arguments.overrides)
    print(f"pictures: {folder} ({', '.join(done)})")


if __name__ == "__main__":
    sys.exit(cli.run(main, "Run the same command again."))
