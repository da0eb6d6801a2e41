"""What the pages share: their command line, their folder, figures as PNG and PDF, tables as CSV."""

import argparse
from collections.abc import Callable, Mapping
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from annealed.utils.errors import UsageError
from annealed.utils.files import replace, replace_text
from reproduce.scheduling import engines


def arguments(
    name: str,
    description: str,
    sizes: Mapping,
    own: Callable[[argparse.ArgumentParser], None] = lambda parser: None,
    by_engine: bool = False,
) -> argparse.Namespace:
    """The options of `python -m reproduce.<name>`: preset, seeds, jobs, runs.

    `sizes` maps a preset to what has its number of `seeds`; `own` adds options. With `by_engine`
    the options of `engines` take the place of jobs. Raises UsageError for a preset that it does not
    have and for a number below 1.
    """
    parser = argparse.ArgumentParser(prog=f"reproduce.{name}", description=description)
    accepted = " or ".join(sizes)
    parser.add_argument("--preset", default="quick", help=accepted)
    parser.add_argument("--seeds", type=int, help="seeds 0 to SEEDS - 1; default: by preset")
    parser.add_argument("--runs", default="runs", help="where results are")
    if by_engine:
        engines.add_options(parser)
    else:
        jobs = engines.default_jobs()
        parser.add_argument("--jobs", type=int, default=jobs, help="cells at a time")
    own(parser)
    found = parser.parse_args()
    if found.preset not in sizes:
        raise UsageError(f"--preset is {found.preset!r}; accepted: {', '.join(sizes)}.")
    if found.seeds is None:
        found.seeds = sizes[found.preset].seeds
    for option in ("seeds", "jobs", "threads"):
        value = getattr(found, option, None)
        if value is not None and value < 1:
            raise UsageError(f"--{option} is {value}; accepted: 1 or more.")
    return found


def folder(name: str, preset: str) -> Path:
    """reports/<name> for `full`; a smoke run never overwrites it."""
    return Path("reports", name) if preset == "full" else Path("reports", preset, name)


def save(figure: Figure, place: Path, name: str) -> None:
    """Write `figure` as <name>.png and <name>.pdf into `place`; old files stay until then."""
    for form, options in (("png", {"dpi": 110}), ("pdf", {"metadata": {"CreationDate": None}})):
        write = options | {"format": form, "bbox_inches": "tight"}
        replace(place / f"{name}.{form}", lambda f, w=write: figure.savefig(f, **w))


def save_frames(frames: dict[str, pd.DataFrame], place: Path) -> None:
    """Write each data frame as <name>.csv into `place`, six significant digits."""
    for name, frame in frames.items():
        replace_text(place / f"{name}.csv", frame.to_csv(index=False, float_format="%.6g"))


def commits(results: list[dict]) -> str:
    """The commits that made `results`."""
    return ", ".join(sorted({r["provenance"]["commit"] for r in results}))
