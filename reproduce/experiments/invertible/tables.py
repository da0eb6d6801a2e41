"""The page's tables, as Markdown, from the data frames of `summary` and `digits`."""

import numpy as np
import pandas as pd

from annealed.evaluation.result import trusted_k
from annealed.models.energies import MASSES
from reproduce.experiments.invertible.design import OBJECTIVES, label
from reproduce.experiments.invertible.summary import KEYS, REFERENCE
from reproduce.pages.markdown import markdown_table, number, seeds, spread

OTHERS = [name for name in OBJECTIVES if name != REFERENCE]


def divergence(summary: pd.DataFrame) -> str:
    """KL by target, steps and objective, and the paired differences from the ELBO."""
    head = ["target", "steps", *OBJECTIVES, *(f"{name} less ELBO" for name in OTHERS)]
    lines = []
    for key, group in summary.groupby(KEYS, sort=False):
        by_objective = group.set_index("objective")
        entries = [
            _lost(
                by_objective.loc[name],
                spread(by_objective.kl[name], by_objective.kl_half[name], ".3f"),
            )
            if name in by_objective.index
            else "-"
            for name in OBJECTIVES
        ]
        entries += [
            spread(by_objective.kl_difference[name], by_objective.kl_difference_half[name], "+.3f")
            if name in by_objective.index
            else "-"
            for name in OTHERS
        ]
        bound = " (upper bound)" if key[1] == "hvi" else ""
        lines.append([key[0], label(*key[1:]) + bound, *entries])
    return markdown_table(head, lines, 2)


def _lost(line: pd.Series, text: str) -> str:
    return f"{text} ({line.lost} of {line.seeds} diverged)" if line.lost else text


def evidence(summary: pd.DataFrame, draws: int) -> str:
    """Mean absolute error of log Z and the worst k-hat over seeds, and AVO less the ELBO."""
    limit = trusted_k(draws)
    lines = []
    for key, group in summary.groupby(KEYS, sort=False):
        by_objective, entries = group.set_index("objective"), []
        for name in OBJECTIVES:
            if name not in by_objective.index:
                entries.append("-")
                continue
            k = by_objective.k_hat_max[name]
            mark = "!" if np.isfinite(k) and k > limit else ""
            entries.append(f"{number(by_objective.log_z_miss[name], '.3f')} ({number(k)}{mark})")
        difference = "-"
        if "AVO" in by_objective.index:
            line = by_objective.loc["AVO"]
            difference = spread(line.log_z_miss_difference, line.log_z_miss_difference_half, "+.3f")
        lines.append([key[0], label(*key[1:]), *entries, difference])
    return markdown_table(["target", "steps", *OBJECTIVES, "AVO less ELBO"], lines, 2)


def modes(summary: pd.DataFrame) -> str:
    """Mass in each mode of energy d, and the total variation from the true masses."""
    head = ["steps", "objective", "left", "right", "top", "bottom", "total variation", "less ELBO"]
    lines = [["the target", "", *(number(m) for m in MASSES), "0", ""]]
    for r in summary[summary.target.str.startswith("four modes")].itertuples():
        masses = [number(getattr(r, f"mass_{i}")) for i in range(len(MASSES))]
        total = spread(r.total_variation, r.total_variation_half)
        pair = r.total_variation_difference, r.total_variation_difference_half
        difference = "" if r.objective == REFERENCE else spread(*pair, "+.2f")
        lines.append([label(r.method, r.count), r.objective, *masses, total, difference])
    return markdown_table(head, lines, 2)


def nll(table: pd.DataFrame) -> str:
    """The digits' NLL by row, and AVO less ELBO."""
    head = ["row", "seeds", "NLL", "AVO less ELBO, over seeds", "the same, over images"]
    head += ["MC error", "ELBO", "k-hat too high"]
    lines = []
    for r in table.itertuples():
        apart = spread(r.difference, r.difference_half, "+.3f")
        images = spread(r.difference, r.images_half, "+.3f")
        share = number(100 * r.k_hat_untrusted, ".1f") + " %"
        entries = spread(r.nll, r.nll_half), apart, images, number(r.mc_error, ".3f")
        lines.append([r.label, seeds(r), *entries, number(r.elbo), share])
    return markdown_table(head, lines, 1)
