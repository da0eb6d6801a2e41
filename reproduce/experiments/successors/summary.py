"""From results to data frames: means and 95% t-intervals over seeds of all that the page shows."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import pandas as pd

from reproduce.experiments.nested import design as nested
from reproduce.experiments.successors.design import (
    LEARNT_KERNELS,
    METHODS,
    PUBLISHED,
    REFERENCE,
    ROWS,
    Cost,
    Ring,
    Toy,
)
from reproduce.results import paired, published
from reproduce.results.published_sizes import PUBLISHED_SIZES
from reproduce.results.scored import scored_among
from reproduce.results.statistics import interval
from reproduce.results.store import Committed, committed_results
from reproduce.table import annealed_columns, nll_table

RING = ("log_z", "ess", "rarest_mode")
TOYS = ("kl", "kl_marginal", "kl_marginal_low", "log_z_miss", "energy_distance")
TOYS += ("total_variation",)
WORST = ("k_hat", "noise_floor")  # of toys, whose largest over seeds is shown
COUNTS = ("sample_calls", "sample_gradients", "step_calls", "step_gradients")
COSTS = (*COUNTS, "milliseconds", "time_ratio", "megabytes", "memory_ratio")
MNIST = ("row", "seeds", "nll", "ci_low", "ci_high", "elbo", "k_hat_untrusted", "published")
KINDS = {kind: method for method, kind in LEARNT_KERNELS.items()}
Results = Mapping[Hashable, list[dict]]


def ring_seeds(made: Results, of_nested: Results) -> pd.DataFrame:
    """One line a method, K and seed; a path that diverged has no numbers."""
    both: dict[tuple[str, int], list[dict]] = {}
    for setting, results in {**made, **of_nested}.items():
        if isinstance(setting, Ring):
            both[setting.method, setting.count] = results
        elif isinstance(setting, nested.Setting):
            both[KINDS[setting.kind], setting.count] = results
    lines = [
        {"method": method, "count": count, "seed": r["seed"], **_numbers(r, RING)}
        for method, count in sorted(both, key=lambda key: METHODS.index(key[0]))
        for r in both[method, count]
    ]
    return pd.DataFrame(lines)


def toy_seeds(made: Results) -> pd.DataFrame:
    """One line an energy, method and seed; `log_z_miss` is the absolute error of log Z."""
    lines = [
        {
            **asdict(setting),
            "seed": r["seed"],
            **_numbers({**r, "log_z_miss": abs(r.get("log_z_error", float("nan")))}, TOYS + WORST),
        }
        for setting, results in made.items()
        if isinstance(setting, Toy)
        for r in results
    ]
    return pd.DataFrame(lines)


def cost_seeds(made: Results) -> pd.DataFrame:
    """One line a row and measurement."""
    lines = [
        {"row": setting.row, "seed": r["seed"], **_numbers(r, COSTS)}
        for setting, results in made.items()
        if isinstance(setting, Cost)
        for r in results
    ]
    return pd.DataFrame(lines)


def over_seeds(seeds: pd.DataFrame, keys: list[str], measures: Sequence[str]) -> pd.DataFrame:
    """One line a group of `keys`: mean and half width of each measure, and how many diverged.

    A seed has diverged that lacks the first measure.
    """
    lines = []
    for key, group in seeds.groupby(keys, sort=False):
        line = dict(zip(keys, key, strict=True))
        line |= {"seeds": len(group), "lost": int(group[measures[0]].isna().sum())}
        for measure in measures:
            line[measure], line[f"{measure}_half"] = interval(group[measure])
        lines.append(line)
    return pd.DataFrame(lines)


def by_toy(seeds: pd.DataFrame) -> pd.DataFrame:
    """`over_seeds` of an energy and method, the worst k-hat, and the largest noise floor."""
    keys = ["energy", "method"]
    table, groups = over_seeds(seeds, keys, TOYS), seeds.groupby(keys, sort=False)
    floor = groups.noise_floor.agg(lambda values: values.abs().max())
    return table.assign(k_hat_max=groups.k_hat.max().to_numpy(), noise_floor=floor.to_numpy())


def mnist(results: Path) -> pd.DataFrame:
    """One line a row of ROWS and PUBLISHED: NLL, bound, share of high k-hats, what was published.

    Of what is committed of preset short below `results`; a row that is not there has no numbers.
    `difference` is the NLL less REFERENCE's, over the seeds that both have, of ROWS alone.
    `diverged`, the seeds that did, is there where any row has some.
    """
    labels = {row: published.label(row) for row in ROWS}
    labels |= {row: label for row, (label, _) in PUBLISHED.items()}
    rows = pd.DataFrame({"row": list(labels), "label": list(labels.values())})
    table = committed_results("short", "mnist", results)
    sizes = committed_results("short", "mnist", results, PUBLISHED_SIZES)
    runs = nll_table.collect(table) + nll_table.collect(sizes)  # apart, as they may differ in S
    shown = [run for run in runs if run["row"] in labels]
    if shown:
        scored = scored_among(shown, results) + scored_among(shown, results, PUBLISHED_SIZES)
        means = nll_table.summarise(shown)
        kept = [*MNIST] + ["diverged"] * bool(means.diverged.any())
        rows = rows.merge(means[kept], on="row", how="left")
        rows["seeds"] = rows.seeds.fillna(0).astype(int)
        rows = annealed_columns.columns(rows, scored)
    else:
        rows = rows.assign(**dict.fromkeys(MNIST[1:], float("nan"))).assign(seeds=0)
    finished = [run for run in shown if run["status"] == "finished"]
    rows["samples"] = rows.row.map({run["row"]: run["samples"] for run in finished})
    rows = rows.merge(_behind(table), on="row", how="left")
    absent = [name for name in ("nll_ais", "nll_ais_half") if name not in rows]
    numbers = {row: number for row, (_, number) in PUBLISHED.items()}
    numbers |= {r.row: f"{r.published:.2f}" for r in rows.itertuples() if r.published > 0}
    rows["published"] = [numbers.get(row, "") for row in rows.row]
    return rows.assign(**dict.fromkeys(absent, float("nan")))


def _behind(committed: list[Committed]) -> pd.DataFrame:
    """`difference` of each of ROWS that is there, and half of its 95% t-interval over seeds."""
    by_row = paired.by_row(committed)
    lines = []
    for row in ROWS:
        if row != REFERENCE and {row, REFERENCE} <= by_row.keys():
            by_seed = paired.differences(by_row[row], by_row[REFERENCE])
            lines.append([row, *interval(by_seed.mean(1) if len(by_seed) else [])])
    return pd.DataFrame(lines, columns=["row", "difference", "difference_half"])


def _numbers(result: dict, names: Sequence[str]) -> dict[str, float]:
    values = {name: result.get(name) for name in names}
    return {name: float("nan") if v is None else float(v) for name, v in values.items()}
