"""The section's figures: collapsed latents and lost log p(x) by noise, the spectrum of KLs."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from reproduce.experiments.collapse.linear.design import LATENT
from reproduce.experiments.collapse.linear.optimum import COLLAPSED, Spectrum

COLOURS = {
    "ELBO": "#333333",
    "ELBO, warm-up": "#7f7f7f",
    "ELBO, cyclical": "#2a9d5c",
    "IWAE": "#d08700",
    "HVI": "#1f6fb2",
    "HVI-AVO": "#c02942",
}
FLOOR = 1e-4  # nats: smaller losses are drawn here


def shifted(levels: np.ndarray, index: int) -> np.ndarray:
    """The noises moved a little on the logarithmic axis, so that rows do not hide each other."""
    return levels * 1.035 ** (index - (len(COLOURS) - 1) / 2)


def counts(table: pd.DataFrame, spectrum: Spectrum) -> Figure:
    """Collapsed latents by noise: every seed a point, the optimum a line; and the loss of log p."""
    figure = Figure(figsize=(12.5, 3.9))
    axes = figure.subplots(1, 3)
    low, high = table.variance.min() / 1.5, table.variance.max() * 1.5
    fine = np.geomspace(low, high, 800)
    values = spectrum.values[:LATENT].numpy()
    exact = [(0.5 * np.log(np.maximum(values / v, 1.0)) < COLLAPSED).sum() for v in fine]
    titles = "collapsed latents, by KL of q", "unused directions of the decoder"
    for axis, title in zip(axes, titles, strict=False):
        axis.plot(fine, exact, color="black", linewidth=1.0, label="exact optimum")
        axis.set_title(title, fontsize=10)
        axis.set_ylim(-0.5, LATENT + 0.5)
    axes[2].set_title("log p(x) below the optimum's, nats an image", fontsize=10)
    axes[2].set_yscale("log")
    for index, (row, colour) in enumerate(COLOURS.items()):
        subset = table[table.row == row]
        at = shifted(subset.variance.to_numpy(), index)
        style = {"color": colour, "markersize": 4, "alpha": 0.75, "linestyle": ""}
        axes[0].plot(at, subset.by_q, marker="o", label=row, **style)
        axes[1].plot(at, subset.by_decoder, marker="o", **style)
        axes[2].plot(at, (-subset.log_p_loss).clip(lower=FLOOR), marker="o", **style)
    levels = sorted(table.variance.unique())
    for axis in axes:
        axis.set_xscale("log")
        axis.set_xlim(low, high)
        axis.set_xticks(levels, [f"{level:.2f}" for level in levels], fontsize=8)
        axis.minorticks_off()
        axis.set_xlabel("noise variance", fontsize=9)
    handles, names = axes[0].get_legend_handles_labels()
    figure.tight_layout(rect=(0, 0.08, 1, 1))
    figure.legend(handles, names, loc="lower center", ncols=7, fontsize=8)
    return figure


def spectra(table: pd.DataFrame) -> Figure:
    """KL by rank and noise, mean over seeds: q's latents above, the decoder's directions below."""
    levels = sorted(table.variance.unique())
    figure = Figure(figsize=(2.3 * len(levels), 4.6))
    axes = figure.subplots(2, len(levels), squeeze=False, sharex=True)
    for column, variance in enumerate(levels):
        here = table[table.variance == variance]
        for axis, measure in zip(axes[:, column], ("q", "decoder"), strict=True):
            exact = here.groupby("rank").exact.mean()
            axis.plot(exact.index, exact, color="black", linewidth=2.5, alpha=0.35, label="exact")
            for row, colour in COLOURS.items():
                mean = here[here.row == row].groupby("rank")[measure].mean()
                axis.plot(mean.index, mean, ".-", color=colour, linewidth=0.8, markersize=4)
            axis.axhline(COLLAPSED, color="#bbbbbb", linewidth=0.7, linestyle="--")
            axis.set_yscale("symlog", linthresh=COLLAPSED)
            axis.set_ylim(-0.002, 3.0)
            axis.set_xticks(range(1, LATENT + 1, 2))
            axis.tick_params(labelsize=7, labelleft=column == 0)
        axes[0, column].set_title(f"variance {variance:.3f}", fontsize=9)
        axes[1, column].set_xlabel("rank", fontsize=8)
    axes[0, 0].set_ylabel("KL of q's latents, nats", fontsize=8)
    axes[1, 0].set_ylabel("decoder's directions, nats", fontsize=8)
    handles = [axes[0, 0].lines[0]]
    handles += [axes[0, 0].lines[1 + index] for index in range(len(COLOURS))]
    names = ["exact optimum", *COLOURS]
    figure.legend(handles, names, loc="lower center", ncols=7, fontsize=8, bbox_to_anchor=(0.5, 0))
    figure.subplots_adjust(wspace=0.08, hspace=0.1, bottom=0.19)
    return figure
