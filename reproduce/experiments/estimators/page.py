"""reports/estimators/index.md: whether a row's NLL is lower or only its estimate tighter."""

from pathlib import Path

import numpy as np
import pandas as pd

from reproduce.experiments.estimators import figures, kept, summary
from reproduce.experiments.estimators.design import BUDGETS, from_prior
from reproduce.pages import page
from reproduce.pages.markdown import markdown_table, number, spread
from reproduce.pages.page import Section
from reproduce.results.scored import AIS, Scored
from reproduce.results.statistics import BETTER
from reproduce.table.report import paired_table

READING = Path(__file__).parent / "reading.md"
SETTING = Path(__file__).parent / "setting.md"
ORDERS = {
    "nll_test": "importance sampling, whole test set",
    "nll_is": "importance sampling, the images of AIS",
    "nll_ais": "AIS",
}
WORDS = {"IS less AIS": ("flatters the first", "flatters the second")}  # of a pair, by estimator


def rows_table(rows: pd.DataFrame) -> str:
    """The NLL of every row by both estimators, their difference and BDMC's gap."""
    head = ["row", "seeds", "IS, whole test set", "IS", "AIS", "IS less AIS", "largest"]
    head += ["BDMC gap", "mean gap", "above 1 nat", "acceptance"]
    lines = []
    for r in rows.itertuples():
        cells = [spread(getattr(r, m), getattr(r, f"{m}_half")) for m in summary.MEASURES[:3]]
        cells += [spread(r.slack, r.slack_half, ".3f"), number(r.slack_max)]
        apart = "-" if np.isnan(r.bdmc_apart) else f"{100 * r.bdmc_apart:.0f} %"
        digits = ".0f" if r.bdmc_gap_mean > 100 else ".3f"
        cells += [spread(r.bdmc_gap, r.bdmc_gap_half, ".3f")]
        cells += [spread(r.bdmc_gap_mean, r.bdmc_gap_mean_half, digits), apart]
        cells += [number(r.acceptance)]
        lines.append([r.label, str(r.seeds), *cells])
    return markdown_table(head, lines, 1)


def order_text(rows: pd.DataFrame) -> str:
    """The rows by each estimate, lowest mean NLL first, and which pairs AIS has the other way."""
    lines = []
    for measure, name in ORDERS.items():
        pairs = summary.changed(rows, measure)
        listed = "; ".join(f"{one} and {other}" for one, other in pairs)
        changes = f" (by AIS {listed} change places)" if pairs else ""
        lines.append(f"- {name}: {' < '.join(summary.order(rows, measure))}{changes}")
    return "The rows by their mean, lowest NLL first:\n\n" + "\n".join(lines)


def source_line(scored: list[Scored], preset: str) -> str:
    """Where the numbers come from: command, data, sizes, commits and devices."""
    first = scored[0].result
    ais, seeds = first[AIS], sorted({one.result["seed"] for one in scored})
    size, drawn = ais["annealing"], len(scored[0].gap)
    trained = [s for one in scored for s in one.result["training"]["sessions"]]
    scoring = [one.result[AIS]["provenance"] for one in scored]
    return (
        f"Source: `make reproduce-estimators PRESET={preset} SEEDS={len(seeds)}`, preset "
        f"{first['preset']} of the table's runs; data {first['data']}, SHA-256 "
        f"{first['data_digest'][:12]}; seeds {seeds[0]} to {seeds[-1]}; importance sampling with "
        f"S = {first['samples']}; AIS with {size['chains']} chains x {size['temperatures']} "
        f"temperatures x {size['leapfrogs']} leapfrog steps from the {size['start']}; "
        f"{scored[0].images}, {drawn} images of the model for BDMC; "
        f"trained {_where(trained)}; scored by AIS {_where(scoring)}. ± is half a 95% t-interval "
        "over seeds. All numbers: `seeds.csv`, `rows.csv`, `pairs.csv`, `from_prior.csv`."
    )


def _where(processes: list[dict]) -> str:
    """The devices and commits of processes."""
    devices = sorted({process.get("device", "an unnamed device") for process in processes})
    commits = sorted({process["commit"] for process in processes})
    return f"on {', '.join(devices)} at commit {', '.join(commits)}"


def write(preset: str, folder: Path, root: Path, note: Path = READING) -> str:
    """Write index.md, figure (PNG, PDF) and CSV into `folder`; returns the numbers' digest.

    All is made of the pack below `root`. Raises UsageError where that is not one of this page.
    """
    scored = kept.read(BUDGETS[preset], root)
    seeds = summary.by_seed(scored)
    rows, pairs = summary.by_row(seeds), summary.pairs(scored)
    prior_seeds = summary.by_seed(kept.read(from_prior(BUDGETS[preset]), root))
    numbers, order = rows_table(rows), order_text(rows)
    prior_numbers = rows_table(summary.by_row(prior_seeds))
    tables = {name: paired_table(of, WORDS.get(name, BETTER)) for name, of in pairs.items()}
    frame = pd.concat([p.assign(estimator=name) for name, p in pairs.items()], ignore_index=True)
    sections = [
        page.what_was_run(SETTING),
        Section(
            "NLL by both estimators",
            [
                "NLL in nats an image; IS and AIS are of the same weights and the same images. IS "
                "less AIS is by how much importance sampling overstates the NLL beyond AIS, "
                "'largest' that of one image of one seed. AIS is an upper bound in expectation "
                "too: the BDMC gap is how far AIS's bounds on both sides lie apart on images that "
                "the model draws, the median image's; beside it the mean, which is the bound, and "
                "the share of images of which it is above 1 nat. Acceptance is that of HMC moves.",
                numbers,
                "![NLL by both estimators](estimators.png)",
            ],
            [numbers],
            figures={"estimators": figures.estimators(rows)},
            frames={"seeds": seeds, "rows": rows, "pairs": frame},
        ),
        Section(
            "Chains from the prior",
            [
                "The same weights and images by chains that start from N(0, I), not near q(z|x), "
                "for rows whose q(z|x) misses p(z|x) on some of the images that the model draws. "
                "They need no posterior, and lose a little where q(z|x) is good.",
                prior_numbers,
            ],
            [prior_numbers],
            frames={"from_prior": prior_seeds},
        ),
        Section(
            "Does the order of the rows change?",
            [
                order,
                "Below: the NLL of the first row less that of the second, the same seeds and "
                "images. Columns are those of the table's paired differences: Student's t over "
                "seeds, a bootstrap over seeds and images, Holm's correction over the pairs of one "
                "table; the last column reads t after Holm at 5 %.",
                "By importance sampling:",
                tables["importance sampling"],
                "By AIS:",
                tables["AIS"],
                "By importance sampling less by AIS, which is how far the estimator moves a "
                "difference; below zero it flatters the first row:",
                tables["IS less AIS"],
            ],
            [order, *tables.values()],
        ),
    ]
    title = "Two estimators of the NLL: importance sampling and AIS"
    source = source_line(scored, preset)
    return page.write(folder / "index.md", title, preset, source, sections, note)
