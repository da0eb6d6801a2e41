"""reports/ablations.md: what decides the table, one choice at a time."""

from pathlib import Path

import pandas as pd

from annealed.inference.avo import DECODER
from annealed.utils.files import replace
from reproduce.experiments.ablations import design, figures, summary
from reproduce.pages import page
from reproduce.pages.markdown import bounds, markdown_table, number, seeds, spread
from reproduce.pages.page import Section
from reproduce.results import trials
from reproduce.results.trials import DEFAULTS, SETTINGS, Trial
from reproduce.table import curves

READINGS = Path(__file__).parent
NOTE = (
    "± is half a 95% t-interval over seeds. Differences are from the row's defaults, over the same "
    "seeds and images: the first interval is Student's t over seeds, the second a bootstrap over "
    "seeds and images together. Below zero the choice is better. The gap is the training less the "
    "validation bound."
)


def effect(line) -> str:
    """A paired difference and its interval over seeds."""
    half = (line.t_high - line.t_low) / 2 if line.seeds > 1 else float("nan")
    return spread(line.difference, half, "+.2f")


def both(line) -> str:
    """The interval over seeds and images together."""
    return bounds(line.bootstrap_low, line.bootstrap_high)


def trials_table(table: pd.DataFrame) -> str:
    """Every trial of one row under one setting."""
    lines = []
    for line in table.itertuples():
        known = getattr(line, "difference", None)
        known = known is not None and known == known
        name = _named(line.change)
        cells = [name, seeds(line), spread(line.nll, line.nll_half)]
        cells += [effect(line), both(line)] if known else ["", ""]
        cells += [number(line.elbo), number(line.gap), number(line.rate)]
        cells += [number(line.active_units, ".1f"), number(line.minutes, ".1f")]
        lines.append(cells)
    head = ["choice", "seeds", "NLL", "difference", "over seeds and images", "ELBO", "gap"]
    return markdown_table([*head, "rate", "active units", "min a seed"], lines, 1)


def rows_table(table: pd.DataFrame) -> str:
    """Rows against each other."""
    lines = [
        [r.setting, r.row, _named(r.choice), r.against, _named(r.its_choice), effect(r), both(r)]
        for r in table.itertuples(index=False)
    ]
    head = ["setting", "row", "choice", "against", "its choice", "difference"]
    return markdown_table([*head, "over seeds and images"], lines, 5)


def _named(change: str) -> str:
    return change if change == DEFAULTS else f"`{change}`"


def readings_table(table: pd.DataFrame) -> str:
    """HVI-AVO under every reading, less HVI."""
    lines = [
        [
            r.reading,
            r.start,
            f"{r.sigma:g}",
            f"{r.gate_bias:g}",
            DECODER.get(r.train_decoder, r.train_decoder),
            "every" if r.train_encoder else "none",
            spread(r.hvi, r.hvi_half),
            spread(r.hvi_avo, r.hvi_avo_half),
            effect(r),
            both(r),
        ]
        for r in table.itertuples(index=False)
    ]
    head = ["reading", "q_0", "sigma", "gate bias", "stages that train the decoder"]
    head += ["the encoder", "HVI", "HVI-AVO", "difference", "over seeds and images"]
    return markdown_table(head, lines, 6)


def budget_table(table: pd.DataFrame) -> str:
    """The best of each row's trials."""
    lines = [
        [r.row, r.choice, str(r.trials), number(r.defaults), spread(r.best, r.best_half)]
        for r in table.itertuples()
    ]
    return markdown_table(
        ["row", "best choice", "trials", "NLL of defaults", "NLL of best"], lines, 2
    )


def write(
    plan: list[Trial],
    pool: Path,
    folder: Path,
    preset: str,
    data: str,
    note: Path | None = None,
    budget: int | None = None,
) -> str:
    """Write <folder>.md, its PNG and CSV into `folder`; returns the digest of its numbers.

    `budget`, how many of a row's trials count in a comparison, is by default that of the design.
    """
    budget = design.read(data)[1] if budget is None else budget
    results = trials.gather(plan, pool, preset, data)
    runs = trials.table(results)
    one_change = [trial for trial in plan if trial.change.count(" ") == 0]
    effects = summary.effects(one_change, runs, results, budget)
    tried = summary.readings(results, design.readings(data))
    pairs = summary.rows(results, design.matched(data))
    frames = {"runs": runs, "effects": effects, "rows": pairs}
    frames |= {"readings": tried} if len(tried) else {}
    first = next(iter(SETTINGS))
    against, best = rows_table(pairs), budget_table(summary.equal_budget(effects, first))
    warning = "The best is chosen and reported on the same images, which flatters every row."
    sections = [
        Section("Rows against each other", [against], [against], frames=frames),
        Section(f"An equal budget of {budget} trials a row, {first}", [best, warning], [best]),
    ]
    if len(tried):
        readings = readings_table(tried)
        sections.insert(1, Section("Readings of AVO, 100 epochs", [readings], [readings]))
    for (setting, row), group in effects.groupby(["setting", "row"], sort=False):
        table = trials_table(group)
        sections.append(Section(f"{row}, {setting}", [table], [table]))
    folder.mkdir(parents=True, exist_ok=True)
    return page.write(
        folder.with_name(f"{folder.name}.md"),
        "Ablations: what decides the table",
        preset,
        source(runs, plan, len(plan) - len(results), preset, data, folder.name),
        [*sections, *_pictures(effects, results, folder)],
        note or READINGS / f"reading_{data}.md",
        folder,
    )


def _pictures(effects: pd.DataFrame, results: trials.Results, folder: Path) -> list[Section]:
    """The note on the tables and the figures, which are written into `folder` as PNG alone."""
    blocks = [NOTE]
    if "difference" in effects.columns:
        replace(folder / "effects.png", lambda f: figures.effects(effects, f))
        blocks += [f"![Effects]({folder.name}/effects.png)"]
    sections = [Section("", blocks)]
    few = [p for t, by in results.items() if t.setting == "5000 images" for p in by.values()]
    if few:
        replace(folder / "few.png", lambda f: curves.draw(curves.gather(few), f, False))
        picture = f"![Curves]({folder.name}/few.png)"
        sections.append(Section("Training on 5000 images", [picture]))
    return sections


def source(
    runs: pd.DataFrame, plan: list[Trial], left: int, preset: str, data: str, name: str
) -> str:
    """Where the numbers come from, and what is still to be run."""
    missing = f" **{left} of {len(plan)} trials are still to be run.**" if left else ""
    overrides = {trial.setting: SETTINGS[trial.setting] for trial in plan}
    settings = [f" {k}: {', '.join(f'`{o}`' for o in v)}." for k, v in overrides.items() if v]
    return (
        f"`{trials.command('ablations', preset, data, runs.seed.nunique())}`: data {data}, preset "
        f"{trials.PRESETS[preset]}.{''.join(settings)} NLL is the importance-sampled one of the "
        f"validation images, in nats, S = {runs.samples.max():.0f}, of which "
        f"{100 * runs.k_hat_untrusted.mean():.0f} % have a k-hat too high for it; no test image "
        f"was looked at. Commit {', '.join(sorted(set(runs.commit)))}.{missing} All numbers: "
        f"`{name}/*.csv`."
    )
