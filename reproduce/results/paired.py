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


BySeed = dict[int, np.ndarray]  # log p(x) of a row's images, (N,) a seed


def differences(first: dict[int, Committed], second: dict[int, Committed]) -> np.ndarray:
    """NLL of `first` less that of `second`, (seeds, images), over the seeds that both have."""
    return _differences(*({s: one.log_prob() for s, one in row.items()} for row in (first, second)))


def _differences(first: BySeed, second: BySeed) -> np.ndarray:
    return np.array([second[seed] - first[seed] for seed in sorted(first.keys() & second.keys())])


def table(results: list[Committed]) -> pd.DataFrame:
    """`compare_rows` of results; those that diverged are left out."""
    rows: dict[str, BySeed] = {}
    for one in results:
        log_prob = one.log_prob()
        if log_prob is not None:
            result = one.read()
            rows.setdefault(result["row"], {})[result["seed"]] = log_prob
    return compare_rows(rows)


def compare_rows(rows: dict[str, BySeed]) -> pd.DataFrame:
    """A line for each of PAIRS of which both rows have a seed in common, adjusted together."""
    lines = []
    for first, second in PAIRS:
        if first in rows and second in rows and rows[first].keys() & rows[second].keys():
            numbers = compare(_differences(rows[first], rows[second]))
            lines.append({"row": first, "against": second, **numbers})
    return adjust(pd.DataFrame(lines))
