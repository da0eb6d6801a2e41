"""How far a row with AVO lies ahead of one without, epoch by epoch, at equal length and cost."""

import numpy as np
import pandas as pd

from reproduce.pages.markdown import markdown_table, number, spread
from reproduce.results.paired import PAIRS
from reproduce.results.published import label
from reproduce.results.statistics import intervals

WINDOW = 10  # epochs of a running mean; fewer where there are fewer than ten times as many
SHARES = (0.1, 0.25, 0.5, 0.75, 1.0)  # of the epochs, at which the page has numbers
NOTE = (
    "The columns in percent are epochs of the row, of those in which a seed of both rows was in "
    "training; each cell is the difference in nats an image, a mean over the ten epochs up to "
    "there (a tenth of all where there are fewer than a hundred) and over seeds, with its 95% "
    "t-interval over seeds. Above zero the row with AVO has the higher bound, or the wider gap "
    "between training and validation. A seed counts until it stopped; *of 2* says that only two "
    "are left. The row with AVO makes ELBO steps in a share 1 - rho of its steps: at equal ELBO "
    "steps it is compared with the other row's bound after as many of them, where both then have "
    "the same learning rate and warm-up weight. *Ahead from epoch*: from there on the mean is "
    "above zero for as long as there is one of two seeds; *(to 75)* names the last epoch with one, "
    "where others follow. "
    "The last two columns are shares of the epochs that have an interval, those with two seeds; "
    "it holds for one epoch and not for all together. The training bound is the mean over an "
    "epoch's batches as they were trained on."
)
KINDS = {  # columns of `differences` and what they are of
    "bound": "validation bound, equal epochs",
    "at_steps": "validation bound, equal ELBO steps",
    "gap": "training less validation bound, equal epochs",
}


def pairs(metrics: pd.DataFrame) -> list[tuple[str, str]]:
    """The pairs of rows, the first with AVO, that have a seed in common."""
    seeds = {row: set(group.seed) for row, group in metrics.groupby("row")}
    compared = [pair for pair in PAIRS if pair[0].endswith("_avo")]
    return [(a, b) for a, b in compared if seeds.get(a, set()) & seeds.get(b, set())]


