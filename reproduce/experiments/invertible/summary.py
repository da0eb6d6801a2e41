"""From results to data frames: means, 95% t-intervals over seeds, paired differences."""

import pandas as pd

from reproduce.experiments.invertible.design import Setting
from reproduce.results.statistics import interval

REFERENCE = "ELBO"
MEASURES = ("kl", "log_z_miss", "total_variation")  # that get an interval
KEYS = ["target", "method", "count"]


def toy_seeds(by_setting: dict[Setting, list[dict]]) -> pd.DataFrame:
    """One line a setting and seed; `log_z_miss` is the absolute error of log Z."""
    lines = []
    for setting, results in by_setting.items():
        for r in results:
            masses = {f"mass_{i}": m for i, m in enumerate(r.get("masses", [None] * 4))}
            keys = ("kl", "kl_mc_error", "log_z_error", "log_z_mc_error", "ess", "k_hat")
            lines.append(
                {
                    "target": setting.target,
                    "method": setting.method,
                    "count": setting.count,
                    "objective": setting.objective,
                    "seed": r["seed"],
                    **{key: r[key] for key in keys},
                    "total_variation": r.get("total_variation"),
                    **masses,
                    "seconds": r["seconds"],
                }
            )
    table = pd.DataFrame(lines)
    numbers = [c for c in table.columns if c not in (*KEYS, "objective")]
    table[numbers] = table[numbers].astype(float)
    table.insert(8, "log_z_miss", table["log_z_error"].abs())
    return table.astype({"seed": int})


def toy_summary(seeds: pd.DataFrame) -> pd.DataFrame:
    """One line a setting: mean and half width over seeds, and the paired difference from the ELBO.

    `<measure>_difference` is this objective less the ELBO of the same seeds.
    """
    lines = []
    for key, group in seeds.groupby(KEYS, sort=False):
        base = group[group.objective == REFERENCE].set_index("seed")
        for objective, subset in group.groupby("objective", sort=False):
            line = {**dict(zip(KEYS, key, strict=True)), "objective": objective}
            line |= {"seeds": len(subset), "lost": int(subset.kl.isna().sum())}
            for measure in MEASURES:
                values = subset.set_index("seed")[measure]
                line[measure], line[f"{measure}_half"] = interval(values)
                paired = interval(values - base[measure])
                line[f"{measure}_difference"], line[f"{measure}_difference_half"] = paired
            for column in ("log_z_error", *(f"mass_{i}" for i in range(4))):
                line[column] = subset[column].mean()
            line["k_hat_max"] = subset.k_hat.max()
            line["kl_mc_error"] = subset.kl_mc_error.max()
            line["seconds"] = subset.seconds.mean()
            lines.append(line)
    return pd.DataFrame(lines)
