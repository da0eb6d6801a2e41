"""NLL, active units and the KL of each latent by schedule."""

import matplotlib
import pandas as pd

matplotlib.use("agg")  # no screen is needed
from matplotlib import pyplot as plt

from reproduce.experiments.warmup.design import ROWS

COLOURS = dict(zip(ROWS, ("tab:orange", "tab:blue"), strict=True))
TITLES = {"nll": "validation NLL, nats", "active_units": "active units", "rate": "rate, nats"}


def by_schedule(runs: pd.DataFrame, names: dict[str, str]) -> plt.Figure:
    """A panel a measure: schedules across, every seed a dot, a line through the means.

    `names` are the schedules' changes by name.
    """
    figure, axes = plt.subplots(1, len(TITLES), figsize=(12, 3.8), constrained_layout=True)
    called = {change: name for name, change in names.items()}
    done = runs[runs.status == "finished"].assign(schedule=lambda t: t.change.map(called))
    order = [name for name in names if name in set(done.schedule)]
    for axis, (measure, title) in zip(axes, TITLES.items(), strict=True):
        for offset, (row, of_row) in zip((-0.06, 0.06), done.groupby("row"), strict=False):
            places = of_row.schedule.map(order.index) + offset
            axis.plot(places, of_row[measure], "o", color=COLOURS[row], alpha=0.6, markersize=4)
            mean = of_row.groupby("schedule")[measure].mean().reindex(order)
            axis.plot([i + offset for i in range(len(order))], mean, color=COLOURS[row], label=row)
        axis.set_xticks(range(len(order)), order, fontsize=8, rotation=20, ha="right")
        axis.set_title(title, fontsize=10)
        axis.grid(alpha=0.3)
    axes[0].legend(frameon=False)
    return figure


def by_latent(latents: pd.DataFrame, order: list[str]) -> plt.Figure:
    """A panel a schedule: the KL of the latents, sorted downwards, mean and range over seeds."""
    order = [name for name in order if name in set(latents.schedule)]
    figure, axes = plt.subplots(
        1, len(order), figsize=(2.6 * len(order), 3), sharey=True, squeeze=False
    )
    for axis, name in zip(axes[0], order, strict=True):
        for row, of_row in latents[latents.schedule == name].groupby("row"):
            values = of_row.groupby("latent")["kl"]
            axis.plot(values.mean().index, values.mean(), color=COLOURS[row], label=row)
            axis.fill_between(
                values.min().index, values.min(), values.max(), color=COLOURS[row], alpha=0.25
            )
        axis.set_title(name, fontsize=9)
        axis.set_xlabel("latent, sorted")
        axis.grid(alpha=0.3)
    axes[0, 0].set_ylabel("KL from N(0, 1), nats")
    axes[0, 0].legend(frameon=False)
    figure.tight_layout()
    return figure
