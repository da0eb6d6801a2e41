"""From trials to data frames: rows and schedules, and how much the schedule matters to a row."""

import numpy as np
import pandas as pd

from reproduce.experiments.warmup.design import ROWS, SETTING, schedules
from reproduce.results.schedule_means import by_schedule
from reproduce.results.statistics import adjust
from reproduce.results.trials import Results, Trial, between

MEASURES = ("nll", "elbo", "rate", "active_units")


def summary(runs: pd.DataFrame, data: str) -> pd.DataFrame:
    """`by_schedule` of the page's schedules and rows."""
    return by_schedule(runs, schedules(data), ROWS, MEASURES)


def differences(results: Results, data: str) -> pd.DataFrame:
    """HVI-AVO less HVI under each schedule, paired by seed and image (see `statistics.compare`)."""
    lines = []
    for name, change in schedules(data).items():
        hvi, avo = (results.get(Trial(SETTING, row, change), {}) for row in ROWS)
        if numbers := between(avo, hvi):
            lines.append({"schedule": name, **numbers})
    return adjust(pd.DataFrame(lines))


def by_seed(runs: pd.DataFrame) -> pd.DataFrame:
    """NLL by row and seed under every schedule of either row; NaN where it did not finish."""
    return runs.pivot(index=["row", "seed"], columns="change", values="nll")


def spread(runs: pd.DataFrame) -> pd.DataFrame:
    """How much the schedule matters: a seed's worst less best NLL over schedules, by row and seed.

    Only seeds that finished under every schedule of `by_seed` count.
    """
    table = by_seed(runs)
    table = table.dropna() if table.shape[1] > 1 else table.iloc[:0]
    return (table.max(axis=1) - table.min(axis=1)).rename("spread").reset_index()


def left_out(runs: pd.DataFrame) -> dict[str, int]:
    """How many seeds of a row `spread` leaves out, by row; of rows that have some."""
    absent = by_seed(runs).isna().any(axis=1).groupby("row").sum()
    return absent[absent > 0].to_dict()


def latents(results: Results, data: str) -> pd.DataFrame:
    """KL of every latent, sorted downwards, nats: one line a run and latent."""
    lines, names = [], {change: name for name, change in schedules(data).items()}
    for trial, paths in results.items():
        for seed, path in paths.items():
            values = path.read().get("kl_by_latent") or []
            for place, value in enumerate(np.sort(values)[::-1]):
                line = {"schedule": names[trial.change], "row": trial.row, "seed": seed}
                lines.append({**line, "latent": place, "kl": value})
    return pd.DataFrame(lines, columns=["schedule", "row", "seed", "latent", "kl"])
