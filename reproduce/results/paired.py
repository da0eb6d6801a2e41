"""Paired differences between rows: the same seeds, the same images."""

import numpy as np
import pandas as pd

from reproduce.results.statistics import adjust, compare
from reproduce.results.store import Committed

PAIRS = (
    ("hvi_avo", "hvi"),
    ("hvi_avo", "vae"),
    ("hvi_nvi", "hvi_avo"),
    ("hvi", "vae"),
    ("iaf", "vae"),
    ("cc_lin_iaf", "vae"),
    ("lin_iaf", "vae"),
    ("iwae", "vae"),
    ("householder_avo", "householder"),
    ("iaf_avo", "iaf"),
)


def differences(first: dict[int, Committed], second: dict[int, Committed]) -> np.ndarray:
    """NLL of `first` less that of `second`, (seeds, images), over the seeds that both have."""
    seeds = sorted(first.keys() & second.keys())
    return np.array([second[s].log_prob() - first[s].log_prob() for s in seeds])


def by_row(results: list[Committed]) -> dict[str, dict[int, Committed]]:
    """The results with an NLL, by row and seed."""
    rows: dict[str, dict[int, Committed]] = {}
    for one in results:
        if one.log_prob() is not None:
            result = one.read()
            rows.setdefault(result["row"], {})[result["seed"]] = one
    return rows


def table(results: list[Committed]) -> pd.DataFrame:
    """A line for each of PAIRS of which both rows have a seed in common, adjusted together."""
    rows, lines = by_row(results), []
    for first, second in PAIRS:
        if first in rows and second in rows and rows[first].keys() & rows[second].keys():
            numbers = compare(differences(rows[first], rows[second]))
            lines.append({"row": first, "against": second, **numbers})
    return adjust(pd.DataFrame(lines))
