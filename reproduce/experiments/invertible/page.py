"""reports/invertible/index.md: numbers made by code, around a reading written by hand.

The reading is shown only under the numbers that it was written for.
"""

from pathlib import Path

import pandas as pd

from annealed.evaluation.result import trusted_k
from annealed.utils.files import replace_text
from reproduce.experiments.invertible import digits, figures, summary, tables
from reproduce.experiments.invertible.design import Setting
from reproduce.experiments.invertible.run import Budget
from reproduce.pages import common
from reproduce.pages.commentary import digest, reading

READING = Path(__file__).parent / "reading.md"
SETTING = Path(__file__).parent / "setting.md"


def write(
    found: dict[Setting, list[dict]],
    images: list[dict],
    places: dict[Setting, Path],
    size: Budget,
    folder: Path,
    preset: str,
    note: Path = READING,
) -> str:
    """Write index.md, figures and CSV of numbers into `folder`; returns the digest."""
    folder.mkdir(parents=True, exist_ok=True)
    seeds = summary.toy_seeds(found)
    table, nll = summary.toy_summary(seeds), digits.digits_summary(images)
    frames = {
        "toy_seeds": seeds,
        "toy_summary": table,
        "digits_seeds": digits.digits_seeds(images),
        "digits_summary": nll,
    }
    common.save_frames(frames, folder)
    shown = sorted({r["seed"] for results in found.values() for r in results})
    common.save(figures.densities(places, shown[0]), folder, "densities")
    common.save(figures.divergence(seeds), folder, "kl")
    made = [
        tables.divergence(table),
        tables.evidence(table, size.draws),
        tables.modes(table),
        tables.nll(nll),
    ]
    found_digest = digest(made)
    answer, discussion = reading(found_digest, note)
    text = render(made, answer, discussion, found, images, nll, size, preset, shown)
    replace_text(folder / "index.md", text)
    return found_digest


def render(
    made: list[str],
    answer: str,
    discussion: str,
    found: dict[Setting, list[dict]],
    images: list[dict],
    nll: pd.DataFrame,
    size: Budget,
    preset: str,
    seeds: list[int],
) -> str:
    """The page as Markdown."""
    results = [r for cell in found.values() for r in cell]
    commits = common.commits(results)
    data, digits_commits = digits.source(images)
    s, count = int(nll.samples.max()), int(nll.test_images.max())
    smoke = "SMOKE RUN, far from converged and no evidence. " if preset == "quick" else ""
    kl, evidence, modes, rows = made
    blocks = [
        "# AVO with invertible steps: Householder-AVO and IAF-AVO",
        smoke + answer,
        f"Source: `make reproduce-invertible PRESET={preset} SEEDS={len(seeds)}`, seeds "
        f"{seeds[0]} to {seeds[-1]}. Toys: commit {commits}; {size.steps} steps of Adam, S = "
        f"{size.samples} draws a step in training and S = {size.draws} in evaluation. Digits: "
        f"commit {digits_commits}; preset {digits.PRESETS[preset]}, SHA-256 {data}, {count} test "
        f"images, S = {s}. ± is half a 95% t-interval over seeds; differences are paired by seed. "
        "All numbers: `toy_seeds.csv`, `toy_summary.csv`, `digits_seeds.csv`, "
        "`digits_summary.csv`.",
        "## What was run",
        SETTING.read_text().strip(),
        "## KL(q || f) on toy targets, nats, lower is better",
        kl,
        "![KL of every seed](kl.png)",
        "## Do the samples cover the target?",
        f"Absolute error of the importance-sampled log Z, in nats, mean over seeds; in brackets "
        f"the worst Pareto k-hat over seeds, with ! above {trusted_k(size.draws):.2f}. A q that "
        "has lost a share p of the mass can show an error near -log(1 - p) and a low k-hat.",
        evidence,
        "Share of draws nearest to each mode of target d, mean over seeds:",
        modes,
        f"![Densities of seed {seeds[0]}](densities.png)",
        f"Densities of seed {seeds[0]}; one colour scale a row, clipped at the target's peak.",
        f"## Digits: test NLL, nats an image, S = {s}",
        rows,
        "The first interval is over seeds. The second is over test images, for the difference "
        f"averaged over these seeds. 'k-hat too high' is the share of images above "
        f"{trusted_k(s):.2f}; there the true NLL may be lower. On the digits AVO is the mixture: "
        "a random 20% of the steps.",
        *(["## Reading", discussion] if discussion else []),
    ]
    return "\n\n".join(blocks) + "\n"
