"""Make some units of a page: `python -m reproduce.experiments.worker toys --unit hvi-4/ELBO`."""

import argparse
import json
import os
import sys
import time
from contextlib import ExitStack

from annealed.runs import cli, parent_watch

PERIOD = 0.5  # seconds between two lines of progress


class Report:
    """Progress over all units, as lines of JSON where $ANNEALED_PROGRESS says so."""

    def __init__(self, units: int):
        self.units, self.unit, self.last = units, 0, 0.0
        self.wanted = os.environ.get("ANNEALED_PROGRESS") == "json"

    def __call__(self, done: int, total: int) -> None:
        """Say that `done` of `total` steps of the present unit are done."""
        now = time.monotonic()
        if self.wanted and now - self.last >= PERIOD:
            self.last = now
            state = {"phase": "fit", "done": self.unit + done / total, "total": self.units}
            print(json.dumps(state), flush=True)


def main() -> None:
    """The command line; see `--help`."""
    parent_watch.stop_with_parent()  # before torch is imported, which takes seconds
    import torch

    from annealed.utils.errors import UsageError
    from annealed.utils.files import locked
    from annealed.utils.paths import argument
    from annealed.utils.provenance import provenance
    from reproduce.experiments.page_work import PAGES, PageWork, units_of
    from reproduce.experiments.units import finish

    parser = argparse.ArgumentParser(prog="reproduce.experiments.worker", description=__doc__)
    parser.add_argument("page", choices=PAGES)
    parser.add_argument("--preset", default="quick", choices=("quick", "full"))
    parser.add_argument("--runs", default="runs", type=argument("--runs"), help="where results are")
    parser.add_argument("--seeds", type=int, required=True, help="seeds 0 to SEEDS - 1")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads")
    parser.add_argument("--unit", nargs="+", required=True, metavar="KEY", help="which units")
    arguments = parser.parse_args()
    for option in ("seeds", "threads"):
        if getattr(arguments, option) < 1:
            raise UsageError(f"--{option} is {getattr(arguments, option)}; accepted: 1 or more.")
    keys = units_of(arguments.page, arguments.preset, arguments.runs)
    for key in arguments.unit:
        if key not in keys:
            raise UsageError(f"--unit is {key!r}; accepted: {', '.join(keys)}.")
    torch.set_num_threads(arguments.threads)
    where = arguments.page, arguments.preset, arguments.runs
    work = PageWork(*where, arguments.seeds, tuple(arguments.unit))
    report, code = Report(len(work.units)), provenance(torch.device("cpu"))
    seeds = list(range(work.seeds))
    elsewhere = "name another folder with --runs"
    with ExitStack() as stack:
        for folder in work.locks():
            stack.enter_context(locked(folder, "the run folder", otherwise=elsewhere))
        for report.unit, unit in enumerate(work.units):
            missing = len(unit.missing(seeds))
            print(f"{unit.name}: {missing} results to make", file=sys.stderr, flush=True)
            finish(unit, seeds, code, report)


if __name__ == "__main__":
    sys.exit(cli.run(main, "Run the same command again to go on."))
