"""From trials to data frames: rows and schedules, and how much the schedule matters to a row."""

import numpy as np
import pandas as pd

from annealed.evaluation.result import read_result
from reproduce.pages.markdown import interval
from reproduce.results.paired import adjust
from reproduce.results.trials import DEFAULTS, Found, Trial, between

SETTING = "all images"
ROWS = ("hvi", "hvi_avo")
MOST = {"mnist": 20, "mnist_static": 20, "digits": 400}  # epochs that the preset trains for
ON_DIGITS = ("a tenth", "all")  # schedules that they alone have


def schedules(data: str) -> dict[str, str]:
    """The change that a trial makes, by the schedule's name on the page.

    The digits, where a trial takes a minute, have two lengths more.
    """
    found = {
        "none": "trainer.warmup_epochs=0",
        "a tenth": f"trainer.warmup_epochs={MOST[data] // 10}",
        "default": DEFAULTS,
        "four fifths": f"trainer.warmup_epochs={4 * MOST[data] // 5}",
        "all": f"trainer.warmup_epochs={MOST[data]}",
        "cyclical, 4 cycles": "trainer.warmup=cyclical",
    }
    return {name: found[name] for name in found if data == "digits" or name not in ON_DIGITS}


MEASURES = ("nll", "elbo", "rate", "active_units")


def plan(data: str) -> list[Trial]:
    """Every row under every schedule."""
    return [Trial(SETTING, row, change) for change in schedules(data).values() for row in ROWS]


def summary(runs: pd.DataFrame, data: str) -> pd.DataFrame:
    """One line a schedule and row: means and half widths of 95% t-intervals over seeds."""
    lines = []
    for words, change in schedules(data).items():
        for row in ROWS:
            mine = runs[(runs.change == change) & (runs.row == row) & (runs.status == "finished")]
            line = {"schedule": words, "row": row, "seeds": len(mine)}
            for measure in MEASURES if len(mine) else ():
                line[measure], line[f"{measure}_half"] = interval(mine[measure])
            lines += [line] if len(mine) else []
    return pd.DataFrame(lines)


def differences(found: Found, data: str) -> pd.DataFrame:
    """HVI-AVO less HVI under each schedule, paired by seed and image (see `paired.compare`)."""
    lines = []
    for words, change in schedules(data).items():
        hvi, avo = (found.get(Trial(SETTING, row, change), {}) for row in ROWS)
        if numbers := between(avo, hvi):
            lines.append({"schedule": words, **numbers})
    return adjust(pd.DataFrame(lines))


def spread(runs: pd.DataFrame) -> pd.DataFrame:
    """How much the schedule matters: a seed's worst less best NLL over schedules, by row and seed.

    Only seeds that have every schedule that any seed has count.
    """
    done = runs[runs.status == "finished"]
    lines = []
    for row, group in done.groupby("row", sort=False):
        table = group.pivot(index="seed", columns="change", values="nll").dropna()
        if table.shape[1] > 1:
            for seed, value in (table.max(axis=1) - table.min(axis=1)).items():
                lines.append({"row": row, "seed": seed, "spread": value})
    return pd.DataFrame(lines, columns=["row", "seed", "spread"])


def latents(found: Found, data: str) -> pd.DataFrame:
    """KL of every latent, sorted downwards, nats: one line a run and latent."""
    lines, names = [], {change: words for words, change in schedules(data).items()}
    for trial, paths in found.items():
        for seed, path in paths.items():
            values = read_result(path).get("kl_by_latent") or []
            for place, value in enumerate(np.sort(values)[::-1]):
                line = {"schedule": names[trial.change], "row": trial.row, "seed": seed}
                lines.append({**line, "latent": place, "kl": value})
    return pd.DataFrame(lines, columns=["schedule", "row", "seed", "latent", "kl"])
