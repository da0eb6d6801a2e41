"""A case's table, as Markdown, from the data frame of `summary.by_row`."""

import numpy as np
import pandas as pd

from annealed.evaluation.result import trusted_k
from reproduce.experiments.corners.design import Case
from reproduce.experiments.corners.targets import target
from reproduce.pages.markdown import markdown_table, number, spread


def case(table: pd.DataFrame, shown: Case, draws: int, cost: bool = True) -> str:
    """The rows of one case; `cost` adds the CPU-seconds, which no second run repeats."""
    less = f"less {shown.reference}"
    head = ["row", "KL (from below)", less, "path's KL", less, "log Z error (k-hat)"]
    head += ["regions found"]
    head += ["mass in each region", "total variation", "energy distance (noise floor)"]
    lines = []
    for r in table.itertuples():
        masses = target(r.target).masses
        shares = " ".join(number(getattr(r, f"share_{i}")) for i in range(len(masses)))
        mark = "!" if r.k_hat_max > trusted_k(draws) else ""
        lost = f" ({r.lost} of {r.seeds} diverged)" if r.lost else ""
        miss = spread(r.log_z_miss, r.log_z_miss_half, ".3f")
        low = number(r.kl_marginal - r.kl_marginal_gap, ".3f")
        some = r.kl_marginal_seeds < r.seeds - r.lost
        few = f"; {r.kl_marginal_seeds} of {r.seeds} seeds" if some else ""
        below = f" ({low}{few})" if np.isfinite(r.kl_marginal) else ""
        gap = spread(r.kl_marginal_difference, r.kl_marginal_difference_half, "+.3f")
        path = spread(r.kl_difference, r.kl_difference_half, "+.3f")
        distance = spread(r.energy_distance, r.energy_distance_half, ".4f")
        marginal = spread(r.kl_marginal, r.kl_marginal_half, ".3f")
        entries = [
            marginal + below + lost,
            gap,
            spread(r.kl, r.kl_half, ".3f"),
            path,
        ]
        entries += [f"{miss} ({number(r.k_hat_max)}{mark})"]
        entries += [f"{number(r.found, '.1f')} of {len(masses)}", shares]
        entries += [spread(r.total_variation, r.total_variation_half)]
        entries += [f"{distance} ({number(r.noise_floor, '.4f')})"]
        entries += [number(r.training_cpu_seconds, ".1f")] if cost else []
        lines.append([r.row, *entries])
    return markdown_table([*head, "CPU seconds a seed"] if cost else head, lines, 1)


def truths(shown: Case) -> str:
    """The exact masses of the regions of a case's targets, as a sentence."""
    targets = {}
    for line in shown.lines:
        targets.setdefault(target(line.setting.target).masses, []).append(line.setting.target)
    listed = (" ".join(number(mass) for mass in masses) for masses in targets)
    return f"The exact masses are {', '.join(listed)}."