def differences(metrics: pd.DataFrame, first: str, second: str) -> pd.DataFrame:
    """`first` less `second` over their common seeds, a line an epoch of `first`, nats an image.

    `metrics` is of `curves.gather`. The index counts the epochs trained, from 1 on, up to the last
    in which a seed of both rows was in training; `elbo_steps` are those that `first` has made by
    then. For each of KINDS there is the mean over seeds, `<kind>_low` and `<kind>_high`, its 95%
    t-interval, and `<kind>_seeds`, the number of seeds. Each seed's difference is first averaged
    over the WINDOW epochs up to that line. A seed counts until it stopped in either row. At equal
    ELBO steps the bound of `second` is interpolated between its epochs, and there is no number
    where the two then have different learning rates or warm-up weights.
    """
    sides = [metrics[metrics.row == row] for row in (first, second)]
    seeds = sorted(set(sides[0].seed) & set(sides[1].seed))
    a, b = ({name: _by_seed(side, name, seeds) for name in _NEEDED} for side in sides)
    validation = a["val/elbo"].sub(b["val/elbo"])
    last = validation.dropna(how="all").index.max()
    gap = validation.rsub(a["train/elbo"].sub(b["train/elbo"]))
    steps = pd.DataFrame({seed: _at_steps(a, b, seed) for seed in seeds})
    window = max(1, min(WINDOW, last // WINDOW))
    lines = pd.DataFrame({"elbo_steps": a["elbo_steps"].max(axis=1).loc[:last]})
    for kind, frame in zip(KINDS, (validation, steps, gap), strict=True):
        smooth = frame.reindex(lines.index).rolling(window).mean()
        mean, half, count = intervals(smooth.to_numpy())
        lines[kind], lines[f"{kind}_low"], lines[f"{kind}_high"] = mean, mean - half, mean + half
        lines[f"{kind}_seeds"] = count
    return lines


_ALIKE = ("learning_rate", "warmup")  # what two rows are compared at
_NEEDED = ("val/elbo", "train/elbo", "elbo_steps", *_ALIKE)


def _by_seed(side: pd.DataFrame, column: str, seeds: list[int]) -> pd.DataFrame:
    """`column` with a line an epoch, from 1 on, and a column a seed."""
    frame = side.pivot(index="epoch", columns="seed", values=column)[seeds]
    return frame.set_index(frame.index + 1)


def _at_steps(a: dict, b: dict, seed: int) -> pd.Series:
    """The validation bound of `a` less that of `b` after as many ELBO steps, by epoch of `a`."""
    at, steps = a["elbo_steps"][seed], b["elbo_steps"][seed].dropna()

    def of_b(name: str) -> np.ndarray:
        return np.interp(at, steps, b[name][seed].dropna(), left=np.nan, right=np.nan)

    same = [np.isclose(a[name][seed], of_b(name), atol=0.0) for name in _ALIKE]
    return (a["val/elbo"][seed] - of_b("val/elbo")).where(np.all(same, axis=0))


def table(metrics: pd.DataFrame) -> pd.DataFrame:
    """`differences` of each of `pairs` at every hundredth of its epochs."""
    frames = []
    for first, second in pairs(metrics):
        lines = differences(metrics, first, second)
        lines = lines.loc[sorted(set(_epochs(lines, np.arange(1, 101) / 100)))]
        names = {"row": first, "against": second}
        frames.append(lines.rename_axis("epochs").reset_index().assign(**names))
    if not frames:
        return pd.DataFrame()
    joined = pd.concat(frames, ignore_index=True)
    joined = joined.dropna(subset=list(KINDS), how="all")
    return joined[["row", "against", *joined.columns.drop(["row", "against"])]]


def _epochs(lines: pd.DataFrame, shares) -> list[int]:
    """The epochs at `shares` of all."""
    return [max(1, round(share * len(lines))) for share in shares]


def ahead_from(lines: pd.DataFrame, kind: str) -> float:
    """The first epoch from which on the mean of `kind` stays above zero; NaN where none is.

    Where there are several seeds, epochs in which one alone is left do not count.
    """
    known = lines[kind][_counted(lines, kind)].dropna()
    behind = known.index[~(known > 0)]
    after = known.index[known.index > behind.max()] if len(behind) else known.index
    return float(after.min()) if len(after) else np.nan


def markdown(metrics: pd.DataFrame) -> str:
    """The differences at SHARES of the epochs, and how to read them; empty without a pair."""
    head = ["row", "less", "of", "epochs", *(f"{100 * share:.0f} %" for share in SHARES)]
    head += ["ahead from epoch", "interval above 0", "below 0"]
    cells = []
    for first, second in pairs(metrics):
        lines = differences(metrics, first, second)
        for kind, name in KINDS.items():
            low, high = lines[f"{kind}_low"].dropna(), lines[f"{kind}_high"].dropna()
            cells.append([label(first), label(second), name, str(len(lines))])
            cells[-1] += [_cell(lines.loc[at], lines, kind) for at in _epochs(lines, SHARES)]
            cells[-1] += ["-" if kind == "gap" else _ahead(lines, kind)]
            cells[-1] += [_percent(low > 0), _percent(high < 0)]
    return "\n\n".join([markdown_table(head, cells, 3), NOTE]) if cells else ""


def _ahead(lines: pd.DataFrame, kind: str) -> str:
    """`ahead_from` in words, and up to which epoch where fewer seeds go on."""
    counted = _counted(lines, kind)
    text = number(ahead_from(lines, kind), ".0f").replace("-", "never")
    return text if counted.iloc[-1] else f"{text} (to {counted.index[counted].max()})"


def _counted(lines: pd.DataFrame, kind: str) -> pd.Series:
    """Whether an epoch counts: two seeds are in training, or there is only one."""
    seeds = lines[f"{kind}_seeds"]
    return seeds >= min(2, seeds.max())


def _percent(true: pd.Series) -> str:
    return f"{100 * true.mean():.0f} %" if len(true) else "-"


def _cell(line: pd.Series, lines: pd.DataFrame, kind: str) -> str:
    """A mean and its interval, and how many seeds it has where that is not all."""
    text = spread(line[kind], line[f"{kind}_high"] - line[kind], "+.2f")
    count = line[f"{kind}_seeds"]
    return f"{text} (of {count:.0f})" if 0 < count < lines[f"{kind}_seeds"].max() else text
