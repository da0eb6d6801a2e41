"""The section's tables, as Markdown: a line each noise, a column each row."""

import numpy as np
import pandas as pd

from reproduce.experiments.collapse.linear.design import LATENT, ROWS
from reproduce.pages.markdown import markdown_table, number, spread


def by_noise(table: pd.DataFrame, measure: str, form: str, exact: bool) -> str:
    """`measure` by noise variance and row; with `exact` the optimum's count beside it."""
    rows = [row for row in ROWS if row in set(table.row)]
    head = ["noise variance", *(["exact optimum"] if exact else []), *rows]
    lines = []
    for variance, group in table.groupby("variance", sort=True):
        by_row = group.set_index("row")
        entries = [f"{variance:.4f}", *([str(by_row.exact.iloc[0])] if exact else [])]
        for row in rows:
            text = spread(by_row[measure][row], by_row[f"{measure}_half"][row], form)
            lost = f" ({by_row.lost[row]} diverged)" if by_row.lost[row] else ""
            entries.append(text + lost)
        lines.append(entries)
    return markdown_table(head, lines, 1)


def overall(table: pd.DataFrame, cost: bool = True) -> str:
    """Each row over all noises: how often it counts as the optimum, and what it lacks.

    `cost` adds the CPU-seconds, which no second run repeats.
    """
    head = ["row", "counts as the optimum, by q", "by the decoder", "largest loss of log p"]
    head += ["largest KL gap", "importance sampling less exact, worst", "k-hat too high"]
    head += ["CPU seconds a model"] if cost else []
    lines = []
    for row, subset in table.groupby("row", sort=False):
        of = (subset.seeds + subset.lost).sum()
        worst = max(subset.importance_error.dropna(), key=abs, default=np.nan)
        lines.append(
            [
                row,
                f"{subset.same_by_q.sum()} of {of}",
                f"{subset.same_by_decoder.sum()} of {of}",
                number(subset.log_p_loss.min(), "+.4f"),
                number(subset.gap.max(), ".3f"),
                number(worst, "+.3f"),
                number(100 * subset.k_hat_untrusted.mean(), ".1f") + " %",
                *([number(subset.cpu_seconds.mean(), ".1f")] if cost else []),
            ]
        )
    return markdown_table(head, lines, 1)


def note() -> str:
    """How the counts are made."""
    return (
        f"A latent of q has collapsed where its KL from the prior, mean over images, is below 0.01 "
        f"nats; a direction of the decoder where log(1 + s^2 / sigma^2) / 2 is, s its singular "
        f"value. {LATENT} latents in all. Means over seeds."
    )
