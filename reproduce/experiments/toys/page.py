"""reports/toy/index.md: HVI and IAF on toy energies, under the ELBO and under AVO."""

from pathlib import Path

import pandas as pd

from annealed.evaluation.result import trusted_k
from annealed.inference.marginal_kl import TIGHT
from annealed.models.energies import MASSES
from reproduce.experiments.committed import UnitPage
from reproduce.experiments.page_work import Source
from reproduce.experiments.toys import figures, starts, summary
from reproduce.experiments.toys.design import (
    BUDGETS,
    COUNTS,
    LABELS,
    LABELS_OF,
    MARGINALS,
    METHODS,
    Budget,
    Setting,
    settings,
)
from reproduce.pages import page
from reproduce.pages.markdown import markdown_table, number, spread
from reproduce.pages.page import Section

READING = Path(__file__).parent / "reading.md"
SETTING = Path(__file__).parent / "setting.md"


def numbers_table(table: pd.DataFrame, draws: int) -> str:
    """KL of path and last marginal, log Z error with k-hat, energy distance of every setting."""
    head = ["target", "path", "objective", "KL", "AVO less ELBO", "path's KL", "AVO less ELBO"]
    head += ["log Z error (k-hat)", "energy distance", "AVO less ELBO", "noise floor"]
    lines = []
    for r in table.itertuples():
        reference = r.objective == "ELBO"
        lost = f" ({r.lost} of {r.seeds} diverged)" if r.lost else ""
        mark = "!" if r.k_hat_max > trusted_k(draws) else ""
        gaps = [
            "" if reference else spread(mean, half, form)
            for mean, half, form in (
                (r.kl_marginal_difference, r.kl_marginal_difference_half, "+.3f"),
                (r.kl_difference, r.kl_difference_half, "+.3f"),
                (r.energy_distance_difference, r.energy_distance_difference_half, "+.4f"),
            )
        ]
        miss = spread(r.log_z_miss, r.log_z_miss_half, ".3f")
        distance = spread(r.energy_distance, r.energy_distance_half, ".4f")
        loose = "≤ " if r.kl_marginal_gap > TIGHT else ""
        entries = [loose + spread(r.kl_marginal, r.kl_marginal_half, ".3f") + lost, gaps[0]]
        entries += [spread(r.kl, r.kl_half, ".3f"), gaps[1]]
        entries += [f"{miss} ({number(r.k_hat_max)}{mark})", distance, gaps[2]]
        place = [r.target, f"{LABELS[r.method]} T={r.count}", r.objective]
        lines.append([*place, *entries, number(r.noise_floor, ".4f")])
    return markdown_table(head, lines, 3)


def masses_table(table: pd.DataFrame) -> str:
    """Mass in each mode of d, i and g; total variation from the true masses of these and h."""
    head = ["target", "path", "objective", "left", "right", "top", "bottom", "total variation"]
    lines = [["the truth (d, i, g)", "", "", *(number(m) for m in MASSES), "0", ""]]
    for r in table[table.total_variation.notna()].itertuples():
        four = not r.target.startswith("25")
        masses = [number(getattr(r, f"mass_{i}")) if four else "-" for i in range(4)]
        gap = r.total_variation_difference, r.total_variation_difference_half
        difference = "" if r.objective == "ELBO" else spread(*gap, "+.2f")
        place = [r.target, f"{LABELS[r.method]} T={r.count}", r.objective]
        lines.append(
            [*place, *masses, spread(r.total_variation, r.total_variation_half), difference]
        )
    return markdown_table([*head, "AVO less ELBO"], lines, 3)


def make(source: Source, folder: Path) -> str:
    """`write` of all that the page's units made; raises UsageError where something is missing."""
    made, _ = source.read("toys")
    by_setting = {setting: made[setting] for setting in settings()}
    preset = source.preset
    return write(by_setting, BUDGETS[preset], Path(source.runs), folder, preset)


PAGE = UnitPage("toys", make)


def write(
    by_setting: dict[Setting, list[dict]],
    budget: Budget,
    runs: Path,
    folder: Path,
    preset: str,
    note: Path = READING,
) -> str:
    """Write index.md, figures (PNG, PDF) and CSV into `folder`; returns the numbers' digest."""
    seeds = summary.by_seed(by_setting)
    table = summary.by_cell(seeds)
    results = [r for of_setting in by_setting.values() for r in of_setting]
    first = min(r["seed"] for r in results)
    targets = list(dict.fromkeys(setting.target for setting in by_setting))
    numbers, masses = numbers_table(table, budget.draws), masses_table(table)
    by_start = starts.by_start(seeds)
    gains, less_wide = starts.gains_table(table), starts.starts_table(by_start)
    marginals, drawn = [], {}
    for method in METHODS:
        for count in COUNTS:
            name = f"marginals_{method}_{count}"
            target = MARGINALS[method]
            drawn[name] = figures.marginals(target, method, count, runs, preset, first)
            what = f"{LABELS[method]}, T = {count}, {LABELS_OF[target]}:"
            marginals += [what, f"![marginals]({name}.png)"]
    source = (
        f"{page.seeds_source('toy', preset, results)}; {budget.steps} steps of Adam, S = "
        f"{budget.samples} draws a step in training, S = {budget.draws} in evaluation, "
        f"{budget.points} points of each sample in an energy distance. ± is half a 95% t-interval "
        "over seeds; differences are paired by seed. All numbers: `seeds.csv`, `summary.csv`."
    )
    sections = [
        page.what_was_run(SETTING),
        Section(
            "What was learnt",
            [
                "![Densities](densities.png)",
                f"Densities of seed {first}; one colour scale a row, clipped at the target's peak.",
            ],
            figures={"densities": figures.densities(targets, runs, preset, first)},
        ),
        Section(
            "The annealed targets and the marginals, four modes",
            [
                f"Seed {first}. Each column has one colour scale, which ends at the peak of f_t.",
                *marginals,
            ],
            figures=drawn,
        ),
        Section(
            "Numbers",
            [
                "KL(q_T || f) of the last marginal, that of the path (what is trained: never "
                "smaller, and the same for IAF) and the absolute error of log Z, nats; in brackets "
                "the worst Pareto k-hat over seeds, with ! above "
                f"{trusted_k(budget.draws):.2f}. HVI's KL is bounded from both sides with "
                f"{budget.particles} draws of z_(T-1); the upper bound is shown, with ≤ and no "
                f"difference where the lower one is more than {TIGHT:g} below. The energy distance "
                "sees end points alone; the noise floor is the largest over seeds, in size, "
                "between two exact samples.",
                numbers,
            ],
            [numbers],
            frames={"seeds": seeds, "summary": table},
        ),
        Section(
            "The author's start",
            [
                "HVI, AVO less ELBO from either start: `wide` covers the target, `unit` is the "
                "author's.",
                gains,
                "HVI, the unit start less the wide one. Dashes as above; all numbers: "
                "`starts.csv`.",
                less_wide,
            ],
            [gains, less_wide],
            frames={"starts": by_start},
        ),
        Section(
            "Mass of the modes",
            [
                "Share of draws nearest to each mode, mean over seeds. For the 25 modes, total "
                "variation alone.",
                masses,
            ],
            [masses],
        ),
    ]
    title = "Toy energies: HVI and IAF under the ELBO and under AVO"
    return page.write(folder / "index.md", title, preset, source, sections, note)
