"""A section of the page: its text, the numbers that it rests on, its figures and data frames."""

from dataclasses import dataclass, field

import pandas as pd
from matplotlib.figure import Figure


@dataclass(frozen=True)
class Section:
    """One kind of model; names of figures and frames are those of their files."""

    title: str
    blocks: list[str]  # Markdown, in order, tables among them
    made: list[str]  # the tables alone, by which a reading is held to its numbers
    results: list[dict]
    figures: dict[str, Figure] = field(default_factory=dict)
    frames: dict[str, pd.DataFrame] = field(default_factory=dict)
