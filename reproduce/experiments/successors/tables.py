"""The tables of the page and what stands below them."""

import numpy as np
import pandas as pd

from annealed.evaluation.result import trusted_k
from annealed.inference.marginal_kl import TIGHT
from reproduce.experiments.successors import summary
from reproduce.experiments.successors.design import COUNTS, ENERGIES, METHODS, Budget
from reproduce.pages.markdown import markdown_table, number, seeds, spread
from reproduce.results import published
from reproduce.table.nll_table import interval

MNIST_NOTE = (
    "NLL in nats an image by importance sampling with S samples, lower is better; in brackets its "
    "95% interval over seeds. Less HVI's: the difference of the same seeds, ± half its 95% "
    "interval over them. The bound is the ELBO. k-hat is the share of images whose k-hat is too "
    "high for the estimate. The NLL by AIS is of the first test images alone, which are easier, "
    "and sees the decoder alone, so that it is the same estimator for every row: of rows that were "
    "scored by it, as on [the page of estimators](estimators/index.md). Published numbers are "
    "those of Huang et al. 2018 (arXiv 1809.01818), and of the publications that the last rows "
    "name, whose sizes these take (`configs/published/`) and whose protocols were their own."
)


def mnist_table(rows: pd.DataFrame) -> str:
    """NLL, bound, k-hat and the published number of every row; dashes where none is trained."""
    head = ["row", "seeds", "S", "NLL", "less HVI's", "bound", "k-hat too high", "NLL by AIS"]
    head += ["published"]
    lines = []
    for r in rows.itertuples():
        nll = f"{number(r.nll)} ({interval(r)})" if r.seeds else "-"
        high = f"{100 * r.k_hat_untrusted:.1f} %" if r.k_hat_untrusted >= 0 else "-"
        behind = spread(r.difference, r.difference_half, "+.2f")
        cells = [nll, behind, number(r.elbo), high, spread(r.nll_ais, r.nll_ais_half)]
        lines.append([r.label, seeds(r), number(r.samples, ".0f"), *cells, r.published or "-"])
    return markdown_table(head, lines, 1)


def untrained(rows: pd.DataFrame) -> str:
    """Which rows have no number: no result is committed, or all diverged."""
    none, lost = rows.seeds == 0, rows.get("diverged", pd.Series(0, rows.index)) > 0
    reasons = {"Not trained yet": none & ~lost, "All seeds diverged": none & lost}
    said = [
        f"**{reason}, so a dash: {'; '.join(rows.label[of])}.**"
        for reason, of in reasons.items()
        if of.any()
    ]
    return " ".join(said) or "Every row is trained."


def cost_table(costs: pd.DataFrame) -> str:
    """Evaluations of the decoder, time and memory of every row's step."""
    head = ["row", "calls, a sample", "gradients, a sample", "calls, a step", "gradients, a step"]
    head += ["time / HVI's", "memory / HVI's", "ms", "MB"]
    lines = []
    for r in costs.itertuples():
        counts = [number(getattr(r, name), ".3g") for name in summary.COUNTS]
        ratios = [spread(r.time_ratio, r.time_ratio_half), number(r.memory_ratio)]
        sizes = [number(r.milliseconds, ".1f"), number(r.megabytes, ".1f")]
        lines.append([published.label(r.row), *counts, *ratios, *sizes])
    return markdown_table(head, lines, 1)


def cost_note(budget: Budget) -> str:
    """What the columns of the costs are."""
    return (
        "Calls of the decoder and gradients d log p(x, z) / dz, an image: of one sample of the "
        "ELBO, which is what importance sampling takes S times, and of a training step, the mean "
        "over ten steps with AVO's share among them. A step's gradients are all that pass back to "
        "a z: the loss's, and for paths that follow the gradient also those through it, which are "
        f"second derivatives. Time is CPU time of a step on {budget.cost.batch} images, rows in "
        "turns in one process, a median over rounds; memory is the most that torch allocates "
        "beside weights and Adam's state. The interval is over measurements, one a seed."
    )


def ring_table(ring: pd.DataFrame) -> str:
    """log Z, ESS and the rarest mode of every method by K."""
    forms = {"log_z": ("log Z", ".2f"), "ess": ("ESS", ".0f"), "rarest_mode": ("rarest", ".3f")}
    head = ["method"] + [f"{label}, K = {c}" for label, _ in forms.values() for c in COUNTS]
    lines = []
    for method in METHODS:
        entries = [method]
        for measure, (_, form) in forms.items():
            for count in COUNTS:
                place = (ring.method == method) & (ring["count"] == count)
                (line,) = ring[place].to_dict("records")
                entries.append(spread(line[measure], line[f"{measure}_half"], form) + lost(line))
        lines.append(entries)
    return markdown_table(head, lines, 1)


def lost(line: dict) -> str:
    """How many seeds of a line of `summary.over_seeds` diverged."""
    return f" ({line['lost']} of {line['seeds']} diverged)" if line["lost"] else ""


def toys_table(toys: pd.DataFrame, draws: int) -> str:
    """KL, log Z error, energy distance and masses of every method by energy."""
    head = ["target", "method", "KL", "path's KL", "log Z error (k-hat)", "energy distance"]
    head += ["noise floor", "total variation"]
    lines = []
    for r in toys.to_dict("records"):
        mark = "!" if r["k_hat_max"] > trusted_k(draws) else ""
        miss = spread(r["log_z_miss"], r["log_z_miss_half"], ".3f")
        cells = [marginal(r), spread(r["kl"], r["kl_half"], ".3f") + lost(r)]
        cells += [f"{miss} ({number(r['k_hat_max'])}{mark})"]
        cells += [spread(r["energy_distance"], r["energy_distance_half"], ".4f")]
        cells += [number(r["noise_floor"], ".4f")]
        cells += [spread(r["total_variation"], r["total_variation_half"])]
        lines.append([ENERGIES[r["energy"]][0], r["method"], *cells])
    return markdown_table(head, lines, 2)


def marginal(line: dict) -> str:
    """KL(q_T || f) of a line of the toys, or its least upper bound where bounds are apart."""
    gap = line["kl_marginal"] - line["kl_marginal_low"]
    if gap <= TIGHT:
        return spread(line["kl_marginal"], line["kl_marginal_half"], ".3f")
    return f"≤ {number(np.fmin(line['kl_marginal'], line['kl']), '.3f')}"


def toys_note(budget: Budget) -> str:
    """What the columns of the toys are."""
    draws = budget.toys.draws
    return (
        "KL(q_T || f) of the last marginal, by the upper of two bounds; where they are more than "
        f"{TIGHT:g} apart, or there are none (UHA's last step has no Gaussian kernel), ≤ and the "
        "lower of that bound and the path's KL, which is trained and never smaller. The absolute "
        f"error of log Z in nats by importance sampling with {draws} draws; in brackets the worst "
        f"Pareto k-hat over seeds, with ! above {trusted_k(draws):.2f}. The energy distance sees "
        "end points alone; the noise floor is the largest between two exact samples. Total "
        "variation is that of the masses of the modes from the true ones."
    )
