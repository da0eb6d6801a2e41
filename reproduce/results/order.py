"""Whether rows lie in the published order, and how sure the seeds make it."""

from itertools import combinations

import numpy as np
import pandas as pd

from reproduce.results import bootstrap, published
from reproduce.results.paired import by_row, differences
from reproduce.results.statistics import adjust, over_seeds
from reproduce.results.store import Committed

AS_PUBLISHED, REVERSED, OPEN = "as published", "reversed", "not settled"


def ranked(results: list[Committed]) -> dict[str, float]:
    """The rows with a published NLL on the images of `results`, the lowest first, nats."""
    known = {one.row: published.of(one.read()).nll for one in results}
    return dict(sorted(((r, nll) for r, nll in known.items() if nll == nll), key=lambda p: p[1]))


def pairs(results: list[Committed]) -> pd.DataFrame:
    """A line for each two rows of `ranked` with a seed in common; `row` was published as better.

    `published` and `difference` are the NLL of `row` less that of `against`, nats. With it come its
    t-interval over the common seeds, its p and Holm's correction over all lines, and `order`:
    whether the interval settles the order as published or reversed, or lies across zero.
    """
    order, rows, lines = ranked(results), by_row(results), []
    for first, second in combinations([row for row in order if row in rows], 2):
        if rows[first].keys() & rows[second].keys():
            numbers = over_seeds(differences(rows[first], rows[second]).mean(1))
            line = {"row": first, "against": second, "published": order[first] - order[second]}
            settled = {"order": _settled(numbers["t_low"], numbers["t_high"])}
            lines.append({**line, **numbers, **settled})
    return adjust(pd.DataFrame(lines)) if lines else pd.DataFrame()


def _settled(low: float, high: float) -> str:
    return AS_PUBLISHED if high < 0 else REVERSED if low > 0 else OPEN


def tau(differences: np.ndarray) -> float:
    """Kendall's tau between two orders, from the differences of pairs in the first, (..., pairs).

    1 where all are below zero, the orders being the same, and -1 where all are above.
    """
    return 0.0 - np.sign(differences).mean(-1)  # a tie is 0, not -0


def resampled(results: list[Committed]) -> dict[str, float]:
    """How often the order is the published one when seeds and test images are drawn anew.

    Seeds that all rows of `ranked` have and images are drawn as by `bootstrap.means`, the same for
    every row; `seeds` is how many these are. `whole` is the share of draws whose means have the
    whole published order, `best` that in which the row published as best has the lowest mean;
    `tau_low` and `tau_high` hold 95% of the draws' Kendall's tau. Empty with fewer than two such
    rows or seeds.
    """
    rows = by_row(results)
    of_rows = [rows[row] for row in ranked(results) if row in rows]
    seeds = sorted(set.intersection(*map(set, of_rows))) if of_rows else []
    if len(of_rows) < 2 or len(seeds) < 2:
        return {}
    nll = np.array([[-of_row[seed].log_prob() for seed in seeds] for of_row in of_rows])
    means = bootstrap.means(nll, *nll.shape)
    first, second = np.array(list(combinations(range(len(of_rows)), 2))).T
    taus = tau(means[:, first] - means[:, second])
    low, high = np.quantile(taus, [0.025, 0.975])
    best = (means[:, :1] < means[:, 1:]).all(1)
    shares = {"whole": (taus == 1).mean(), "best": best.mean()}
    return {"seeds": len(seeds), **shares, "tau_low": low, "tau_high": high}
