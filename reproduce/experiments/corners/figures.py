"""The page's figures: densities of some rows, and KL and total variation along a case's knob."""

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from annealed.inference.divergence import histogram
from reproduce.experiments.corners.design import LONG, RHOS, SHORT, Setting, mixed
from reproduce.experiments.corners.run import BINS
from reproduce.experiments.corners.targets import (
    DIMENSIONS,
    FAR,
    FUNNELS,
    NEAR,
    funnel_name,
    target,
)

EXACT = 200_000  # points of the exact densities
COLOURS = ("#333333", "#c02942")


def densities(columns: dict[str, Setting], places: dict[Setting, Path], seed: int) -> list:
    """Pairs of a title and the density that `seed` of each setting learnt, None without one."""
    pairs = []
    for title, setting in columns.items():
        path = places[setting] / f"seed{seed}.npz" if setting in places else None
        pairs.append((title, np.load(path)["d"] if path and path.exists() else None))
    return pairs


def panels(
    name: str, columns: dict[str, Setting], places: dict[Setting, Path], seed: int, axes
) -> None:
    """A line of panels: the target, then each setting, on one scale; the square root shown."""
    goal = target(name)
    view = goal.view(goal.sample(EXACT, seed, 2)).contiguous()
    exact = histogram(view, goal.half_width, BINS).numpy()
    box = [-goal.half_width, goal.half_width] * 2
    shown = [(name, exact), *densities(columns, places, seed)]
    for axis, (title, density) in zip(axes, shown, strict=True):
        axis.set_title(title, fontsize=9)
        if density is None:
            axis.set_axis_off()
            continue
        axis.set_xticks([])
        axis.set_yticks([])
        top = np.sqrt(exact.max())
        axis.imshow(np.sqrt(density).T, origin="lower", extent=box, vmin=0, vmax=top)


def far(places: dict[Setting, Path], seed: int) -> Figure:
    """The far modes by the ELBO and by AVO with different T and first alpha."""
    columns = {
        "T=1": mixed(FAR, 1, 1.0),
        "T=2, AVO": mixed(FAR, 2, 1.0),
        f"T={SHORT}, AVO": mixed(FAR, SHORT, 1.0),
        f"T={LONG}, AVO": mixed(FAR, LONG, 1.0),
        f"T={LONG}, alpha_1 = 0.9": mixed(FAR, LONG, 1.0, alphas="linear", first=0.9),
        f"T={LONG}, ELBO": mixed(FAR, LONG, 0.0),
    }
    figure = Figure(figsize=(1.9 * (len(columns) + 1), 2.2))
    panels(FAR, columns, places, seed, figure.subplots(1, len(columns) + 1))
    figure.subplots_adjust(wspace=0.05)
    return figure


def funnels(places: dict[Setting, Path], seed: int) -> Figure:
    """v (up) against the first of the others (across)."""
    figure = Figure(figsize=(7.8, 2.2 * len(FUNNELS)))
    axes = figure.subplots(len(FUNNELS), 4, squeeze=False)
    for line, dim in zip(axes, FUNNELS, strict=True):
        name = funnel_name(dim)
        rows = {"ELBO": 0.0, "rho = 0.2": 0.2, "AVO": 1.0}
        columns = {label: mixed(name, SHORT, rho) for label, rho in rows.items()}
        panels(name, columns, places, seed, line)
    figure.subplots_adjust(wspace=0.05, hspace=0.2)
    return figure


def along(
    seeds: pd.DataFrame,
    case: str,
    groups: dict[str, dict[float, str]],
    knob: str,
    titles: dict[str, str],
) -> Figure:
    """The measures in `titles` of every seed, and the mean, against a number.

    `groups` maps a label to the number of each row of `case`.
    """
    figure = Figure(figsize=(4.0 * len(titles), 3.2))
    of_case = seeds[seeds.case == case].set_index("row")
    axes = figure.subplots(1, len(titles))
    for axis, (measure, title) in zip(axes, titles.items(), strict=True):
        for colour, (label, rows) in zip(COLOURS, groups.items(), strict=True):
            values = {x: of_case.loc[[row], measure].to_numpy() for x, row in rows.items()}
            places = np.arange(len(values))
            axis.plot(places, [np.nanmean(v) for v in values.values()], color=colour, label=label)
            for place, v in zip(places, values.values(), strict=True):
                axis.plot([place] * len(v), v, "o", color=colour, markersize=4, alpha=0.6)
            axis.set_xticks(places, [f"{x:g}" for x in values])
        axis.margins(y=0.1)
        axis.set_xlabel(knob)
        axis.set_title(title, fontsize=10)
        axis.set_ylim(bottom=0)
    axis.legend(fontsize=8)
    figure.tight_layout()
    return figure


def every(seeds: pd.DataFrame, places: dict[Setting, Path], seed: int) -> dict[str, Figure]:
    """The figures by the case that each stands in."""
    by_objective = {
        label: {dim: f"four modes in {dim}-D, {label}" for dim in DIMENSIONS}
        for label in ("ELBO", "AVO")
    }
    by_target = {
        name: {value: f"{name}, rho = {value:g}" for value in RHOS} for name in (NEAR, FAR)
    }
    path = {"kl": "KL of the path, nats"}
    marginal = {"kl_marginal": "KL of the last marginal, nats"}
    masses = {"total_variation": "total variation of the masses"}
    return {
        "far": far(places, seed),
        "dimensions": along(seeds, "dimensions", by_objective, "dimensions", path | masses),
        "funnel": funnels(places, seed),
        "rho": along(seeds, "rho", by_target, "rho", path | marginal | masses),
    }
