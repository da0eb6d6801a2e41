"""Training curves of a table's rows, with bands over seeds."""

from itertools import cycle, product

import matplotlib
import numpy as np
import pandas as pd

matplotlib.use("agg")  # no screen is needed
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from reproduce.pages.pictures import write_png
from reproduce.results.published import label
from reproduce.results.store import Committed
from reproduce.table import by_epoch

SKIP = 0.1  # of the epochs, whose bounds would hide the rest
POINTS = 200  # of a curve: where there are twice as many epochs, two are averaged, and so on
PANELS = {
    "validation": "validation bound, nats",
    "training": "training bound, nats",
    "gap": "training less validation bound, nats",
}
COMPARED = {"hvi_avo": "#c1272d", "hvi": "#1f5fa8", "vae": "#222222"}  # the rows in front
OTHERS = ("#7b4fa3", "#0f8b8d", "#b8860b", "#d46a9f", "#6b8e23", "#8c6d5a", "#5b7db1", "#999999")
OTHERS += ("#2f9e44", "#e8590c", "#4b2e83", "#00bcd4")
MIXED = ("avo", "nvi")  # a row's options that give a share rho of the steps to another objective
DIFFERENCES = {  # panels below, by the kinds of `by_epoch.KINDS`
    "bound": "validation bound of HVI-AVO less …, nats",
    "at_steps": "the same at equal ELBO steps, nats",
    "gap": "gap of HVI-AVO less …, nats",
}
NONE = "nothing to compare yet"
CAPTION = (
    "Above: means over the seeds in training, bands from the lowest to the highest, dots where one "
    "stopped early. Below: HVI-AVO less HVI and less VAE on the same seeds, running means over ten "
    "epochs, bands 95% t-intervals where two are in training. The first tenth is left out."
)


def gather(results: list[Committed]) -> pd.DataFrame:
    """Metrics of every run, one row a seed and epoch, with columns `row`, `seed`, `elbo_steps`.

    The last is how many steps under the ELBO the run had made: a share rho of the steps of a row
    with AVO or NVI is none, or each counts as 1 - rho where both objectives are in each.
    """
    parts = []
    for one in results:
        metrics, method = one.metrics(), one.read()["config"]["method"]
        if metrics is not None:
            share = 1.0 - sum(method.get(name, {}).get("rho", 0.0) for name in MIXED)
            steps = share * metrics["step"]
            parts.append(metrics.assign(row=one.row, seed=one.seed, elbo_steps=steps))
    return pd.concat(parts, ignore_index=True)


def draw(metrics: pd.DataFrame, file, differences: bool = True) -> None:
    """Bounds and their gap over epochs; with `differences` those of HVI-AVO; a PNG into `file`.

    Above are the bounds of every row: lines are means over the seeds that are still in training,
    bands run from the lowest to the highest of them, and a dot is where a seed stopped before the
    longest. A row with AVO has the colour of its row without, dashed, but for those in front.
    Below are the differences of `by_epoch` of HVI-AVO, with their intervals.
    """
    pairs = [p for p in by_epoch.pairs(metrics) if p[0] == "hvi_avo"] if differences else []
    figure = plt.figure(figsize=(13.5, 7.6 if pairs else 4.2), layout="constrained")
    axes = figure.subplots(2 if pairs else 1, 3, squeeze=False)
    _bounds(metrics, axes[0])
    for axis, (kind, title) in zip(axes[1], DIFFERENCES.items(), strict=True) if pairs else ():
        _difference(axis, kind, title, {b: by_epoch.differences(metrics, a, b) for a, b in pairs})
    _legend(figure, axes)
    write_png(figure, file)
    plt.close(figure)


