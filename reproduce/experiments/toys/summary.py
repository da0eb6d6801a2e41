"""From results to data frames: means, 95% t-intervals over seeds, paired differences."""

import pandas as pd

from annealed.inference.marginal_kl import TIGHT
from reproduce.experiments.toys.design import TARGETS, Setting
from reproduce.results.statistics import interval

KEYS = ["target", "method", "count"]
MEASURES = ("kl", "kl_marginal", "log_z_miss", "energy_distance", "total_variation")
KEPT = ("kl", "kl_mc_error", "log_z_error", "log_z_mc_error", "ess", "k_hat", "energy_distance")
KEPT += ("noise_floor", "total_variation", "kl_marginal", "kl_marginal_low")
KEPT += ("kl_marginal_mc_error",)
PAIRED_KL = ("kl_marginal_difference", "kl_marginal_difference_half")


def by_seed(by_setting: dict[Setting, list[dict]]) -> pd.DataFrame:
    """One line a setting and seed; `log_z_miss` is the absolute error of log Z."""
    lines = []
    for setting, results in by_setting.items():
        f = setting.family
        for r in results:
            key = {"target": TARGETS[setting.target][0], "method": f.method, "count": f.count}
            numbers = {name: r.get(name) for name in KEPT}
            masses = {f"mass_{i}": m for i, m in enumerate(r.get("masses", []))}
            lines.append({**key, "objective": f.objective, "seed": r["seed"], **numbers, **masses})
    table = pd.DataFrame(lines)
    numbers = [name for name in table.columns if name in KEPT or name.startswith("mass_")]
    table[numbers] = table[numbers].astype(float)
    table.insert(8, "log_z_miss", table["log_z_error"].abs())
    return table


def compare(subset: pd.DataFrame, base: pd.DataFrame) -> dict[str, float]:
    """Of each measure the mean over seeds with its half width, and that of `subset` less `base`.

    Differences are paired by seed. `kl_marginal` is an upper bound; where the lower one is more
    than TIGHT below, on the mean over seeds, `kl_marginal_gap`, in `subset` or in `base`, its
    difference is NaN.
    """
    line = {}
    for measure in MEASURES:
        values, others = (frame.set_index("seed")[measure] for frame in (subset, base))
        line[measure], line[f"{measure}_half"] = interval(values)
        paired = interval(values - others)
        line[f"{measure}_difference"], line[f"{measure}_difference_half"] = paired
    gap, other = ((frame.kl_marginal - frame.kl_marginal_low).mean() for frame in (subset, base))
    line["kl_marginal_gap"] = gap
    if max(gap, other) > TIGHT:
        line |= dict.fromkeys(PAIRED_KL, float("nan"))
    return line


def by_cell(seeds: pd.DataFrame) -> pd.DataFrame:
    """One line a setting: mean and half width over seeds, and AVO less the ELBO of the same seeds.

    See `compare`.
    """
    lines = []
    for key, group in seeds.groupby(KEYS, sort=False):
        base = group[group.objective == "ELBO"]
        for objective, subset in group.groupby("objective", sort=False):
            line = {**dict(zip(KEYS, key, strict=True)), "objective": objective}
            line |= {"seeds": len(subset), "lost": int(subset.kl.isna().sum())}
            line |= compare(subset, base)
            line["k_hat_max"] = subset.k_hat.max()
            line["noise_floor"] = subset.noise_floor.abs().max()
            line |= {f"mass_{i}": subset[f"mass_{i}"].mean() for i in range(4)}
            lines.append(line)
    return pd.DataFrame(lines)
