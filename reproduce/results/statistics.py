"""Statistics over seeds: t-intervals, paired comparisons, Holm's correction."""

import numpy as np
import pandas as pd
from scipy import stats

from reproduce.results import bootstrap


def t_quantile(count: int) -> float:
    """The 97.5% quantile of Student's t for a mean of `count` values; NaN below two of them."""
    return float(stats.t.ppf(0.975, count - 1)) if count > 1 else np.nan


def interval(values) -> tuple[float, float]:
    """Mean and half width of the 95% t-interval of the finite values; NaN where not defined."""
    mean, half, _ = intervals(np.asarray(values, dtype=float).ravel())
    return float(mean), float(half)


def intervals(values: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """`interval` over the last axis of (..., n): means, half widths and the numbers of values."""
    finite = np.isfinite(values)
    count = finite.sum(-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = np.where(finite, values, 0.0).sum(-1) / count
        squares = (np.where(finite, values - mean[..., None], 0.0) ** 2).sum(-1)
        half = stats.t.ppf(0.975, count - 1) * np.sqrt(squares / (count - 1) / count)
    return mean, half, count


def over_seeds(by_seed: np.ndarray) -> dict[str, float]:
    """Mean of paired differences of seeds (n,), and Student's t over them.

    `effect` is the mean by the standard deviation; `p_t` is two-sided for a difference of zero and
    below 0.05 where the 95% interval leaves zero out. One seed has neither: it shows two networks
    and not two methods.
    """
    seeds, mean = len(by_seed), by_seed.mean()
    sd = by_seed.std(ddof=1) if seeds > 1 else np.nan
    half = t_quantile(seeds) * sd / seeds**0.5
    with np.errstate(divide="ignore", invalid="ignore"):  # runs that do not differ have neither
        effect = mean / sd
        p_t = 2 * stats.t.sf(abs(effect) * seeds**0.5, seeds - 1) if seeds > 1 else np.nan
    return {
        "seeds": seeds,
        "difference": mean,
        "t_low": mean - half,
        "t_high": mean + half,
        "effect": effect,
        "p_t": p_t,
    }


def compare(difference: np.ndarray) -> dict[str, float]:
    """`over_seeds` of paired differences (seeds, images), and a 95% interval over both.

    That is of `bootstrap.means`. `p_bootstrap` is two-sided for a difference of zero, and below
    0.05 where this interval leaves zero out. One seed has neither.
    """
    seeds, images = difference.shape
    low = high = p_bootstrap = np.nan
    if seeds > 1:
        draws = bootstrap.means(difference, seeds, images)
        low, high = np.quantile(draws, [0.025, 0.975])
        tail = min((draws <= 0).sum(), (draws >= 0).sum())
        p_bootstrap = min(2 * (tail + 1) / (len(draws) + 1), 1.0)  # draws are finitely many
    t = over_seeds(difference.mean(1))
    return {
        "seeds": seeds,
        "images": images,
        **{key: t[key] for key in ("difference", "t_low", "t_high")},
        "bootstrap_low": low,
        "bootstrap_high": high,
        **{key: t[key] for key in ("effect", "p_t")},
        "p_bootstrap": p_bootstrap,
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


def adjust(comparisons: pd.DataFrame) -> pd.DataFrame:
    """`comparisons` with Holm's correction over its lines, `holm_t` and `holm_bootstrap`."""
    tests = [test for test in ("t", "bootstrap") if f"p_{test}" in comparisons.columns]
    return comparisons.assign(**{f"holm_{test}": holm(comparisons[f"p_{test}"]) for test in tests})


BETTER = "first is better", "second is better"  # a difference below zero, and one above


def outcome(comparison, words: tuple[str, str] = BETTER) -> str:
    """What a line of `adjust` shows by t over seeds after Holm's correction, in these `words`."""
    if comparison.seeds < 2:
        return "one seed"
    if not comparison.holm_t < 0.05:
        return "not shown"
    return words[0] if comparison.difference < 0 else words[1]
