"""Whether the table's rows lie in the published order, as Markdown."""

import pandas as pd

from reproduce.pages.markdown import markdown_table, number
from reproduce.results.bootstrap import RESAMPLES
from reproduce.results.order import AS_PUBLISHED, OPEN, REVERSED, ranked, resampled, tau
from reproduce.results.published import label
from reproduce.results.store import Committed

HEAD = ["published as better", "than", "published difference", "seeds", "here", "95% over seeds"]
HEAD += ["p, t", "Holm", "order"]


def markdown(made: list[Committed], pairs: pd.DataFrame) -> str:
    """The section on `pairs`, which are those of `order.pairs` of `made`."""
    lines = []
    for r in pairs.itertuples():
        interval = f"{r.t_low:+.3f} to {r.t_high:+.3f}" if r.seeds > 1 else "one seed"
        cells = [label(r.row), label(r.against), f"{r.published:+.2f}", str(r.seeds)]
        cells += [f"{r.difference:+.3f}", interval, number(r.p_t, ".2g"), number(r.holm_t, ".2g")]
        lines.append([*cells, r.order])
    ranks = {row: nll for row, nll in ranked(made).items() if row in {*pairs.row, *pairs.against}}
    names = ", ".join(f"{label(row)} ({nll:.2f})" for row, nll in ranks.items())
    text = f"Published, best first: {names}. {settled(pairs)}{certainty(made, next(iter(ranks)))}"
    return "\n\n".join(["## The published order", text, markdown_table(HEAD, lines, 2)])


def settled(pairs: pd.DataFrame) -> str:
    """How many pairs lie in the published order, and of how many the seeds settle it."""
    sure = pairs.holm_t < 0.05
    count = {kind: int((pairs.order == kind).sum()) for kind in (AS_PUBLISHED, REVERSED, OPEN)}
    corrected = {kind: int((sure & (pairs.order == kind)).sum()) for kind in count}
    return (
        f"By the means here {int((pairs.difference < 0).sum())} of {len(pairs)} pairs lie in that "
        f"order, Kendall's tau {tau(pairs.difference.to_numpy()):+.2f}. By the t-interval of each "
        f"pair {count[AS_PUBLISHED]} are settled as published, {count[REVERSED]} reversed and "
        f"{count[OPEN]} not settled; after Holm's correction over all of them, at 5%, "
        f"{corrected[AS_PUBLISHED]} as published and {corrected[REVERSED]} reversed."
    )


def certainty(made: list[Committed], best: str) -> str:
    """How often the published order is seen when seeds and images are drawn anew; may be empty."""
    sure = resampled(made)
    if not sure:
        return ""
    return (
        f" Of {RESAMPLES:,} draws of the {sure['seeds']} seeds that all these rows have and of "
        f"images {100 * sure['whole']:.1f} % have the whole published order, and in "
        f"{100 * sure['best']:.1f} % {label(best)} is the best of these rows; 95 % of the draws "
        f"have a tau from {sure['tau_low']:+.2f} to {sure['tau_high']:+.2f}. The draws take their "
        "seeds from the few there are, and understate what more seeds might change."
    )
