"""reports/ablations.md: numbers made by code, around a reading written by hand."""

from pathlib import Path

import pandas as pd

from annealed.files import replace, replace_text
from reproduce import curves
from reproduce.ablations import figures, numbers
from reproduce.ablations.grid import DEFAULTS, Choice
from reproduce.invertible.summary import number, spread
from reproduce.invertible.tables import grid
from reproduce.reading import digest, reading

READING = Path(__file__).parent / "reading.md"
BOUNDS = ["validation ELBO", "training ELBO", "gap", "rate", "active units"]
NOTE = (
    "± is half a 95% t-interval over seeds. Differences are from the row's defaults, over the same "
    "seeds and images: the first interval is Student's t over seeds, the second a bootstrap over "
    "seeds and images together. Below zero the choice is better."
)


def effect(line: pd.Series) -> str:
    """A paired difference and its interval over seeds."""
    half = (line.t_high - line.t_low) / 2 if line.seeds > 1 else float("nan")
    return spread(line.difference, half, "+.2f")


def over_seeds(line) -> str:
    """The interval over seeds."""
    return f"{line.t_low:+.2f} to {line.t_high:+.2f}" if line.seeds > 1 else "one seed"


def both(line) -> str:
    """The interval over seeds and images together."""
    return f"{line.bootstrap_low:+.2f} to {line.bootstrap_high:+.2f}"


def choices_table(table: pd.DataFrame) -> str:
    """Every choice of one row under one setting."""
    compared = "difference" in table.columns
    lines = []
    for line in table.itertuples():
        known = compared and line.difference == line.difference
        name = line.change if line.change == DEFAULTS else f"`{line.change}`"
        seeds = f"{line.seeds}" + (f" ({line.diverged} diverged)" if line.diverged else "")
        cells = [name, seeds, spread(line.nll, line.nll_half)]
        cells += [effect(line), both(line)] if known else ["", ""]
        cells += [number(line.elbo), number(line.gap), number(line.rate)]
        cells += [number(line.active_units, ".1f"), number(line.minutes, ".1f")]
        lines.append(cells)
    head = ["choice", "seeds", "NLL", "difference", "over seeds and images", "ELBO", "gap"]
    return grid([*head, "rate", "active units", "min a seed"], lines, 1)


def rows_table(table: pd.DataFrame) -> str:
    """Rows with their defaults against each other."""
    lines = [
        [r.setting, r.row, r.against, f"{r.difference:+.2f}", over_seeds(r), both(r)]
        for r in table.itertuples()
    ]
    head = ["setting", "row", "against", "difference", "over seeds", "over seeds and images"]
    return grid(head, lines, 3)


def budget_table(table: pd.DataFrame) -> str:
    """The best of each row's trials."""
    lines = [
        [r.row, r.choice, str(r.trials), number(r.defaults), spread(r.best, r.best_half)]
        for r in table.itertuples()
    ]
    return grid(["row", "best choice", "trials", "NLL of defaults", "NLL of best"], lines, 2)


def write(
    choices: list[Choice],
    settings: dict[str, list[str]],
    budget: int,
    kept: Path,
    folder: Path,
    preset: str,
    data: str,
    note: Path = READING,
) -> str:
    """Write ablations.md with its PNG and CSV into `folder`; returns the digest of its numbers."""
    found = numbers.gather(choices, kept, preset, data)
    runs = numbers.runs(found)
    table, pairs = numbers.effects(runs, found, budget), numbers.rows(found)
    folder.mkdir(parents=True, exist_ok=True)
    for name, frame in (("runs", runs), ("effects", table), ("rows", pairs)):
        text = frame.to_csv(index=False, float_format="%.6g")
        replace_text(folder / f"ablations_{name}.csv", text)
    parts = [
        (setting, row, choices_table(group))
        for (setting, row), group in table.groupby(["setting", "row"], sort=False)
    ]
    first = next(iter(settings))
    made = [text for *_, text in parts]
    made += [rows_table(pairs), budget_table(numbers.equal_budget(table, first))]
    answer, discussion = reading(digest(made), note)
    if "difference" in table.columns:
        replace(folder / "ablations_effects.png", lambda f: figures.effects(table, f))
    blocks = ["# Ablations: what decides the table", answer, source(runs, len(choices), found)]
    blocks += ["## Rows against each other, with their defaults", made[-2]]
    blocks += [f"## An equal budget of {budget} trials a row, {first}", made[-1]]
    blocks += ["The best is chosen and reported on the same images, which flatters every row."]
    for setting, row, text in parts:
        blocks += [f"## {row}, {setting}", _setting(settings[setting]), text]
    blocks += [NOTE]
    if (folder / "ablations_effects.png").exists():
        blocks += ["![Effects](ablations_effects.png)"]
    for setting in settings:
        paths = [p for c, by in found.items() if c == Choice(setting, c.row) for p in by.values()]
        if paths and len(settings[setting]):
            name = "ablations_curves.png"
            replace(folder / name, lambda f, p=paths: curves.draw(curves.gather(p), f))
            blocks += [f"## Training with {setting}", f"![Curves]({name})"]
    blocks += ["## Reading", discussion] if discussion else []
    replace_text(folder / "ablations.md", "\n\n".join(filter(None, blocks)) + "\n")
    return digest(made)


def source(runs: pd.DataFrame, planned: int, found: dict) -> str:
    """Where the numbers come from, and what is still to be run."""
    left = planned - len(found)
    missing = f" **{left} of {planned} choices are still to be run.**" if left else ""
    return (
        "NLL is the importance-sampled one of the validation images, in nats; no test image was "
        f"looked at. Commit {', '.join(sorted(set(runs.commit)))}.{missing} All numbers: "
        "`ablations_runs.csv`, `ablations_effects.csv`, `ablations_rows.csv`."
    )


def _setting(changes: list[str]) -> str:
    return ", ".join(f"`{change}`" for change in changes)
