"""From results to data frames: means and 95% t-intervals over seeds beside what was published."""

import pandas as pd

from reproduce.experiments.nested.design import COUNTS, KINDS, Setting
from reproduce.results.statistics import interval

MEASURES = ("log_z", "ess", "rarest_mode")
TOLERANCE = {"log_z": 0.05, "ess": 5.0}  # of a published mean, whose error is not given


def by_seed(by_setting: dict[Setting, list[dict]]) -> pd.DataFrame:
    """One line a setting and seed; a path that diverged has no numbers."""
    lines = [
        {
            "kind": setting.kind,
            "count": setting.count,
            "seed": r["seed"],
            **{measure: r.get(measure, float("nan")) for measure in MEASURES},
            "alphas": " ".join(f"{alpha:.3f}" for alpha in r.get("alphas", [])),
        }
        for setting, results in by_setting.items()
        for r in results
    ]
    return pd.DataFrame(lines).sort_values(["kind", "count", "seed"], ignore_index=True)


def by_setting(seeds: pd.DataFrame) -> pd.DataFrame:
    """One line a setting: mean and half width of each measure, what was published, the verdict."""
    lines = []
    for kind in KINDS:
        for count in COUNTS:
            subset = seeds[
                (seeds.kind == (kind if count > 2 else "HVI")) & (seeds["count"] == count)
            ]
            line = {"kind": kind, "count": count, "seeds": len(subset)}
            line["lost"] = int(subset.log_z.isna().sum())
            for measure in MEASURES:
                line[measure], line[f"{measure}_half"] = interval(subset[measure])
            published = dict(zip(TOLERANCE, Setting(kind, count).published, strict=True))
            for measure, value in published.items():
                line[f"{measure}_published"] = value
                mean, half = line[measure], line[f"{measure}_half"]
                line[f"{measure}_verdict"] = verdict(mean, half, value, TOLERANCE[measure])
            lines.append(line)
    return pd.DataFrame(lines)


def verdict(mean: float, half: float, published: float, tolerance: float) -> str:
    """Where the interval mean +- half lies against published +- tolerance."""
    low, high = mean - half - published, mean + half - published
    if low >= -tolerance and high <= tolerance:
        return "reproduced"
    if low > tolerance:
        return "above"
    return "below" if high < -tolerance else "undecided"
