"""From trials to data frames: one line a trial, rows against each other, equal budgets."""

import pandas as pd

from reproduce.experiments.ablations.design import Pair, Reading
from reproduce.results.statistics import adjust, interval
from reproduce.results.trials import KEYS, Results, Trial, between

ROW_PAIRS = [("hvi_avo", "hvi"), ("hvi_avo", "vae"), ("hvi", "vae"), ("iaf", "vae")]
MEASURES = ["nll", "elbo", "train_elbo", "gap", "rate", "active_units", "minutes"]


def effects(plan: list[Trial], runs: pd.DataFrame, results: Results, budget: int) -> pd.DataFrame:
    """One line a trial: means and half widths over seeds, and the paired difference from defaults.

    `trial` counts a row's trials under a setting from 1 in the order of `plan`, defaults included;
    `in_budget` are the first `budget` of them.
    """
    lines, count = [], {}
    for trial in plan:
        group = (trial.setting, trial.row)
        count[group] = count.get(group, 0) + 1
        if trial not in results:
            continue
        of_trial = runs[(runs[KEYS] == [getattr(trial, key) for key in KEYS]).all(axis=1)]
        done = of_trial[of_trial.status == "finished"]
        line = {**{key: getattr(trial, key) for key in KEYS}, "trial": count[group]}
        line |= {"in_budget": count[group] <= budget, "diverged": len(of_trial) - len(done)}
        for measure in MEASURES if len(done) else []:
            line[measure], line[f"{measure}_half"] = interval(done[measure])
        if trial != trial.base and trial.base in results:
            line |= between(results[trial], results[trial.base])
        lines.append({**line, "seeds": len(done)})
    return adjust(pd.DataFrame(lines))


def rows(results: Results, matched: list[Pair]) -> pd.DataFrame:
    """Rows against each other under every choice that both have, and the pairs `matched`."""
    pairs = [
        (trial, Trial(trial.setting, second, trial.change))
        for first, second in ROW_PAIRS
        for trial in results
        if trial.row == first
    ]
    lines = []
    for one, other in [*pairs, *matched]:
        if numbers := between(results.get(one, {}), results.get(other, {})):
            line = {"setting": one.setting, "row": one.row, "choice": one.change}
            lines.append({**line, "against": other.row, "its_choice": other.change, **numbers})
    return adjust(pd.DataFrame(lines))


def readings(results: Results, tried: list[Reading]) -> pd.DataFrame:
    """One line a reading of AVO that was made: its options, HVI-AVO's NLL, and that less HVI's."""
    lines = []
    for name, hvi_avo, hvi in tried:
        numbers = between(results.get(hvi_avo, {}), results.get(hvi, {}))
        if not numbers:
            continue
        made = {row: list(results[t].values()) for row, t in (("hvi", hvi), ("hvi_avo", hvi_avo))}
        config = made["hvi_avo"][0].read()["config"]
        transitions, avo = config["method"]["transitions"], config["method"]["avo"]
        line = {
            "reading": name,
            "start": config.get("posterior", {}).get("start", "learnt"),  # a run of before
            "sigma": transitions["sigma"],
            "gate_bias": transitions["gate_bias"],
            "train_decoder": avo["train_decoder"],
            "train_encoder": avo["train_encoder"],
        }
        for row, results_of_row in made.items():
            nlls = [one.read()["nll"] for one in results_of_row if one.log_prob() is not None]
            line[row], line[f"{row}_half"] = interval(nlls)
        lines.append(line | numbers)
    return adjust(pd.DataFrame(lines))


def equal_budget(table: pd.DataFrame, setting: str) -> pd.DataFrame:
    """The best trial of each row among those within the budget, by validation NLL."""
    candidates = table[(table.setting == setting) & table.in_budget & (table.seeds > 0)]
    lines = []
    for row, group in candidates.groupby("row", sort=False):
        best, base = group.loc[group.nll.idxmin()], group[group.change == "defaults"]
        lines.append(
            {
                "row": row,
                "trials": len(group),
                "defaults": base.nll.iloc[0] if len(base) else float("nan"),
                "best": best.nll,
                "best_half": best.nll_half,
                "choice": best.change,
            }
        )
    return pd.DataFrame(lines)
