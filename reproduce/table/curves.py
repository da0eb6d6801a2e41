"""Training curves of a table's rows, with bands over seeds."""

from itertools import cycle

import matplotlib
import pandas as pd

matplotlib.use("agg")  # no screen is needed
from matplotlib import pyplot as plt

from reproduce.pages.pictures import write_png
from reproduce.results.published import label
from reproduce.results.store import Committed

SKIP = 0.1  # of the epochs, whose bounds would hide the rest


def gather(results: list[Committed]) -> pd.DataFrame:
    """Metrics of every run, one row a seed and epoch, with columns `row` and `seed`."""
    read = [(one, one.metrics()) for one in results]
    parts = [m.assign(row=one.row, seed=one.seed) for one, m in read if m is not None]
    return pd.concat(parts, ignore_index=True)


def draw(metrics: pd.DataFrame, file) -> None:
    """Validation bound, and training less validation bound, over epochs; a PNG into `file`.

    Lines are means over seeds, bands run from the lowest to the highest seed, up to the epoch at
    which the first of them stopped. A row with AVO has the colour of its row without, dashed.
    """
    metrics = metrics.assign(
        validation=metrics["val/elbo"], gap=metrics["train/elbo"] - metrics["val/elbo"]
    )
    metrics = metrics[metrics["epoch"] >= SKIP * metrics["epoch"].max()]
    figure, axes = plt.subplots(1, 2, figsize=(11, 4.2), constrained_layout=True)
    names = {"validation": "validation ELBO, nats", "gap": "training less validation ELBO, nats"}
    families = sorted({_family(row) for row in metrics["row"]})
    colours = dict(zip(families, cycle(plt.get_cmap("tab10").colors), strict=False))
    for axis, (column, title) in zip(axes, names.items(), strict=True):
        for row, group in metrics.groupby("row"):
            colour, style = colours[_family(row)], "-" if row == _family(row) else "--"
            complete = group.groupby("epoch")["seed"].transform("size") == group["seed"].nunique()
            by_epoch = group[complete].groupby("epoch")[column]
            mean = by_epoch.mean()
            axis.plot(mean.index, mean, style, color=colour, label=label(row), linewidth=1.4)
            axis.fill_between(mean.index, by_epoch.min(), by_epoch.max(), color=colour, alpha=0.2)
        axis.set(xlabel="epoch", ylabel=title)
        axis.grid(alpha=0.3)
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside right upper", frameon=False)
    write_png(figure, file)
    plt.close(figure)


def _family(row: str) -> str:
    """A row's name without its objective."""
    return row.removesuffix("_avo")
