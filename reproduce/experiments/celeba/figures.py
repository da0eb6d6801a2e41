"""Faces that rows draw, and the losses of VAE, HVI and HVI-AVO side by side."""

import matplotlib
import pandas as pd
from torch import Tensor

from annealed.evaluation.pictures import COLUMNS, interpolations, picture, reconstructions, samples
from annealed.methods.base import Method

matplotlib.use("agg")  # no screen is needed
from matplotlib import pyplot as plt

COMPARED = {"vae": "VAE", "hvi": "HVI", "hvi_avo": "HVI-AVO"}
SKIP = 0.1  # of the epochs, whose losses would hide the rest


def faces(method: Method, images: Tensor, title: str) -> plt.Figure:
    """Reconstructions of `images`, uint8 (N, X), samples and interpolations of one trained row."""
    drawn = {
        "test images, and below each row its reconstruction": reconstructions(
            method, images[: 4 * COLUMNS]
        ),
        "samples of the prior": samples(method, 8 * COLUMNS),
        "from one test image to another": interpolations(method, images[: 2 * 8]),
    }
    figure, axes = plt.subplots(1, 3, figsize=(13, 4.9), constrained_layout=True)
    for axis, (name, pixels) in zip(axes, drawn.items(), strict=True):
        axis.imshow(picture(pixels))
        axis.set_title(name, fontsize=10)
        axis.axis("off")
    figure.suptitle(title)
    return figure


def losses(curves: pd.DataFrame) -> plt.Figure:
    """A panel a row: training and validation loss over epochs, and below it the rate.

    Lines are means over seeds, bands run from the lowest to the highest.
    """
    curves = curves[curves.epoch >= SKIP * curves.epoch.max()]
    rows = [row for row in COMPARED if row in set(curves.row)]
    figure, axes = plt.subplots(
        2, len(rows), figsize=(4 * len(rows), 5.6), sharex=True, sharey="row", squeeze=False
    )
    for column, row in zip(axes.T, rows, strict=True):
        by_epoch = curves[curves.row == row].groupby("epoch")
        panels = [(column[0], "train", "training"), (column[0], "val", "validation")]
        for axis, key, label in [*panels, (column[1], "rate", "validation")]:
            mean = by_epoch[key].mean()
            colour = "tab:orange" if label == "validation" else "tab:blue"
            axis.plot(mean.index, mean, label=label, color=colour)
            ends = by_epoch[key].min(), by_epoch[key].max()
            axis.fill_between(mean.index, *ends, alpha=0.25, color=colour)
            axis.grid(alpha=0.3)
        column[0].set_title(COMPARED[row], fontsize=10)
        column[1].set_xlabel("epoch")
    axes[0, 0].set_ylabel("loss, bits per dimension")
    axes[1, 0].set_ylabel("rate, nats an image")
    axes[0, 0].legend(frameon=False, fontsize=9)
    figure.tight_layout()
    return figure
