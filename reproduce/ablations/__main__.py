"""One choice at a time, on the validation set: `python -m reproduce.ablations --preset quick`."""

import argparse
import sys
from pathlib import Path

from annealed import command
from annealed.data.images import NAMES
from annealed.errors import UsageError
from reproduce import schedule
from reproduce.__main__ import choose_data, default_jobs
from reproduce.ablations import page
from reproduce.ablations.grid import cell, read
from reproduce.results import RESULTS, keep_all

SMOKE = 7  # choices that a smoke run makes
PRESETS = {"quick": "quick", "full": "ablation"}


def main() -> None:
    """The command line; see `--help`."""
    parser = argparse.ArgumentParser(prog="reproduce.ablations", description=__doc__)
    parser.add_argument("--preset", default="quick", help="quick or full")
    parser.add_argument("--data", choices=NAMES, help="default: mnist")
    parser.add_argument("--seeds", type=int, default=3, help="seeds 0 to SEEDS - 1, side by side")
    parser.add_argument("--jobs", type=int, default=default_jobs(), help="choices at a time")
    parser.add_argument("--first", type=int, help="only the first so many choices")
    parser.add_argument("--runs", default="runs", help="where run folders are")
    parser.add_argument("--page", action="store_true", help="only write the page")
    arguments = parser.parse_args()
    if arguments.preset not in PRESETS:
        raise UsageError(f"--preset is {arguments.preset!r}; accepted: {', '.join(PRESETS)}.")
    for name in ("seeds", "jobs"):
        if getattr(arguments, name) < 1:
            raise UsageError(f"--{name} is {getattr(arguments, name)}; accepted: 1 or more.")
    full, preset = arguments.preset == "full", PRESETS[arguments.preset]
    data, _ = choose_data(arguments.data, arguments.preset)
    choices, settings, budget = read()
    choices = choices if full else choices[:SMOKE]
    kept = RESULTS / "ablations" if full else Path(arguments.runs, "ablations", "kept")
    failures = []
    if not arguments.page:
        options = {"replicas": arguments.seeds, "compile": full}
        wanted = choices[: arguments.first]
        cells = [cell(c, settings, preset, data, arguments.runs, **options) for c in wanted]
        places = {one: c.folder(kept) for c, one in zip(wanted, cells, strict=True)}
        done = lambda one: keep_all(one.results(), places[one])  # noqa: E731
        failures = schedule.run(cells, arguments.jobs, done=done)
    folder = Path("reports") if full else Path("reports", arguments.preset, "ablations")
    folder = folder if data == "mnist" else folder / data
    written = page.write(choices, settings, budget, kept, folder, preset, data)
    print(f"page: {folder / 'ablations.md'} (numbers {written})")
    for failure in failures:
        print(failure, file=sys.stderr)
    if failures:
        raise UsageError(f"{len(failures)} runs failed or could not be kept, as told above.")


if __name__ == "__main__":
    sys.exit(command.run(main, "Run the same command again to go on."))
