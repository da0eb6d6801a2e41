"""The section on the linear VAE."""

from pathlib import Path

from annealed.evaluation.result import trusted_k
from reproduce.experiments.collapse.linear import figures, summary, tables
from reproduce.experiments.collapse.linear.design import Budget, data
from reproduce.experiments.collapse.linear.optimum import spectrum
from reproduce.pages.page import Section

SETTING = Path(__file__).parent / "setting.md"


def section(by_row: dict[str, list[dict]], budget: Budget) -> Section:
    """The section of the results of every row and seed."""
    seeds, rates = summary.seeds(by_row), summary.rates(by_row)
    rows = summary.rows(seeds)
    numbers = [
        tables.by_noise(rows, "by_q", ".1f", exact=True),
        tables.by_noise(rows, "by_decoder", ".1f", exact=True),
        tables.by_noise(rows, "log_p_loss", "+.4f", exact=False),
        tables.overall(rows),
    ]
    by_q, by_decoder, loss, overall = numbers
    blocks = [
        SETTING.read_text(encoding="utf-8").strip(),
        f"{seeds.seed.nunique()} seeds; {budget.steps} steps of Adam on batches of {budget.batch}; "
        f"evaluation with S = {budget.draws} "
        f"on {budget.counted} images; log p(x) is exact, over all images.",
        "### Collapsed latents, by q",
        tables.note(),
        by_q,
        "### Unused directions of the decoder",
        by_decoder,
        "### Exact log p(x) less the optimum's, nats an image",
        loss,
        "![Collapsed latents and log p by noise](linear_counts.png)",
        "Every seed is a point; the line is the optimum's count at every noise.",
        "![KL by rank](linear_spectra.png)",
        "KL of each latent of q (above) and what each direction of the decoder carries (below), "
        "largest first, mean over seeds; the dashed line is 0.01 nats.",
        "### All noises together",
        overall,
        "Counts as the optimum: of all models of the row. Losses and gaps are the largest mean "
        "over seeds at a noise. The KL gap is exact log p(x) less the ELBO; for HVI that of the "
        f"path. 'k-hat too high' is the share of images above {trusted_k(budget.draws):.2f}.",
    ]
    return Section(
        "The linear VAE",
        blocks,
        numbers,
        [r for row in by_row.values() for r in row],
        {
            "linear_counts": figures.counts(seeds, spectrum(data())),
            "linear_spectra": figures.spectra(rates),
        },
        {"linear_seeds": seeds, "linear_rows": rows, "linear_rates": rates},
    )
