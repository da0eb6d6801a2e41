"""Every row of the NLL table beside its published number."""

import pandas as pd
from matplotlib.figure import Figure

from reproduce.results import published

MARGIN = 0.15  # of the range of the NLLs, left and right


def draw(table: pd.DataFrame, results: list[dict]) -> Figure:
    """Mean and 95% interval over seeds of each line of `table`, its seeds, what was published.

    `results` are those that `table` summarises. An interval that is wider than the range of the
    numbers runs out of the frame.
    """
    known = table[table.seeds > 0]
    places = {row: place for place, row in enumerate(known.row)}
    seeds = pd.DataFrame(
        [(places[r["row"]], r["nll"]) for r in results if r["status"] == "finished"],
        columns=["place", "nll"],
    )
    figure = Figure(figsize=(8, 0.9 + 0.36 * len(known)), layout="constrained")
    axis = figure.subplots()
    at = list(places.values())
    axis.hlines(at, known.ci_low, known.ci_high, color="tab:blue", linewidth=2)
    axis.plot(seeds.nll, seeds.place, "|", color="grey", markersize=9, label="seed")
    axis.plot(known.nll, at, "o", color="tab:blue", label="mean, 95% interval over seeds")
    numbers = [seeds.nll]
    if known.published.notna().any():
        near, there = published.tolerance(), known.published
        axis.barh(at, 2 * near, 0.5, there - near, color="tab:orange", alpha=0.3, zorder=0)
        axis.plot(there, at, "D", color="tab:orange", markersize=5, label="published, tolerance")
        numbers += [there.dropna() - near, there.dropna() + near]
    low, high = pd.concat(numbers).min(), pd.concat(numbers).max()
    margin = MARGIN * (high - low) + 0.05
    axis.set(xlim=(low - margin, high + margin), xlabel="NLL, nats an image; lower is better")
    axis.set_yticks(at, known.label)
    axis.invert_yaxis()
    axis.grid(axis="x", alpha=0.3)
    figure.legend(loc="outside upper center", ncols=3, frameon=False, fontsize=9)
    return figure
