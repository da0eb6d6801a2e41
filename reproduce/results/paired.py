"""Paired differences between rows: the same seeds, the same images."""

from collections.abc import Callable, Iterable

import numpy as np
import pandas as pd

from reproduce.results.scored import Scored
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
    return _differences(*map(_log_prob, (first, second)))


def _log_prob(row: dict[int, Committed]) -> BySeed:
    return {seed: one.log_prob() for seed, one in row.items()}


def _differences(first: BySeed, second: BySeed) -> np.ndarray:
    return np.array([second[seed] - first[seed] for seed in sorted(first.keys() & second.keys())])


def by_row(results: list[Committed]) -> dict[str, dict[int, Committed]]:
    """The results with an NLL, by row and seed."""
    rows: dict[str, dict[int, Committed]] = {}
    for one in results:
        if one.log_prob() is not None:
            result = one.read()
            rows.setdefault(result["row"], {})[result["seed"]] = one
    return rows


def table(results: list[Committed]) -> pd.DataFrame:
    """`compare_rows` of results; those that diverged are left out."""
    return compare_rows({row: _log_prob(by_seed) for row, by_seed in by_row(results).items()})


def of_scored(scored: Iterable[Scored], take: Callable[[Scored], np.ndarray]) -> pd.DataFrame:
    """`compare_rows` of what `take` makes of each seed that AIS scored, (N,) in nats."""
    rows: dict[str, BySeed] = {}
    for one in scored:
        rows.setdefault(one.result["row"], {})[one.result["seed"]] = take(one)
    return compare_rows(rows)


def compare_rows(rows: dict[str, BySeed]) -> pd.DataFrame:
    """A line for each of PAIRS of which both rows have a seed in common, adjusted together."""
    lines = []
    for first, second in PAIRS:
        if first in rows and second in rows and rows[first].keys() & rows[second].keys():
            numbers = compare(_differences(rows[first], rows[second]))
            lines.append({"row": first, "against": second, **numbers})
    return adjust(pd.DataFrame(lines))
