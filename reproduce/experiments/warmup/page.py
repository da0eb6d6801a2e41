"""reports/warmup.md: how robust HVI and HVI-AVO are to the annealing of beta."""

from pathlib import Path

import pandas as pd

from annealed.config.schema import TrainerOptions
from reproduce.experiments.warmup import design, figures, summary
from reproduce.pages import page
from reproduce.pages.markdown import bounds, markdown_table, number, seeds, spread
from reproduce.pages.page import Section
from reproduce.results import trials
from reproduce.results.statistics import interval
from reproduce.results.trials import Trial

READINGS = Path(__file__).parent
NOTE = (
    "± is half a 95% t-interval over seeds; the difference is paired by seed and image, and its "
    "last interval a bootstrap over seeds and images together. Active units are latents whose "
    "posterior mean varies over images by more than 0.01. The KL of a latent is that of the "
    "Gaussian with its posterior mean and variance, from N(0, 1)."
)


def schedules_table(summary: pd.DataFrame, differences: pd.DataFrame) -> str:
    """Rows and schedules, with HVI-AVO less HVI."""
    head = ["warm-up", "row", "seeds", "NLL", "HVI-AVO less HVI", "over seeds and images"]
    lines = []
    for r in summary.itertuples():
        cells = [r.schedule, r.row, seeds(r), spread(r.nll, r.nll_half)]
        pair = differences[differences.schedule == r.schedule] if len(differences) else []
        if len(pair) and r.row == "hvi_avo":
            p = pair.iloc[0]
            half = (p.t_high - p.t_low) / 2 if p.seeds > 1 else float("nan")
            cells += [spread(p.difference, half, "+.2f")]
            cells += [bounds(p.bootstrap_low, p.bootstrap_high)]
        else:
            cells += ["", ""]
        cells += [
            number(r.elbo),
            number(r.rate),
            spread(r.active_units, r.active_units_half, ".1f"),
        ]
        lines.append(cells)
    return markdown_table([*head, "ELBO", "rate", "active units"], lines, 2)


def spread_table(table: pd.DataFrame) -> str:
    """How much the schedule matters to each row."""
    lines = [
        [row, str(len(group)), spread(*interval(group["spread"]))]
        for row, group in table.groupby("row", sort=False)
    ]
    wide = table.pivot(index="seed", columns="row", values="spread").dropna()
    if len(wide) and set(design.ROWS) <= set(wide.columns):
        gap = interval(wide["hvi_avo"] - wide["hvi"])
        lines.append(["hvi_avo less hvi", str(len(wide)), spread(*gap, "+.2f")])
    return markdown_table(["row", "seeds", "worst less best NLL over schedules"], lines, 1)


def left_out(absent: dict[str, int]) -> str:
    """Which seeds have no place in `spread_table`; empty where all have."""
    if not absent:
        return ""
    counts = ", ".join(f"{count} of {row}" for row, count in absent.items())
    return f"Left out, as they did not finish under every schedule of the page: seeds, {counts}."


def write(
    plan: list[Trial], pool: Path, folder: Path, preset: str, data: str, note: Path | None = None
) -> str:
    """Write <folder>.md, its figures and CSV into `folder`; returns the digest of its numbers."""
    results = trials.gather(plan, pool, preset, data)
    runs = trials.table(results)
    schedules, differences = summary.summary(runs, data), summary.differences(results, data)
    spreads, latents = summary.spread(runs), summary.latents(results, data)
    frames = {"runs": runs, "summary": schedules, "differences": differences, "spread": spreads}
    names = design.schedules(data)
    by_schedule, by_spread = schedules_table(schedules, differences), spread_table(spreads)
    absent = left_out(summary.left_out(runs))
    sections = [
        Section(
            "",
            [by_schedule, NOTE, f"![By schedule]({folder.name}/schedules.png)"],
            [by_schedule],
            figures={"schedules": figures.by_schedule(runs, names)},
            frames=frames,
        ),
        Section("How much the schedule matters", [*filter(None, [by_spread, absent])], [by_spread]),
        Section(
            "KL of each latent",
            [f"![KL of each latent]({folder.name}/latents.png)"],
            figures={"latents": figures.by_latent(latents, list(names))},
            frames={"latents": latents},
        ),
    ]
    left, trainer = len(plan) - len(results), _trainer(preset, data)
    missing = f" **{left} of {len(plan)} trials are still to be run.**" if left else ""
    source = (
        f"`{trials.command('warmup', preset, data, runs.seed.nunique())}`: data {data}, preset "
        f"{trials.PRESETS[preset]}, {trainer.epochs} epochs, of which the default warm-up takes "
        f"{trainer.warmup_epochs}; validation images, S = {runs.samples.max():.0f}. Commit "
        f"{', '.join(sorted(set(runs.commit)))}.{missing} All numbers are in `{folder.name}/`."
    )
    return page.write(
        folder.with_name(f"{folder.name}.md"),
        "Robustness to the annealing of beta: HVI against HVI-AVO",
        preset,
        source,
        sections,
        note or READINGS / f"reading_{data}.md",
        folder,
    )


def _trainer(preset: str, data: str) -> TrainerOptions:
    """What the trials share."""
    return Trial(design.SETTING, "hvi").as_run(trials.PRESETS[preset], data, "").config().trainer
