"""The page's tables, as Markdown, from the data frames of `summary`."""

import pandas as pd

from reproduce.experiments.noise.design import ROWS
from reproduce.experiments.noise.run import MLE
from reproduce.pages.markdown import markdown_table, number, spread


def bias(table: pd.DataFrame, true_sigma: float) -> str:
    """What was learned: sigma, A and log p(x), beside the exact MLE."""
    head = ["row", "seeds", "sigma", "sigma less MLE", "sigma less truth", "distance of A from MLE"]
    head += ["log p(data) less MLE", "log p(test) less MLE"]
    lines = [["truth", "", number(true_sigma, ".3f"), "", "0", "", "", ""]]
    for r in table[table.row.isin([MLE, *ROWS])].itertuples():
        entries = [
            spread(r.sigma, r.sigma_half, ".3f"),
            spread(r.sigma_bias, r.sigma_bias_half, "+.3f"),
            spread(r.sigma_error, r.sigma_error_half, "+.3f"),
            spread(r.weight_distance, r.weight_distance_half, ".3f"),
            spread(r.train_loss, r.train_loss_half, "+.4f"),
            spread(r.test_loss, r.test_loss_half, "+.4f"),
        ]
        if r.row == MLE:
            entries = [entries[0], "0", entries[2], "0", "0", "0"]
        seeds = f"{r.seeds}" + (f" ({r.lost} diverged)" if r.lost else "")
        lines.append([r.row, seeds, *entries])
    return markdown_table(head, lines, 1)


def starts(table: pd.DataFrame) -> str:
    """The bias of sigma from both starts, and what the start changes."""
    head = ["row", "sigma less MLE, random start", "the same, from the truth"]
    head += ["from the truth less random", "log p(test), the same difference"]
    lines = [
        [
            r.row,
            spread(r.random, r.random_half, "+.3f"),
            spread(r.right, r.right_half, "+.3f"),
            spread(r.sigma, r.sigma_half, "+.3f"),
            spread(r.log_p, r.log_p_half, "+.4f"),
        ]
        for r in table.itertuples()
    ]
    return markdown_table(head, lines, 1)


def fit(table: pd.DataFrame, cost: bool = True) -> str:
    """How near q is to the posterior of the model learned with it.

    `cost` adds the CPU-seconds, which no second run repeats.
    """
    head = ["row", "KL gap", "total variation over quadrants", "importance sampling less exact"]
    head += ["k-hat too high"] + (["CPU seconds a seed"] if cost else [])
    lines = []
    for r in table[table.row.isin(ROWS)].itertuples():
        lines.append(
            [
                r.row,
                spread(r.gap, r.gap_half, ".3f"),
                spread(r.quadrant_distance, r.quadrant_distance_half, ".3f"),
                spread(r.importance_error, r.importance_error_half, "+.4f"),
                number(100 * r.k_hat_untrusted, ".1f") + " %",
                *([number(r.cpu_seconds, ".1f")] if cost else []),
            ]
        )
    return markdown_table(head, lines, 1)


def pairs(table: pd.DataFrame) -> str:
    """Rows against each other, paired by seed."""
    lines = [
        [
            f"{r.row} less {r.against}",
            spread(r.bias, r.bias_half, "+.3f"),
            spread(r.log_p, r.log_p_half, "+.4f"),
        ]
        for r in table.itertuples()
    ]
    return markdown_table(["pair", "absolute bias of sigma", "log p(test), nats a point"], lines, 1)
