"""The ring by method: log Z, effective sample size and the rarest mode."""

import matplotlib
import pandas as pd
from matplotlib.figure import Figure

from reproduce.experiments.successors.design import COUNTS, METHODS

matplotlib.use("agg")  # no screen is needed

SHIFT = 0.15  # of a method's width, between two K
PANELS = {"log_z": "log Z, nats", "ess": "effective sample size", "rarest_mode": "rarest mode"}


def ring(table: pd.DataFrame, truths: dict[str, float]) -> Figure:
    """A panel a measure, a mark a method and K; bars are 95% t-intervals, lines `truths`."""
    figure = Figure(figsize=(11, 3.4), layout="constrained")
    axes = figure.subplots(1, len(PANELS))
    for axis, (measure, label) in zip(axes, PANELS.items(), strict=True):
        for count, shift in zip(COUNTS, (-SHIFT, SHIFT), strict=True):
            subset = table[table["count"] == count].set_index("method").loc[list(METHODS)]
            at = [place + shift for place in range(len(METHODS))]
            half = subset[f"{measure}_half"].fillna(0.0)
            axis.errorbar(at, subset[measure], yerr=half, fmt="o", capsize=3, label=f"K = {count}")
        if measure in truths:
            axis.axhline(truths[measure], color="grey", linewidth=0.8)
        axis.set_xticks(range(len(METHODS)), METHODS, rotation=45, ha="right")
        axis.set_ylabel(label)
        axis.grid(axis="y", alpha=0.3)
    axes[0].legend(frameon=False)
    return figure
