"""reports/corners/index.md: where AVO fails or costs.

The parts of its reading, set apart by `commentary.BREAK`, are the answer above all numbers and then
one for each case, in the order of `design.cases`: a sentence that explains the numbers, and what a
user should do.
"""

from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from annealed.evaluation.result import trusted_k
from annealed.inference.marginal_kl import TIGHT
from annealed.utils.errors import UsageError
from annealed.utils.files import replace_text
from reproduce.experiments.committed import UnitPage
from reproduce.experiments.corners import figures, summary, tables
from reproduce.experiments.corners.design import BUDGETS, Budget, Case, Setting, cases
from reproduce.experiments.corners.targets import DISC
from reproduce.experiments.page_work import Source
from reproduce.pages import page
from reproduce.pages.commentary import BREAK, reading
from reproduce.pages.page import Section

READING = Path(__file__).parent / "reading.md"
SETTING = Path(__file__).parent / "setting.md"
CAPTIONS = {
    "far": "Seed {seed}: densities of the last marginal on the colour scale of the target on the "
    "left, brightness the square root of the density.",
    "dimensions": "Every seed as a point, the mean as a line.",
    "funnel": "Seed {seed}: v upward, the first of the others across; colours as for far modes.",
    "rho": "Every seed as a point, the mean as a line.",
}


def make(source: Source, folder: Path) -> str:
    """`write` of all that the page's units made; raises UsageError where something is missing."""
    results, places = source.read("corners")
    return write(results, cases(), places, BUDGETS[source.preset], folder, source.preset)


PAGE = UnitPage("corners", make)


def write(
    by_setting: dict[Setting, list[dict]],
    cases: dict[str, Case],
    places: dict[Setting, Path],
    budget: Budget,
    folder: Path,
    preset: str,
    note: Path = READING,
) -> str:
    """Write index.md, figures and CSV of numbers into `folder`; returns the digest.

    Raises UsageError where the reading was written for these numbers and does not have a part for
    each case.
    """
    seeds = summary.by_seed(by_setting, cases)
    rows = summary.by_row(by_setting, cases, seeds)
    shown = sorted(seeds.seed.unique().tolist())
    drawn = figures.every(seeds, places, shown[0])
    of_cases = [
        section(name, case, rows[rows.case == name], budget.draws, drawn.get(name), shown[0])
        for name, case in cases.items()
    ]
    numbers = page.digest_of(of_cases)
    answer, discussion = reading(numbers, note)
    parts = [part.strip() for part in discussion.split(BREAK)] if discussion else [""] * len(cases)
    if len(parts) != len(cases):
        raise UsageError(f"{note} has {len(parts)} parts after its answer; cases: {len(cases)}.")
    for of_case, part in zip(of_cases, parts, strict=True):
        of_case.blocks.extend([part] if part else [])
    results = [r for of_setting in by_setting.values() for r in of_setting]
    source = (
        f"{page.seeds_source('corners', preset, results)}; {budget.steps} steps of Adam, "
        f"S = {budget.samples} draws a step in training, S = {budget.draws} in evaluation, "
        f"{budget.points} points of each sample in an energy distance. All numbers: `seeds.csv`, "
        "`rows.csv`."
    )
    how_to_read = Section(
        "How to read the tables", [columns(budget)], frames={"seeds": seeds, "rows": rows}
    )
    sections = [page.what_was_run(SETTING), how_to_read, *of_cases]
    page.save_files(sections, folder)
    title = "Corner cases: where AVO fails or costs"
    replace_text(folder / "index.md", page.render(title, preset, [answer, source], sections))
    return numbers


def section(
    name: str, case: Case, rows: pd.DataFrame, draws: int, figure: Figure | None, seed: int
) -> Section:
    """A case's table, its exact values and its figure, of which `seed` is drawn; no commentary.

    A reading is held to the table without its column of seconds.
    """
    picture = [f"![{case.title}]({name}.png)", CAPTIONS[name].format(seed=seed)] if figure else []
    return Section(
        case.title,
        [tables.case(rows, case, draws), tables.truths(case), *picture],
        [tables.case(rows, case, draws, cost=False)],
        figures={name: figure} if figure else {},
    )


def columns(budget: Budget) -> str:
    """What the columns of the tables are."""
    return (
        "KL is KL(q_T || f) of the last marginal in nats, bounded from both sides with "
        f"{budget.particles} draws of z_(T-1): the upper bound, in brackets the mean of the lower; "
        f"a seed where they are more than {TIGHT:g} apart has none, and where some have one they "
        "are counted beside it. "
        "The path's KL, which is trained, is never smaller. The log Z error is "
        "the absolute error of the importance-sampled log Z, nats; in brackets the worst k-hat "
        f"over seeds, with ! above {trusted_k(budget.draws):.2f}, where the error is not to be "
        "trusted. A region is found when it gets at least a tenth of its exact mass; regions are "
        f"the discs of {DISC:g} standard deviations around the modes (left, right, top, bottom), "
        "or a funnel's v below -3, between, and above 3. Total variation is that of their masses, "
        "and of what is in none, from the exact ones. The energy distance is to "
        "exact samples; its noise floor is the largest between two exact samples. ± is half a 95% "
        "t-interval over seeds; differences are paired by seed. CPU seconds are those of "
        "training, of all seeds of a row divided by their number."
    )
