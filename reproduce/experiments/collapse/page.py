"""reports/collapse/index.md: collapsed latents, learned and exact."""

from pathlib import Path

from reproduce.experiments.collapse.linear.design import BUDGETS
from reproduce.experiments.collapse.linear.section import section as linear
from reproduce.experiments.collapse.nonlinear import section as nonlinear
from reproduce.experiments.committed import UnitPage
from reproduce.experiments.page_work import Source
from reproduce.pages import page
from reproduce.pages.page import Section
from reproduce.results import trials

READING = Path(__file__).parent / "reading.md"
DATA = {"quick": ("digits",), "full": ("digits", "mnist")}  # of the trials


def make(source: Source, folder: Path) -> str:
    """`write` of what the units made, with a section for each data set that has trials."""
    preset, counts = source.preset, {source.seeds}
    pool = trials.pool(preset, source.runs, source.results)
    results, _ = source.read("collapse")
    sections = [linear(results, BUDGETS[preset]), nonlinear.setting()]
    for data in DATA[preset]:
        if made := trials.gather(nonlinear.plan(data), pool, preset, data):
            sections.append(nonlinear.section(pool, preset, data))
            counts |= {len(paths) for paths in made.values()}
    asked = source.seeds if len(counts) == 1 else None  # by itself each part has its own number
    return write(sections, asked, folder, preset)


PAGE = UnitPage("collapse", make)


def write(
    sections: list[Section], seeds: int | None, folder: Path, preset: str, note: Path = READING
) -> str:
    """Write index.md, figures and CSV of `sections` into `folder`; returns the numbers' digest.

    `seeds` is the number that was asked for, None where each section has its own.
    """
    results = [result for section in sections for result in section.results]
    files = ", ".join(f"`{name}.csv`" for section in sections for name in section.frames)
    asked = f" SEEDS={seeds}" if seeds else ""
    source = (
        f"Source: `make reproduce-collapse PRESET={preset}{asked}`, "
        f"commit {page.commits(results)}. ± is half a 95% t-interval over seeds. "
        f"All numbers: {files}."
    )
    return page.write(folder / "index.md", "Posterior collapse", preset, source, sections, note)
