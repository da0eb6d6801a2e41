"""Numbers and tables as pages print them."""

from collections.abc import Iterable

import numpy as np


def number(value: float | None, form: str = ".2f") -> str:
    """A number, or a dash where there is none."""
    return "-" if value is None or not np.isfinite(value) else format(value, form)


def spread(mean: float, half: float, form: str = ".2f") -> str:
    """Mean and half width as one cell of a table."""
    text = number(mean, form)
    return text if not np.isfinite(half) else f"{text} ± {number(half, form.lstrip('+'))}"


def bounds(low: float, high: float, form: str = "+.2f") -> str:
    """An interval, or a dash where there is none."""
    return f"{low:{form}} to {high:{form}}" if np.isfinite([low, high]).all() else "-"


def seeds(line) -> str:
    """How many seeds of a line of a summary finished and, where some diverged, how many did."""
    diverged = getattr(line, "diverged", 0)  # NaN of a line without any, where another has some
    return f"{line.seeds}" + (f" ({diverged:.0f} diverged)" if diverged > 0 else "")


def span_of(values: Iterable[int]) -> str:
    """The values, or the lowest to the highest of them."""
    ordered = sorted(values)
    low, high = ordered[0], ordered[-1]
    return f"{low}" if low == high else f"{low} to {high}"


def markdown_table(head: list[str], lines: list[list[str]], text_columns: int) -> str:
    """A Markdown table whose first columns are text and the others numbers."""
    rule = ["---"] * text_columns + ["---:"] * (len(head) - text_columns)
    return "\n".join("| " + " | ".join(line) + " |" for line in [head, rule, *lines])
