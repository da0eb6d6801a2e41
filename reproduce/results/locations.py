"""Where a table's report is written, and which data set a table is of."""

from pathlib import Path

from annealed.data.images import load_images
from annealed.data.locations import DataNotFound

FALLBACK = "MNIST is not at hand, so this is scikit-learn's digits; "


def choose_data(requested: str | None, preset: str) -> tuple[str, str]:
    """The data set to run and a note for the table's title.

    Where none is requested it is mnist, or, under `quick` alone, digits where MNIST cannot be had.
    Raises DataNotFound otherwise.
    """
    name = requested or "mnist"
    try:
        load_images(name, None, 0)
        return name, ""
    except DataNotFound as error:
        if requested or preset != "quick":
            raise
        print(f"{FALLBACK}{error}", flush=True)
        return "digits", FALLBACK


def reports_folder(preset: str, data: str) -> Path:
    """reports/<preset>, and a folder below it for data other than mnist."""
    folder = Path("reports", preset)
    return folder if data == "mnist" else folder / data
