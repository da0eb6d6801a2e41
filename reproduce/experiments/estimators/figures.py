"""Each row's NLL by both estimators, and how far each may be off."""

import matplotlib
import pandas as pd

matplotlib.use("agg")  # no screen is needed
from matplotlib import pyplot as plt

SHIFT = 0.14  # of a row's height, between the two estimators


def estimators(rows: pd.DataFrame) -> plt.Figure:
    """Left the NLL of each of `rows`, right the slack of importance sampling and BDMC's gap.

    Bars are 95% t-intervals over seeds; of one seed there is none.
    """
    panels = (
        ("NLL of the same images, nats", ("nll_is", "nll_ais")),
        ("nats an image", ("slack", "bdmc_gap")),
    )
    names = {
        "nll_is": "importance sampling",
        "nll_ais": "AIS",
        "slack": "IS less AIS",
        "bdmc_gap": "BDMC gap (images of the model)",
    }
    size = (10, 1.5 + 0.42 * len(rows))
    figure, axes = plt.subplots(1, 2, figsize=size, sharey=True, layout="constrained")
    for axis, (label, measures), colours in zip(
        axes, panels, (("tab:blue", "tab:orange"), ("tab:green", "tab:red")), strict=True
    ):
        for measure, shift, colour in zip(measures, (-SHIFT, SHIFT), colours, strict=True):
            at = [place + shift for place in range(len(rows))]
            half = rows[f"{measure}_half"].fillna(0.0)
            style = {"fmt": "o", "color": colour, "capsize": 3, "markersize": 5}
            axis.errorbar(rows[measure], at, xerr=half, label=names[measure], **style)
        axis.set_xlabel(label)
        axis.grid(axis="x", alpha=0.3)
        axis.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2, frameon=False)
    axes[1].axvline(0.0, color="grey", linewidth=0.8)
    axes[0].set_yticks(range(len(rows)), rows.label)
    axes[0].invert_yaxis()
    return figure
