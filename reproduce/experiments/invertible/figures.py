"""The page's figures: densities on the scale of their target, and KL with every seed's point."""

from pathlib import Path

import numpy as np
import pandas as pd
import torch
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from reproduce.experiments.invertible.design import OBJECTIVES, TARGETS, WINDOWS, Setting, label
from reproduce.experiments.invertible.summary import KEYS

SHOWN = [("iaf", 8, name) for name in ("ELBO", "AVO", "AVO, then ELBO")] + [("hvi", 4, "AVO")]
COLOURS = {"ELBO": "#333333", "mixture": "#d08700", "AVO": "#c02942", "AVO, then ELBO": "#1f6fb2"}


def truth(target: str, bins: int) -> np.ndarray:
    """The normalised density of a planar target at the centres of bins, (bins, bins)."""
    half, energy = WINDOWS[target], TARGETS[target]()
    centres = half * (2 * torch.arange(bins, dtype=torch.float64) + 1 - bins) / bins
    points = torch.cartesian_prod(centres, centres)
    return (energy.log_density(points) - energy.log_z).exp().reshape(bins, bins).numpy()


def densities(places: dict[Setting, Path], seed: int) -> Figure:
    """Planar targets and what seed `seed` of some settings learnt, one colour scale a row."""
    titles = ["target"] + [f"{label(m, t)}\n{name}" for m, t, name in SHOWN]
    size = (2.1 * len(titles), 2.2 * len(WINDOWS))
    figure = Figure(figsize=size)
    axes = figure.subplots(len(WINDOWS), len(titles), squeeze=False)
    for row, (target, half) in zip(axes, WINDOWS.items(), strict=True):
        learnt = []
        for method, count, objective in SHOWN:
            place = places.get(Setting(target, method, count, objective))
            path = None if place is None else place / f"seed{seed}.npz"
            learnt.append(np.load(path)["d"] if path and path.exists() else None)
        bins = next((len(d) for d in learnt if d is not None), 80)
        exact = truth(target, bins)
        for axis, density in zip(row, [exact, *learnt], strict=True):
            axis.set_xticks([])
            axis.set_yticks([])
            if density is None:
                axis.set_axis_off()
                continue
            box = [-half, half, -half, half]
            axis.imshow(density.T, origin="lower", extent=box, vmin=0, vmax=exact.max())
        row[0].set_ylabel(target)
    for axis, title in zip(axes[0], titles, strict=True):
        axis.set_title(title, fontsize=10)
    figure.subplots_adjust(wspace=0.05, hspace=0.05)
    return figure


def divergence(seeds: pd.DataFrame) -> Figure:
    """KL of every seed as a point, by setting and objective, in nats."""
    groups = list(seeds.groupby(KEYS, sort=False))
    figure = Figure(figsize=(8.5, 0.42 * len(groups) + 1.2))
    axis = figure.subplots()
    for place, (_, group) in enumerate(groups):
        for shift, (name, colour) in enumerate(COLOURS.items()):
            kl = group[group.objective == name].kl.clip(lower=1e-4)
            height = np.full(len(kl), place + 0.18 * (shift - 1.5))
            axis.plot(kl, height, "o", color=colour, markersize=4.5, alpha=0.75)
    axis.set_yticks(range(len(groups)), [f"{k[0]}, {label(*k[1:])}" for k, _ in groups])
    axis.set_ylim(len(groups) - 0.4, -0.6)
    axis.set_xscale("log")
    axis.set_xlabel("KL in nats, one point a seed (HVI: an upper bound); below 0.0001 at the edge")
    for place in range(1, len(groups)):
        axis.axhline(place - 0.5, color="#dddddd", linewidth=0.8, zorder=0)
    points = [Line2D([], [], marker="o", linestyle="", color=COLOURS[n]) for n in OBJECTIVES]
    axis.legend(points, OBJECTIVES, ncols=4, loc="lower center", bbox_to_anchor=(0.4, 1.0))
    return figure
