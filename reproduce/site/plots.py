"""The geometry of the page's own figures, which the template draws as SVG."""

import math
from dataclasses import dataclass

import pandas as pd

from reproduce.table.curves import SKIP

WIDTH, LEFT, RIGHT = 460, 56, 12  # of a viewBox: in all, and beside the frame
TOP, HEIGHT, BOTTOM = 12, 270, 42
LABELS, LINE = 132, 26  # of the forest: room for the names of rows, height of one
POINTS = 200  # of a curve; more could not be seen apart
COLOURS = 8  # of the style sheet; then dashes begin, of two kinds


@dataclass(frozen=True)
class Axis:
    """Values from `low` to `high` at positions from `start` to `end`."""

    low: float
    high: float
    start: float
    end: float

    def at(self, value: float) -> float:
        """The position of a value, clipped to the frame."""
        share = (min(max(value, self.low), self.high) - self.low) / (self.high - self.low)
        return round(self.start + share * (self.end - self.start), 1)

    def ticks(self, count: int = 6) -> list[tuple[float, str]]:
        """About `count` round values: the position and the label of each."""
        raw = (self.high - self.low) / count
        power = 10.0 ** math.floor(math.log10(raw))
        step = power * next(m for m in (1, 2, 5, 10) if m * power >= raw)
        digits = max(0, -math.floor(math.log10(step) + 1e-9))
        first, last = math.ceil(self.low / step - 1e-9), math.floor(self.high / step + 1e-9)
        return [(self.at(i * step), f"{i * step:.{digits}f}") for i in range(first, last + 1)]


def forest(table: pd.DataFrame, seeds: pd.DataFrame, near: float) -> dict | None:
    """Every finished row's NLL, nats: mean, 95% interval, seeds, what was published and `near` it.

    `table` and `seeds` are the two CSV of a table, a line a row and a line a seed; None where no
    row has finished.
    """
    known, done = table[table.seeds > 0], seeds[seeds.status == "finished"]
    if not len(known):
        return None
    there = known.published.dropna()
    narrow = known[known.seeds > 2]  # two seeds have an interval that would hide the rest
    ends = [narrow.ci_low, narrow.ci_high, there - near, there + near]
    numbers = pd.concat([done.nll, *ends])
    margin = 0.1 * (numbers.max() - numbers.min()) + 0.05
    low, high = numbers.min() - margin, numbers.max() + margin
    x = Axis(low, high, LABELS, WIDTH - RIGHT)
    lines = []
    for place, r in enumerate(known.itertuples()):
        printed = {"label": r.label, "y": TOP + LINE * (place + 0.5), "x": x.at(r.nll)}
        printed["text"] = f"{r.label}: {r.nll:.2f} nats"
        if r.seeds > 1:
            printed |= {"left": x.at(r.ci_low), "right": x.at(r.ci_high)}
            printed["text"] += f", 95% interval {r.ci_low:.2f} to {r.ci_high:.2f}"
        if pd.notna(r.published):
            printed |= {"published": x.at(r.published), "near": x.at(r.published - near)}
            printed["width"] = round(x.at(r.published + near) - printed["near"], 1)
            printed["text"] += f"; published {r.published:.2f}"
        printed["seeds"] = [x.at(nll) for nll in done[done.row == r.row].nll]
        lines.append(printed)
    bottom = TOP + LINE * len(known)
    return {
        "lines": lines,
        "ticks": x.ticks(5),
        "bottom": bottom,
        "height": bottom + BOTTOM,
        "label": LABELS - 8,
        "middle": (x.start + x.end) / 2,
    }


def bands(metrics: pd.DataFrame, column: str) -> dict[str, pd.DataFrame]:
    """Mean, lowest and highest of the seeds in training of `column` by epoch, for each row.

    Epochs count from 1; the first are left out.
    """
    late = metrics.assign(epoch=metrics.epoch + 1)
    late = late[late.epoch > SKIP * late.epoch.max()]
    return {
        row: group.groupby("epoch")[column].agg(["mean", "min", "max"])
        for row, group in late.groupby("row", sort=False)
    }


def intervals(frames: dict[str, pd.DataFrame], kind: str) -> dict[str, pd.DataFrame]:
    """Mean and ends of the interval of `kind` by epoch, of each frame of `by_epoch.differences`.

    The first epochs are left out; ends are NaN in those in which not all seeds were in training.
    """
    by_name = {}
    for name, frame in frames.items():
        late = frame[frame.index > SKIP * frame.index.max()]
        complete = late[f"{kind}_seeds"] == late[f"{kind}_seeds"].max()
        ends = {"min": late[f"{kind}_low"], "max": late[f"{kind}_high"]}
        ends = {end: values.where(complete) for end, values in ends.items()}
        by_name[name] = pd.DataFrame({"mean": late[kind], **ends}).dropna(subset="mean")
    return by_name


def curves(by_name: dict[str, pd.DataFrame], title: str, labels: dict[str, str]) -> dict | None:
    """A line and a band over epochs for each of `bands` or `intervals`; None where there is none.

    Of each at most POINTS are drawn, the last among them. A band is where its ends are known and
    apart.
    """
    strides = {name: max(math.ceil(len(f) / POINTS), 1) for name, f in by_name.items()}
    by_row = {n: f.iloc[:: -strides[n]].iloc[::-1] for n, f in by_name.items() if len(f) > 1}
    if not by_row:
        return None
    together = pd.concat(by_row.values())
    low, high = together.min(axis=None), together.max(axis=None)
    margin = 0.04 * (high - low) or 1.0
    x = Axis(together.index.min(), together.index.max(), LEFT, WIDTH - RIGHT)
    y = Axis(low - margin, high + margin, HEIGHT, TOP)
    series = []
    for place, (row, frame) in enumerate(by_row.items()):
        known = frame[frame["min"] < frame["max"]]
        upper = [(x.at(e), y.at(v)) for e, v in known["max"].items()]
        lower = [(x.at(e), y.at(v)) for e, v in known["min"].items()]
        line = [(x.at(e), y.at(v)) for e, v in frame["mean"].items()]
        series.append(
            {
                "label": labels.get(row, row),
                "colour": place % COLOURS,
                "dash": place // COLOURS % 3,
                "line": _points(line),
                "band": _points(upper + lower[::-1]),
                "last": f"{frame['mean'].iloc[-1]:.2f}",
                "epoch": frame.index[-1],
            }
        )
    return {"title": title, "x": x.ticks(), "y": y.ticks(), "series": series}


def _points(points: list[tuple[float, float]]) -> str:
    return " ".join(f"{a:g},{b:g}" for a, b in points)
