"""reports/invertible/index.md: AVO with invertible steps."""

from pathlib import Path

import pandas as pd

from annealed.evaluation.result import trusted_k
from reproduce.experiments.committed import UnitPage
from reproduce.experiments.invertible import digits, figures, summary, tables
from reproduce.experiments.invertible.design import BUDGETS, Setting
from reproduce.experiments.page_work import Source
from reproduce.experiments.paths import Budget
from reproduce.pages import page
from reproduce.pages.page import Section
from reproduce.scheduling.run_grid import Run

READING = Path(__file__).parent / "reading.md"
SETTING = Path(__file__).parent / "setting.md"


def make(source: Source, folder: Path) -> str:
    """`write` of what the units and the digits' rows made; UsageError where some is missing."""
    results, places = source.read("invertible")
    images = digits.results(rows(source))
    return write(results, images, places, BUDGETS[source.preset], folder, source.preset)


def rows(source: Source) -> list[Run]:
    """Every run on the digits."""
    return digits.plan(source.preset, source.seeds, source.runs)


PAGE = UnitPage("invertible", make, rows)


def write(
    by_setting: dict[Setting, list[dict]],
    images: list[dict],
    places: dict[Setting, Path],
    budget: Budget,
    folder: Path,
    preset: str,
    note: Path = READING,
) -> str:
    """Write index.md, figures and CSV of numbers into `folder`; returns the digest.

    `by_setting` are the results on toys, in the folders `places`; `images` those on the digits.
    """
    seeds = summary.toy_seeds(by_setting)
    table, nll = summary.toy_summary(seeds), digits.digits_summary(images)
    results = [r for of_setting in by_setting.values() for r in of_setting]
    shown = sorted({r["seed"] for r in results})
    data, digits_commits = digits.source(images)
    source = (
        f"Source: `make reproduce-invertible PRESET={preset} SEEDS={len(shown)}`, seeds "
        f"{shown[0]} to {shown[-1]}. Toys: commit {page.commits(results)}; {budget.steps} steps of "
        f"Adam, S = {budget.samples} draws a step in training and S = {budget.draws} in "
        f"evaluation. Digits: commit {digits_commits}; preset {digits.PRESETS[preset]}, SHA-256 "
        f"{data}, {int(nll.test_images.max())} test images, S = {int(nll.samples.max())}. ± is "
        "half a 95% t-interval over seeds; differences are paired by seed. "
        "All numbers: `toy_seeds.csv`, `toy_summary.csv`, `digits_seeds.csv`, "
        "`digits_summary.csv`."
    )
    sections = [
        page.what_was_run(SETTING),
        toy_divergence(seeds, table),
        toy_coverage(table, budget.draws, places, shown[0]),
        digits_nll(images, nll),
    ]
    title = "AVO with invertible steps: Householder-AVO and IAF-AVO"
    return page.write(folder / "index.md", title, preset, source, sections, note)


def toy_divergence(seeds: pd.DataFrame, table: pd.DataFrame) -> Section:
    """KL(q || f) on the toys."""
    divergence = tables.divergence(table)
    return Section(
        "KL(q || f) on toy targets, nats, lower is better",
        [divergence, "![KL of every seed](kl.png)"],
        [divergence],
        figures={"kl": figures.divergence(seeds)},
        frames={"toy_seeds": seeds, "toy_summary": table},
    )


def toy_coverage(
    table: pd.DataFrame, draws: int, places: dict[Setting, Path], seed: int
) -> Section:
    """log Z and the modes on the toys; `seed` is drawn."""
    evidence, modes = tables.evidence(table, draws), tables.modes(table)
    return Section(
        "Do the samples cover the target?",
        [
            f"Absolute error of the importance-sampled log Z, in nats, mean over seeds; in "
            f"brackets the worst Pareto k-hat over seeds, with ! above {trusted_k(draws):.2f}. A q "
            "that has lost a share p of the mass can show an error near -log(1 - p) and a low "
            "k-hat.",
            evidence,
            "Share of draws nearest to each mode of target d, mean over seeds:",
            modes,
            f"![Densities of seed {seed}](densities.png)",
            f"Densities of seed {seed}; one colour scale a row, clipped at the target's peak.",
        ],
        [evidence, modes],
        figures={"densities": figures.densities(places, seed)},
    )


def digits_nll(images: list[dict], nll: pd.DataFrame) -> Section:
    """NLL of the digits."""
    rows, samples = tables.nll(nll), int(nll.samples.max())
    return Section(
        f"Digits: test NLL, nats an image, S = {samples}",
        [
            rows,
            "The first interval is over seeds. The second is over test images, for the difference "
            f"averaged over these seeds. 'k-hat too high' is the share of images above "
            f"{trusted_k(samples):.2f}; there the true NLL may be lower. On the digits AVO is the "
            "mixture: a random 20% of the steps.",
        ],
        [rows],
        frames={"digits_seeds": digits.digits_seeds(images), "digits_summary": nll},
    )
