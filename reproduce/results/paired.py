"""Paired differences between rows: the same seeds, the same images."""

from pathlib import Path

import numpy as np
import pandas as pd

from annealed.evaluation.result import read_placed
from reproduce.results.statistics import adjust, compare
from reproduce.results.store import log_prob

PAIRS = (
    ("hvi_avo", "hvi"),
    ("hvi_avo", "vae"),
    ("hvi", "vae"),
    ("iaf", "vae"),
    ("cc_lin_iaf", "vae"),
    ("iwae", "vae"),
    ("householder_avo", "householder"),
    ("iaf_avo", "iaf"),
)


def differences(first: dict[int, Path], second: dict[int, Path]) -> np.ndarray:
    """NLL of `first` less that of `second`, (seeds, images), over the seeds that both have."""
    seeds = sorted(first.keys() & second.keys())
    return np.array([log_prob(second[s]) - log_prob(first[s]) for s in seeds])


def table(paths: list[Path]) -> pd.DataFrame:
    """A line for each of PAIRS of which both rows have a seed in common, adjusted together."""
    rows: dict[str, dict[int, Path]] = {}
    for path in paths:
        if path.with_suffix(".npz").exists():
            result = read_placed(path)
            rows.setdefault(result["row"], {})[result["seed"]] = path
    lines = []
    for first, second in PAIRS:
        if first in rows and second in rows and rows[first].keys() & rows[second].keys():
            numbers = compare(differences(rows[first], rows[second]))
            lines.append({"row": first, "against": second, **numbers})
    return adjust(pd.DataFrame(lines))
