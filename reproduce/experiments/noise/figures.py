"""The figures: the bias of every seed, and q(z | x) over the posterior that it is to match."""

from pathlib import Path

import numpy as np
import pandas as pd
import torch
from matplotlib.figure import Figure

from reproduce.experiments.noise.design import ROWS
from reproduce.experiments.noise.exact import log_posterior
from reproduce.experiments.noise.model import Parameters, align, truth
from reproduce.experiments.noise.run import MLE, shown_points

COLOURS = {
    MLE: "#888888",
    "VAE": "#333333",
    "IWAE": "#d08700",
    "HVI": "#1f6fb2",
    "HVI-AVO": "#c02942",
}
HALF, POINTS = 3.2, 120  # half width of a panel, points a side
DOTS = 400  # draws shown in a panel


def bias(table: pd.DataFrame) -> Figure:
    """Every seed's bias of sigma, its loss in log p(x), and the columns of A."""
    figure = Figure(figsize=(11, 3.4))
    left, middle, right = figure.subplots(1, 3)
    rows = [row for row in COLOURS if row in set(table.row)]
    for place, row in enumerate(rows):
        subset = table[table.row == row]
        shifts = place + 0.25 * (
            np.linspace(-1, 1, len(subset)) if len(subset) > 1 else np.zeros(1)
        )
        style = {"color": COLOURS[row], "markersize": 4.5, "alpha": 0.8}
        left.plot(shifts, subset.sigma_bias, "o", **style)
        middle.plot(shifts, subset.test_loss, "o", **style)
        for column in (1, 2):
            ends = subset[f"a1{column}"], subset[f"a2{column}"]
            label = row if column == 1 else None
            right.plot(*ends, "o" if column == 1 else "^", label=label, **style)
    for axis, title in (
        (left, "sigma less the exact MLE"),
        (middle, "log p(test) less the MLE's, nats a point"),
    ):
        axis.set_xticks(range(len(rows)), rows, fontsize=8)
        axis.axhline(0.0, color="#bbbbbb", linewidth=0.8, zorder=0)
        axis.set_title(title, fontsize=10)
    for column, end in enumerate(truth().weight.T.tolist()):
        right.plot(*end, "*", color="black", markersize=11, label=None if column else "truth")
    right.axhline(0.0, color="#dddddd", linewidth=0.8, zorder=0)
    right.axvline(0.0, color="#dddddd", linewidth=0.8, zorder=0)
    right.set_title("columns of A (first: dots, second: triangles)", fontsize=10)
    right.legend(fontsize=7)
    figure.tight_layout()
    return figure


def density(x: torch.Tensor, parameters: Parameters) -> np.ndarray:
    """p(z | x) of one x (2,) on the panel's grid, (POINTS, POINTS), first axis z2 upward."""
    axis = torch.linspace(-HALF, HALF, POINTS, dtype=torch.float64)
    z = torch.cartesian_prod(axis, axis)
    return log_posterior(x, parameters, z).exp().reshape(POINTS, POINTS).T.numpy()


def posteriors(by_row: dict[str, list[dict]], places: dict[str, Path], seed: int) -> Figure:
    """One x a line; the truth's posterior, then q's draws over its model's posterior, by row.

    Latents are in the order in which the columns of A are nearest to the truth's.
    """
    results = {row: next(r for r in by_row[row] if r["seed"] == seed) for row in ROWS}
    shown = [row for row in ROWS if results[row]["status"] == "finished"]
    points = shown_points()
    figure = Figure(figsize=(2.1 * (len(shown) + 1), 2.1 * len(points)))
    axes = figure.subplots(len(points), len(shown) + 1, squeeze=False)
    titles = ["the truth", *shown]
    for column, title in enumerate(titles):
        parameters, z = truth(), None
        if column:
            weight = torch.tensor(results[title]["weight"], dtype=torch.float64)
            order = align(weight, truth().weight)
            sigma = torch.tensor(results[title]["sigma"], dtype=torch.float64)
            parameters = Parameters(weight[:, order], sigma)
            z = np.load(places[title] / f"seed{seed}.npz")["z"][:DOTS][..., order]
        axes[0, column].set_title(f"{title}\nsigma = {parameters.sigma.item():.2f}", fontsize=10)
        for index, x in enumerate(points):
            axis, box = axes[index, column], [-HALF, HALF, -HALF, HALF]
            axis.imshow(density(x, parameters), origin="lower", extent=box, cmap="Blues")
            if z is not None:
                axis.plot(*z[:, index].T, ".", color="#c02942", markersize=1.6, alpha=0.6)
            axis.set_xlim(-HALF, HALF)
            axis.set_ylim(-HALF, HALF)
            axis.set_xticks([])
            axis.set_yticks([])
    for index, x in enumerate(points.tolist()):
        axes[index, 0].set_ylabel(f"x = ({x[0]:.1f}, {x[1]:.1f})", fontsize=9)
    figure.subplots_adjust(wspace=0.05, hspace=0.05)
    return figure
