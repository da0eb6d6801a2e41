"""The effect of every choice at a glance."""

import matplotlib
import pandas as pd

matplotlib.use("agg")  # no screen is needed
from matplotlib import pyplot as plt

from reproduce.pages.pictures import write_png


def effects(table: pd.DataFrame, file) -> None:
    """Each choice's paired difference from its row's defaults with both intervals; a PNG."""
    known = table[table.difference.notna()]
    groups = list(known.groupby(["setting", "row"], sort=False))
    heights = [len(group) for _, group in groups]
    figure, axes = plt.subplots(
        len(groups),
        1,
        figsize=(8, 0.9 * len(groups) + 0.32 * sum(heights)),
        gridspec_kw={"height_ratios": heights},
        sharex=True,
        squeeze=False,
        constrained_layout=True,
    )
    for axis, ((setting, row), group) in zip(axes[:, 0], groups, strict=True):
        places = range(len(group))
        axis.hlines(places, group.t_low, group.t_high, color="tab:blue", alpha=0.35, linewidth=5)
        axis.hlines(places, group.bootstrap_low, group.bootstrap_high, color="black")
        axis.plot(group.difference, places, "o", color="black", markersize=4)
        axis.axvline(0.0, color="grey", linewidth=0.8)
        axis.set_yticks(places, group.change, fontsize=8)
        axis.set_title(f"{row}, {setting}", fontsize=9, loc="left")
        axis.invert_yaxis()
        axis.grid(axis="x", alpha=0.3)
    low, high = known.difference.min(), known.difference.max()
    margin = 0.25 * (high - low) + 0.1
    axes[-1, 0].set(
        xlim=(low - margin, high + margin),
        xlabel="NLL less that of the defaults, nats (blue: t over seeds; black: bootstrap)",
    )
    write_png(figure, file)
    plt.close(figure)
