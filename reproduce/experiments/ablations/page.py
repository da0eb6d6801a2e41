"""reports/ablations.md: numbers made by code, around a reading written by hand."""

from pathlib import Path

import pandas as pd

from annealed.utils.files import replace, replace_text
from reproduce.experiments.ablations import figures, summary
from reproduce.experiments.ablations.design import matched
from reproduce.pages import common
from reproduce.pages.commentary import digest, reading
from reproduce.pages.markdown import markdown_table, number, spread
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
    return f"{line.bootstrap_low:+.2f} to {line.bootstrap_high:+.2f}"


def trials_table(table: pd.DataFrame) -> str:
    """Every trial of one row under one setting."""
    lines = []
    for line in table.itertuples():
        known = getattr(line, "difference", None)
        known = known is not None and known == known
        name = _named(line.change)
        seeds = f"{line.seeds}" + (f" ({line.diverged} diverged)" if line.diverged else "")
        cells = [name, seeds, spread(line.nll, line.nll_half)]
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
    budget: int,
    pool: Path,
    folder: Path,
    preset: str,
    data: str,
    note: Path | None = None,
) -> str:
    """Write <folder>.md, its PNG and CSV into `folder`; returns the digest of its numbers."""
    found = trials.gather(plan, pool, preset, data)
    runs = trials.table(found)
    table, pairs = summary.effects(plan, runs, found, budget), summary.rows(found, matched(data))
    folder.mkdir(parents=True, exist_ok=True)
    common.save_frames({"runs": runs, "effects": table, "rows": pairs}, folder)
    parts = [
        (setting, row, trials_table(group))
        for (setting, row), group in table.groupby(["setting", "row"], sort=False)
    ]
    first = next(iter(SETTINGS))
    against, best = rows_table(pairs), budget_table(summary.equal_budget(table, first))
    made = [against, best, *(text for *_, text in parts)]
    answer, discussion = reading(digest(made), note or READINGS / f"reading_{data}.md")
    smoke = "SMOKE RUN, far from converged and no evidence. " if preset == "quick" else ""
    blocks = ["# Ablations: what decides the table", smoke + answer]
    blocks += [source(runs, plan, len(plan) - len(found), preset, data, folder.name)]
    blocks += ["## Rows against each other", against]
    blocks += [f"## An equal budget of {budget} trials a row, {first}", best]
    blocks += ["The best is chosen and reported on the same images, which flatters every row."]
    for setting, row, text in parts:
        blocks += [f"## {row}, {setting}", text]
    blocks += [NOTE, *_pictures(table, found, folder)]
    blocks += ["## Reading", discussion] if discussion else []
    replace_text(folder.with_name(f"{folder.name}.md"), "\n\n".join(blocks) + "\n")
    return digest(made)


def _pictures(table: pd.DataFrame, found: trials.Found, folder: Path) -> list[str]:
    blocks = []
    if "difference" in table.columns:
        replace(folder / "effects.png", lambda f: figures.effects(table, f))
        blocks += [f"![Effects]({folder.name}/effects.png)"]
    few = [p for t, by in found.items() if t.setting == "5000 images" for p in by.values()]
    if few:
        replace(folder / "few.png", lambda f: curves.draw(curves.gather(few), f))
        blocks += ["## Training on 5000 images", f"![Curves]({folder.name}/few.png)"]
    return blocks


def source(
    runs: pd.DataFrame, plan: list[Trial], left: int, preset: str, data: str, name: str
) -> str:
    """Where the numbers come from, and what is still to be run."""
    missing = f" **{left} of {len(plan)} trials are still to be run.**" if left else ""
    own = {trial.setting: SETTINGS[trial.setting] for trial in plan}
    settings = [f" {k}: {', '.join(f'`{o}`' for o in v)}." for k, v in own.items() if v]
    return (
        f"`{trials.command('ablations', preset, data, runs.seed.nunique())}`: data {data}, preset "
        f"{trials.PRESETS[preset]}.{''.join(settings)} NLL is the importance-sampled one of the "
        f"validation images, in nats, S = {runs.samples.max():.0f}, of which "
        f"{100 * runs.k_hat_untrusted.mean():.0f} % have a k-hat too high for it; no test image "
        f"was looked at. Commit {', '.join(sorted(set(runs.commit)))}.{missing} All numbers: "
        f"`{name}/runs.csv`, `{name}/effects.csv`, `{name}/rows.csv`."
    )
