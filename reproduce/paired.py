"""Paired differences between rows: the same seeds, the same test images."""

from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats

from annealed import randomness
from reproduce.results import log_prob

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
DRAWS = 10_000


def differences(first: dict[int, Path], second: dict[int, Path]) -> np.ndarray:
    """NLL of `first` less that of `second`, (seeds, images), over the seeds that both have."""
    seeds = sorted(first.keys() & second.keys())
    return np.array([log_prob(second[s]) - log_prob(first[s]) for s in seeds])


def compare(difference: np.ndarray) -> dict[str, float]:
    """The mean difference and two 95% intervals: over seeds, and over seeds and images together.

    The first is Student's t. The second resamples seeds and images DRAWS times, each with
    replacement and independently. With few seeds both are rough. `effect` is the mean over seeds by
    its standard deviation.
    """
    seeds, images = difference.shape
    each = difference.mean(1)
    mean, sd = each.mean(), each.std(ddof=1) if seeds > 1 else np.nan
    half = stats.t.ppf(0.975, seeds - 1) * sd / seeds**0.5 if seeds > 1 else np.nan
    rng = np.random.default_rng(randomness.derive(0, "usage", seeds, images))
    draws = np.empty(DRAWS)
    for i in range(DRAWS):
        by_image = difference[rng.integers(seeds, size=seeds)].mean(0)
        draws[i] = by_image[rng.integers(images, size=images)].mean()
    low, high = np.quantile(draws, [0.025, 0.975])
    return {
        "seeds": seeds,
        "images": images,
        "difference": mean,
        "t_low": mean - half,
        "t_high": mean + half,
        "bootstrap_low": low,
        "bootstrap_high": high,
        "effect": mean / sd,
    }


def table(paths: list[Path]) -> pd.DataFrame:
    """A line for each of PAIRS of which both rows have a seed in common."""
    rows: dict[str, dict[int, Path]] = {}
    for path in paths:
        if path.with_suffix(".npz").exists():
            rows.setdefault(path.parent.name, {})[int(path.stem[4:])] = path
    found = []
    for first, second in PAIRS:
        if first in rows and second in rows and rows[first].keys() & rows[second].keys():
            numbers = compare(differences(rows[first], rows[second]))
            found.append({"row": first, "against": second, **numbers})
    return pd.DataFrame(found)
