"""From results to data frames: means, 95% t-intervals over seeds, paired differences."""

import pandas as pd

from annealed.inference.marginal_kl import TIGHT
from reproduce.experiments.corners.design import Case, Setting
from reproduce.results.statistics import interval

MEASURES = ("kl", "kl_marginal", "log_z_miss", "energy_distance", "total_variation", "found")
KEPT = ("kl", "kl_mc_error", "log_z_error", "log_z_mc_error", "ess", "k_hat", "energy_distance")
KEPT += ("noise_floor", "total_variation", "found", "training_cpu_seconds")
KEPT += ("kl_marginal", "kl_marginal_low", "kl_marginal_mc_error")

MOST = 4  # regions of a target


def marginal(r: dict) -> float | None:
    """The KL of a result's last marginal, an upper bound in nats, where its bounds are TIGHT."""
    known = r.get("kl_marginal") is not None
    return r["kl_marginal"] if known and r["kl_marginal"] - r["kl_marginal_low"] <= TIGHT else None


def by_seed(by_setting: dict[Setting, list[dict]], cases: dict[str, Case]) -> pd.DataFrame:
    """One line a case, row and seed; `log_z_miss` is the absolute error of log Z, in nats.

    `kl_marginal_high` is the upper bound of the marginal's KL, and `kl_marginal` what `marginal`
    says.
    """
    lines = []
    for name, case in cases.items():
        for line in case.lines:
            for r in by_setting[line.setting]:
                key = {"case": name, "row": line.label, "seed": r["seed"], "status": r["status"]}
                shares = [*r.get("shares", []), *[None] * MOST][:MOST]
                numbers = {measure: r.get(measure) for measure in KEPT}
                numbers |= {"kl_marginal": marginal(r), "kl_marginal_high": r.get("kl_marginal")}
                lines.append(key | numbers | {f"share_{i}": s for i, s in enumerate(shares)})
    table = pd.DataFrame(lines)
    numbers = [*KEPT, "kl_marginal_high", *(f"share_{i}" for i in range(MOST))]
    table[numbers] = table[numbers].astype(float)
    table.insert(6, "log_z_miss", table["log_z_error"].abs())
    return table


def by_row(
    by_setting: dict[Setting, list[dict]], cases: dict[str, Case], seeds: pd.DataFrame
) -> pd.DataFrame:
    """One line a case and row: mean, half width and what the row has over its reference.

    `kl_difference` and `kl_marginal_difference` are paired by seed, NaN for a reference itself.
    """
    lines = []
    for name, case in cases.items():
        for line in case.lines:
            subset = seeds[(seeds.case == name) & (seeds.row == line.label)].set_index("seed")
            made = {"case": name, "row": line.label, "target": line.setting.target}
            made |= {"seeds": len(subset), "lost": int((subset.status != "finished").sum())}
            for measure in MEASURES:
                made[measure], made[f"{measure}_half"] = interval(subset[measure])
            reference = by_setting[line.against if line.against else line.setting]
            bases = {"kl": {r["seed"]: r["kl"] for r in reference}}
            bases["kl_marginal"] = {r["seed"]: marginal(r) for r in reference}
            for measure, base in bases.items():
                is_reference = line.against in (None, line.setting)
                gap = interval(
                    [] if is_reference else subset[measure] - pd.Series(base, dtype=float)
                )
                made[f"{measure}_difference"], made[f"{measure}_difference_half"] = gap
            made["kl_marginal_seeds"] = int(subset.kl_marginal.notna().sum())
            made["kl_marginal_gap"] = (subset.kl_marginal - subset.kl_marginal_low).mean()
            made |= {f"share_{i}": subset[f"share_{i}"].mean() for i in range(MOST)}
            made["noise_floor"] = subset.noise_floor.abs().max()
            made["k_hat_max"] = subset.k_hat.max()
            made["training_cpu_seconds"] = subset.training_cpu_seconds.mean()
            lines.append(made)
    return pd.DataFrame(lines)
