"""reports/noise/index.md: a unimodal posterior biases what the model learns."""

from pathlib import Path

import pandas as pd

from annealed.evaluation.result import trusted_k
from reproduce.experiments.committed import UnitPage
from reproduce.experiments.noise import figures, summary, tables
from reproduce.experiments.noise.design import BUDGETS, Budget
from reproduce.experiments.noise.model import truth
from reproduce.experiments.noise.run import CHECK, COUNTED, sampler_distance
from reproduce.experiments.page_work import Source
from reproduce.pages import page
from reproduce.pages.page import Section

READING = Path(__file__).parent / "reading.md"
SETTING = Path(__file__).parent / "setting.md"


def make(source: Source, folder: Path) -> str:
    """`write` of all that the page's units made; raises UsageError where something is missing."""
    results, places = source.read("noise")
    return write(results, places, BUDGETS[source.preset], folder, source.preset)


PAGE = UnitPage("noise", make)


def write(
    by_row: dict[str, list[dict]],
    places: dict[str, Path],
    budget: Budget,
    folder: Path,
    preset: str,
    note: Path = READING,
) -> str:
    """Write index.md, figures and CSV of numbers into `folder`; returns the digest of its numbers.

    `by_row` and `places` are by row: the results of every seed, and the folder that holds them.
    """
    seeds = summary.seeds(by_row)
    rows, pairs, starts = summary.rows(seeds), summary.pairs(seeds), summary.starts(seeds)
    shown = sorted(seeds.seed.unique().tolist())
    results = [r for of_row in by_row.values() for r in of_row]
    source = (
        f"{page.seeds_source('noise', preset, results)}. {budget.count} points a data set, "
        f"as many to test; {budget.steps} steps of Adam on batches of {budget.batch}, "
        f"S = {budget.samples} in training and {budget.draws} in evaluation. ± is half a 95% "
        "t-interval over seeds; differences are paired by seed. All numbers: `seeds.csv`, "
        "`rows.csv`, `pairs.csv`, `starts.csv`."
    )
    sections = [
        page.what_was_run(SETTING),
        learned(by_row, seeds, rows, pairs, budget),
        start(starts),
        nearness(by_row, places, rows, budget, shown[0]),
    ]
    title = "Biased noise: a unimodal posterior biases what the model learns"
    return page.write(folder / "index.md", title, preset, source, sections, note)


def learned(
    by_row: dict[str, list[dict]],
    seeds: pd.DataFrame,
    rows: pd.DataFrame,
    pairs: pd.DataFrame,
    budget: Budget,
) -> Section:
    """What each row learned of the model."""
    bias, paired = tables.bias(rows, truth().sigma.item()), tables.pairs(pairs)
    return Section(
        "What was learned",
        [
            bias,
            f"Log p is exact: with {CHECK} nodes a side no log p(x) moves by more than "
            f"{rows.quadrature_error.max():.1e} nats. The maxima reached from the truth and from "
            f"{budget.starts} random starts differ by at most {summary.spread_of_mle(by_row):.1e} "
            "nats a point, over all seeds; the highest is the MLE.",
            paired,
            "![Bias of every seed](bias.png)",
        ],
        [bias, paired],
        figures={"bias": figures.bias(seeds)},
        frames={"seeds": seeds, "rows": rows, "pairs": pairs},
    )


def start(starts: pd.DataFrame) -> Section:
    """Whether the bias is that of where training begins."""
    table = tables.starts(starts)
    return Section(
        "Is it the start?",
        [
            "The same rows with A and sigma begun at the truth, q as before: a bias that is there "
            "from both starts is not the start's.",
            table,
        ],
        [table],
        frames={"starts": starts},
    )


def nearness(
    by_row: dict[str, list[dict]],
    places: dict[str, Path],
    rows: pd.DataFrame,
    budget: Budget,
    seed: int,
) -> Section:
    """How near q is to the posterior of the model that it was trained with; `seed` is drawn.

    A reading is held to the table without its column of seconds.
    """
    return Section(
        "How near q is to its model's posterior",
        [
            tables.fit(rows),
            "The KL gap is on the test set, in nats. Total variation is that of q's shares in the "
            f"four quadrants from a quarter each, mean over {COUNTED} test points: 0 for every "
            f"exact posterior (about {sampler_distance(budget.draws):.3f} when counted with "
            f"{budget.draws} draws), 0.75 for a q on one quadrant. Importance sampling with q, S = "
            f"{budget.draws}, is compared with the exact log p(test) of the same model; 'k-hat too "
            f"high' is the share of test points above {trusted_k(budget.draws):.2f}.",
            f"![Posteriors of seed {seed}](posteriors.png)",
            f"Seed {seed}: draws of q(z | x) in red over the exact posterior of the model learned "
            "with it, in blue, each on its own scale; on the left the posterior under the truth. "
            "Four x, one a line.",
        ],
        [tables.fit(rows, cost=False)],
        figures={"posteriors": figures.posteriors(by_row, places, seed)},
    )
