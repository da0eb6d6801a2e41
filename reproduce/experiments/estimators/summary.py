"""From seeds scored by both estimators to data frames: rows, paired differences, the order."""

from collections.abc import Callable

import numpy as np
import pandas as pd

from reproduce.results import paired, published
from reproduce.results.scored import AIS, Scored
from reproduce.results.statistics import interval

MEASURES = ("nll_test", "nll_is", "nll_ais", "slack", "bdmc_gap", "bdmc_gap_mean", "bdmc_apart")
MEASURES += ("acceptance",)
LOG_PROB: dict[str, Callable[[Scored], np.ndarray]] = {  # of which a pair's difference is taken
    "importance sampling": lambda s: s.importance,
    "AIS": lambda s: s.annealed,
    "IS less AIS": lambda s: s.importance - s.annealed,
}


def by_seed(scored: list[Scored]) -> pd.DataFrame:
    """One line a seed, nats an image.

    `nll_test` is of all test images, `nll_is` and `nll_ais` of the same first ones, `slack` the one
    less the other, `slack_max` that of the image where it is largest. `bdmc_gap` and
    `bdmc_apart` are `Scored`'s median_gap and apart.
    """
    lines = []
    for one in scored:
        result, slack = one.result, one.annealed - one.importance
        ais = result[AIS]
        lines.append(
            {
                "row": result["row"],
                "seed": result["seed"],
                "nll_test": result["nll"],
                "nll_is": one.nll_is,
                "nll_ais": one.nll_ais,
                "nll_ais_mc_error": ais["nll_mc_error"],
                "slack": slack.mean(),
                "slack_max": slack.max(),
                "bdmc_gap": one.median_gap,
                "bdmc_apart": one.apart,
                "bdmc_gap_mean": one.gap.mean(),
                "bdmc_images": len(one.gap),
                "acceptance": ais["acceptance_mean"],
                "k_hat_untrusted": result["k_hat_untrusted"],
                "ais_minutes": ais["evaluate_seconds"] / 60,
            }
        )
    return pd.DataFrame(lines).astype({"nll_ais_mc_error": float})


def by_row(seeds: pd.DataFrame) -> pd.DataFrame:
    """One line a row: mean and half width of the 95% t-interval over seeds of every measure."""
    lines = []
    for row, group in seeds.groupby("row", sort=False):
        line = {"row": row, "label": published.label(row), "seeds": len(group)}
        for measure in MEASURES:
            line[measure], line[f"{measure}_half"] = interval(group[measure])
        lines.append(line | {"slack_max": group.slack_max.max()})
    return pd.DataFrame(lines)


def pairs(scored: list[Scored]) -> dict[str, pd.DataFrame]:
    """Paired differences between rows by each of LOG_PROB, each with Holm's correction."""
    return {name: paired.of_scored(scored, take) for name, take in LOG_PROB.items()}


def order(rows: pd.DataFrame, measure: str) -> list[str]:
    """The labels of `rows`, lowest mean first."""
    return list(rows.sort_values(measure, kind="stable").label)


def changed(rows: pd.DataFrame, measure: str) -> list[tuple[str, str]]:
    """Pairs of labels, the first better by `measure`, the second by AIS."""
    first, second = order(rows, measure), order(rows, "nll_ais")
    return [
        (one, other)
        for place, one in enumerate(first)
        for other in first[place + 1 :]
        if second.index(other) < second.index(one)
    ]