def _bounds(metrics: pd.DataFrame, axes: list[Axes]) -> None:
    """The row of panels above."""
    metrics = metrics.assign(
        epoch=metrics["epoch"] + 1,
        validation=metrics["val/elbo"],
        training=metrics["train/elbo"],
        gap=metrics["train/elbo"] - metrics["val/elbo"],
    )
    last = metrics["epoch"].max()
    looks = _looks(sorted(set(metrics["row"])))
    for axis, (column, title) in zip(axes, PANELS.items(), strict=True):
        for row in looks:
            frame = metrics[metrics["row"] == row].pivot(
                index="epoch", columns="seed", values=column
            )
            smooth = frame.rolling(max(1, last // POINTS)).mean()
            _curve(axis, smooth[smooth.index > SKIP * last], last, row, looks[row])
        axis.set(xlabel="epoch", ylabel=title)
        axis.grid(alpha=0.3)


def _curve(axis: Axes, frame: pd.DataFrame, last: int, row: str, look: tuple) -> None:
    """A row's line, band and dots, where a seed ended before epoch `last`.

    `frame` has a line an epoch and a column a seed; `look` is the line's kind and colour.
    """
    front, (line, colour) = row in COMPARED, look
    style = {"color": colour, "zorder": 3 if front else 2}
    axis.plot(frame.mean(axis=1), line, label=label(row), linewidth=1.8 if front else 1.0, **style)
    band = {"alpha": 0.25 if front else 0.12, "linewidth": 0}
    axis.fill_between(frame.index, frame.min(axis=1), frame.max(axis=1), **band, **style)
    ends = [frame[seed].dropna().tail(1) for seed in frame]
    early = pd.concat([end[end.index < last] for end in ends])
    axis.plot(early, "o", color=colour, zorder=4, markersize=5, markeredgecolor="white")


def _difference(axis: Axes, kind: str, title: str, lines: dict[str, pd.DataFrame]) -> None:
    """A panel below: one line for each row that HVI-AVO is compared with.

    Intervals of fewer seeds than there are may run out of the frame. Without numbers it says so.
    """
    late = {name: frame[frame.index > SKIP * frame.index.max()] for name, frame in lines.items()}
    if all(frame[kind].isna().all() for frame in late.values()):
        axis.text(0.5, 0.5, NONE, ha="center", va="center", transform=axis.transAxes)
        axis.set(xticks=[], yticks=[], ylabel=title)
        return
    shown = []
    for second, frame in late.items():
        at = frame["elbo_steps"] / 1000 if kind == "at_steps" else frame.index
        style = {"color": COMPARED[second]}
        axis.plot(at, frame[kind], linewidth=1.6, label=f"less {label(second)}", **style)
        bounds = frame[[f"{kind}_low", f"{kind}_high"]]
        axis.fill_between(at, *bounds.to_numpy().T, alpha=0.18, linewidth=0, **style)
        seeds = frame[f"{kind}_seeds"]
        shown += [frame[kind], *bounds[seeds == seeds.max()].to_numpy().T]
    values = np.concatenate([*shown, [0.0]])
    low, high = np.nanmin(values), np.nanmax(values)
    margin = 0.05 * (high - low) + 1e-3
    axis.axhline(0.0, color="black", linewidth=0.8)
    axis.set(xlabel="thousand ELBO steps" if kind == "at_steps" else "epoch", ylabel=title)
    axis.set_ylim(low - margin, high + margin)
    axis.grid(alpha=0.3)


def _looks(rows: list[str]) -> dict[str, tuple]:
    """Kind of line and colour of each row, those in front drawn last.

    No two are alike of three times as many rows as there are OTHERS. A row with AVO has the colour
    of its row without, and is dashed.
    """
    others = [row for row in rows if row not in COMPARED]
    families = dict.fromkeys(row.removesuffix("_avo") for row in others)
    of_family = dict(zip(families, cycle(product(("-", ":", "-."), OTHERS)), strict=False))
    looks = {row: of_family[row.removesuffix("_avo")] for row in others}
    dashes = {"-": "--", ":": (0, (6, 1, 1, 1)), "-.": (0, (8, 3))}
    for row, (line, colour) in looks.items():
        if row.endswith("_avo"):
            looks[row] = dashes[line], colour
    return looks | {row: ("-", COMPARED[row]) for row in COMPARED if row in rows}


def _legend(figure: Figure, axes) -> None:
    handles, names = axes[0][0].get_legend_handles_labels()
    figure.legend(handles[::-1], names[::-1], loc="outside right upper", frameon=False)
    if len(axes) > 1:
        axes[1][0].legend(frameon=False, loc="best")
