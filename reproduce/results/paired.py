"""Paired differences between rows: the same seeds, the same images; tests over all pairs."""

from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats

from annealed.utils import randomness
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
DRAWS = 10_000


def differences(first: dict[int, Path], second: dict[int, Path]) -> np.ndarray:
    """NLL of `first` less that of `second`, (seeds, images), over the seeds that both have."""
    seeds = sorted(first.keys() & second.keys())
    return np.array([log_prob(second[s]) - log_prob(first[s]) for s in seeds])


def compare(difference: np.ndarray) -> dict[str, float]:
    """The mean difference and two 95% intervals: over seeds, and over seeds and images together.

    The first is Student's t. The second resamples seeds and images DRAWS times, each with
    replacement and independently (Owen 2007, arXiv 0712.1111). `effect` is the mean over seeds by
    its standard deviation. `p_t` and `p_bootstrap` are two-sided for a difference of zero: each is
    below 0.05 where its interval leaves zero out. One seed has neither: it shows two networks and
    not two methods.
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
    tail = min((draws <= 0).sum(), (draws >= 0).sum())
    beyond = min(2 * (tail + 1) / (DRAWS + 1), 1.0)  # never 0: the draws are as many as they are
    with np.errstate(divide="ignore", invalid="ignore"):  # runs that do not differ have neither
        effect = mean / sd
        p_t = 2 * stats.t.sf(abs(effect) * seeds**0.5, seeds - 1) if seeds > 1 else np.nan
    return {
        "seeds": seeds,
        "images": images,
        "difference": mean,
        "t_low": mean - half,
        "t_high": mean + half,
        "bootstrap_low": low,
        "bootstrap_high": high,
        "effect": effect,
        "p_t": p_t,
        "p_bootstrap": beyond if seeds > 1 else np.nan,
    }


def holm(p: np.ndarray) -> np.ndarray:
    """P-values (n,) adjusted for all of them together; NaN is no test and stays NaN.

    Holm (1979), "A simple sequentially rejective multiple test procedure", Scand. J. Statist. 6.
    """
    p = np.asarray(p, dtype=float)
    adjusted, order = np.full_like(p, np.nan), np.argsort(p)[: np.isfinite(p).sum()]
    steps = np.arange(len(order), 0, -1) * p[order]
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return adjusted


def adjust(found: pd.DataFrame) -> pd.DataFrame:
    """`found` with Holm's correction over its lines, `holm_t` and `holm_bootstrap`."""
    known = [test for test in ("t", "bootstrap") if f"p_{test}" in found.columns]
    return found.assign(**{f"holm_{test}": holm(found[f"p_{test}"]) for test in known})


def outcome(r) -> str:
    """What a pair shows by t over seeds after Holm's correction."""
    if r.seeds < 2:
        return "one seed"
    if not r.holm_t < 0.05:
        return "not shown"
    return "first is better" if r.difference < 0 else "second is better"


def table(paths: list[Path]) -> pd.DataFrame:
    """A line for each of PAIRS of which both rows have a seed in common, adjusted together."""
    rows: dict[str, dict[int, Path]] = {}
    for path in paths:
        if path.with_suffix(".npz").exists():
            rows.setdefault(path.parent.name, {})[int(path.stem[4:])] = path
    found = []
    for first, second in PAIRS:
        if first in rows and second in rows and rows[first].keys() & rows[second].keys():
            numbers = compare(differences(rows[first], rows[second]))
            found.append({"row": first, "against": second, **numbers})
    return adjust(pd.DataFrame(found))
