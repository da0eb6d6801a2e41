"""Numbers as pages print them: intervals over seeds, cells, tables."""

import numpy as np
from scipy import stats


def interval(values) -> tuple[float, float]:
    """Mean and half width of the 95% t-interval of the finite values; NaN where not defined."""
    known = np.asarray(values, dtype=float)
    known = known[np.isfinite(known)]
    if len(known) < 2:
        return (float(known[0]) if len(known) else np.nan), np.nan
    return known.mean(), stats.t.ppf(0.975, len(known) - 1) * stats.sem(known)


def number(value: float, form: str = ".2f") -> str:
    """A number, or a dash where there is none."""
    return "-" if value is None or not np.isfinite(value) else format(value, form)


def spread(mean: float, half: float, form: str = ".2f") -> str:
    """Mean and half width as one cell of a table."""
    text = number(mean, form)
    return text if not np.isfinite(half) else f"{text} ± {number(half, form.lstrip('+'))}"


def markdown_table(head: list[str], lines: list[list[str]], text_columns: int) -> str:
    """A Markdown table whose first columns are text and the others numbers."""
    rule = ["---"] * text_columns + ["---:"] * (len(head) - text_columns)
    return "\n".join("| " + " | ".join(line) + " |" for line in [head, rule, *lines])
