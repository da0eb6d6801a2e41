"""reports/successors.md: AVO beside its successors, by one estimator, and what each costs."""

import math
from pathlib import Path

import pandas as pd

from reproduce.experiments import page_work
from reproduce.experiments.committed import UnitPage
from reproduce.experiments.nested import run as nested
from reproduce.experiments.page_work import PageWork, Source
from reproduce.experiments.successors import figures, summary, tables
from reproduce.experiments.successors.design import BUDGETS, COUNTS, Budget, from_nested
from reproduce.pages import page
from reproduce.pages.markdown import span_of
from reproduce.pages.page import Section

READING = Path(__file__).parent / "reading.md"
SETTING = Path(__file__).parent / "setting.md"
TITLE = "AVO and its successors: which to take"
TRUTHS = {"log_z": math.log(8.0), "rarest_mode": 0.125}


def of_nested(source: Source) -> list[PageWork]:
    """The units of the nested page that this page shows, which that page commits."""
    root = Path(source.runs, "nested", source.preset)
    folders = [
        nested.folder(Path(source.runs), source.preset, setting)
        for count in COUNTS
        for setting in from_nested(count)
    ]
    return source.plan("nested", [folder.relative_to(root).as_posix() for folder in folders])


def make(source: Source, folder: Path) -> str:
    """`write` of what the units made; UsageError where some is missing."""
    made, _ = source.read("successors")
    borrowed, _ = page_work.read(of_nested(source))
    rows = summary.mnist(source.results)
    return write(made, borrowed, rows, BUDGETS[source.preset], folder, source.preset)


PAGE = UnitPage("successors", make, of_nested, beside=True)


def write(
    made: summary.Results,
    borrowed: summary.Results,
    rows: pd.DataFrame,
    budget: Budget,
    folder: Path,
    preset: str,
    note: Path = READING,
) -> str:
    """Write <folder>.md, its figure and the CSV of its numbers; returns the numbers' digest.

    `made` are the results of this page's settings, `borrowed` those of the nested page's, `rows`
    what `summary.mnist` gives.
    """
    ring_seeds = summary.ring_seeds(made, borrowed)
    toy_seeds, cost_seeds = summary.toy_seeds(made), summary.cost_seeds(made)
    ring = summary.over_seeds(ring_seeds, ["method", "count"], summary.RING)
    toys = summary.by_toy(toy_seeds)
    costs = summary.over_seeds(cost_seeds, ["row"], summary.COSTS)
    shown = {
        "mnist": tables.mnist_table(rows),
        "cost": tables.cost_table(costs),
        "ring": tables.ring_table(ring),
        "toys": tables.toys_table(toys, budget.toys.draws),
    }
    results = [r for of_setting in {**made, **borrowed}.values() for r in of_setting]
    source = (
        f"{page.seeds_source('successors', preset, results)}; MNIST: {mnist_source(rows)}. ± is "
        f"half a 95% t-interval over seeds. All numbers: `{folder.name}/*.csv`."
    )
    sections = [
        page.what_was_run(SETTING),
        Section(
            "MNIST",
            [shown["mnist"], tables.untrained(rows), tables.MNIST_NOTE],
            [shown["mnist"]],
            frames={"mnist": rows},
        ),
        Section(
            "Cost of a training step",
            [shown["cost"], tables.cost_note(budget)],
            [shown["cost"]],
            frames={"cost": costs, "cost_seeds": cost_seeds},
        ),
        Section(
            "The ring",
            [
                shown["ring"],
                "K - 1 transitions. The truth is log 8 = 2.08 for log Z and 0.125 for the rarest "
                f"mode; the ESS is of {budget.ring.paths} paths.",
                f"![The ring]({folder.name}/ring.png)",
            ],
            [shown["ring"]],
            figures={"ring": figures.ring(ring, TRUTHS)},
            frames={"ring": ring, "ring_seeds": ring_seeds},
        ),
        Section(
            "Two hard toys",
            [shown["toys"], tables.toys_note(budget)],
            [shown["toys"]],
            frames={"toys": toys, "toys_seeds": toy_seeds},
        ),
    ]
    return page.write(PAGE.path(folder), TITLE, preset, source, sections, note, folder)


def mnist_source(rows: pd.DataFrame) -> str:
    """Where the numbers on MNIST are from."""
    counts = [int(count) for count in rows.seeds if count > 0]
    if not counts:
        return "no committed result"
    seeds = f"{span_of(counts)} seed{'s' * (max(counts) > 1)}"
    return f"`reports/results/short/mnist.jsonl`, {seeds} a row"
