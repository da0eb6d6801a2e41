"""Posterior collapse, exact and learned: `python -m reproduce.experiments.collapse`."""

import sys
from pathlib import Path
from types import SimpleNamespace

import torch

from annealed.runs import cli
from annealed.utils.errors import UsageError
from annealed.utils.provenance import provenance
from reproduce.experiments.collapse import page
from reproduce.experiments.collapse.linear import run
from reproduce.experiments.collapse.linear.design import SIZES
from reproduce.experiments.collapse.linear.section import section
from reproduce.experiments.collapse.nonlinear import section as nonlinear
from reproduce.experiments.collapse.section import Section
from reproduce.pages import common
from reproduce.results import trials
from reproduce.scheduling import tasks
from reproduce.scheduling.local import Local

DATA = {"quick": ("digits",), "full": ("digits", "mnist")}  # of the trials
SEEDS = {"quick": 2, "full": trials.SEEDS}  # of the trials
BY_PART = SimpleNamespace(seeds=None)  # without --seeds each part has its own number


def autoregressive(
    preset: str, data: str, runs: str, seeds: int, jobs: int
) -> tuple[list[Section], list[str]]:
    """The section on a data set, none without results, and what failed on the way."""
    plan, pool = nonlinear.plan(data), trials.pool(preset, runs)
    failures = trials.run(plan, preset, data, runs, seeds, Local(jobs))
    if not trials.gather(plan, pool, preset, data):
        return [], failures
    return [nonlinear.section(pool, preset, data)], failures


def main() -> None:
    """The command line; see `--help`."""
    arguments = common.arguments("collapse", __doc__, dict.fromkeys(SIZES, BY_PART))
    torch.set_num_threads(1)
    size, preset = SIZES[arguments.preset], arguments.preset
    cells = run.tasks(size, Path(arguments.runs), preset)
    seeds, code = list(range(arguments.seeds or size.seeds)), provenance(torch.device("cpu"))
    results = tasks.finish_all(list(cells.values()), seeds, arguments.jobs, code)
    found = dict(zip(cells, results, strict=True))
    sections, failures = [section(found, size), nonlinear.setting()], []
    for name in DATA[preset]:
        of_trials = arguments.seeds or SEEDS[preset]
        more, failed = autoregressive(preset, name, arguments.runs, of_trials, arguments.jobs)
        sections, failures = [*sections, *more], [*failures, *failed]
    folder = common.folder("collapse", preset)
    written = page.write(sections, arguments.seeds, folder, preset)
    print(f"page: {folder / 'index.md'} (numbers {written})")
    for failure in failures:
        print(failure, file=sys.stderr)
    if failures:
        raise UsageError(f"{len(failures)} trials failed or could not be kept, as told above.")


if __name__ == "__main__":
    sys.exit(cli.run(main, "Run the same command again to go on."))
