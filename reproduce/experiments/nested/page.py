"""reports/nested/index.md: AVO and nested variational inference on the ring."""

from pathlib import Path

import pandas as pd

from reproduce.experiments.committed import UnitPage
from reproduce.experiments.nested import summary
from reproduce.experiments.nested.design import BUDGETS, COUNTS, KINDS, Budget, Setting
from reproduce.experiments.page_work import Source
from reproduce.pages import page
from reproduce.pages.markdown import markdown_table, spread
from reproduce.pages.page import Section

READING = Path(__file__).parent / "reading.md"
SETTING = Path(__file__).parent / "setting.md"
TITLE = "The ring: AVO beside nested variational inference"


def make(source: Source, folder: Path) -> str:
    """`write` of what the units made; UsageError where some is missing."""
    results, _ = source.read("nested")
    return write(results, BUDGETS[source.preset], folder, source.preset)


PAGE = UnitPage("nested", make)


def write(
    by_setting: dict[Setting, list[dict]],
    budget: Budget,
    folder: Path,
    preset: str,
    note: Path = READING,
) -> str:
    """Write index.md and the CSV of its numbers into `folder`; returns the numbers' digest."""
    seeds = summary.by_seed(by_setting)
    table = summary.by_setting(seeds)
    results = [r for of_setting in by_setting.values() for r in of_setting]
    source = (
        f"{page.seeds_source('nested', preset, results)}; {budget.steps} steps of Adam, "
        f"{budget.samples} // K samples a step; {budget.batches} batches of {budget.paths} paths "
        "score a seed. ± is half a 95% t-interval over seeds. All numbers: `seeds.csv`, "
        "`summary.csv`."
    )
    tolerance = summary.TOLERANCE
    log_z, ess = grid(table, "log_z", ".2f"), grid(table, "ess", ".0f")
    modes = grid(table, "rarest_mode", ".3f")
    sections = [
        page.what_was_run(SETTING),
        Section(
            "log Z, nats; the truth is log 8 = 2.08",
            [
                "Mean over seeds, in brackets the published mean, and the verdict: reproduced, "
                f"where the whole interval lies within {tolerance['log_z']} of it.",
                log_z,
            ],
            [log_z],
            frames={"seeds": seeds, "summary": table},
        ),
        Section(
            f"Effective sample size of {budget.paths} paths",
            [
                "Of the weights since the last resampling. Reproduced: within "
                f"{tolerance['ess']:g} of the published mean.",
                ess,
            ],
            [ess],
        ),
        Section(
            "The rarest mode",
            [
                "Its share of end points of paths, drawn without resampling; the truth is 0.125.",
                modes,
            ],
            [modes],
        ),
    ]
    return page.write(folder / "index.md", TITLE, preset, source, sections, note)


def grid(table: pd.DataFrame, measure: str, form: str) -> str:
    """A measure of every objective by K, beside what was published of it."""
    lines = []
    for kind in KINDS:
        entries = [kind]
        for count in COUNTS:
            (line,) = table[(table.kind == kind) & (table["count"] == count)].to_dict("records")
            entry = spread(line[measure], line[f"{measure}_half"], form)
            if (known := f"{measure}_published") in line:
                entry += f" ({line[known]:{form}}) {line[f'{measure}_verdict']}"
            if line["lost"]:
                entry += f", {line['lost']} of {line['seeds']} diverged"
            entries.append(entry)
        lines.append(entries)
    return markdown_table(["objective", *(f"K = {count}" for count in COUNTS)], lines, 1)
