"""reports/noise/index.md: numbers made by code, around a reading written by hand.

The reading is shown only under the numbers that it was written for.
"""

from pathlib import Path

from annealed.evaluation.result import trusted_k
from annealed.utils.files import replace_text
from reproduce.experiments.noise import figures, summary, tables
from reproduce.experiments.noise.design import Budget
from reproduce.experiments.noise.model import truth
from reproduce.experiments.noise.run import CHECK, COUNTED, sampler_distance
from reproduce.pages import common
from reproduce.pages.commentary import digest, reading

READING = Path(__file__).parent / "reading.md"
SETTING = Path(__file__).parent / "setting.md"


def write(
    found: dict[str, list[dict]],
    places: dict[str, Path],
    size: Budget,
    folder: Path,
    preset: str,
    note: Path = READING,
) -> str:
    """Write index.md, figures and CSV of numbers into `folder`; returns the digest of its numbers.

    `found` and `places` are by row: the results of every seed, and the folder that holds them.
    """
    folder.mkdir(parents=True, exist_ok=True)
    seeds = summary.seeds(found)
    rows, pairs, starts = summary.rows(seeds), summary.pairs(seeds), summary.starts(seeds)
    frames = {"seeds": seeds, "rows": rows, "pairs": pairs, "starts": starts}
    common.save_frames(frames, folder)
    shown = sorted(seeds.seed.unique().tolist())
    common.save(figures.bias(seeds), folder, "bias")
    common.save(figures.posteriors(found, places, shown[0]), folder, "posteriors")
    made = [
        tables.bias(rows, truth().sigma.item()),
        tables.pairs(pairs),
        tables.starts(starts),
        tables.fit(rows),
    ]
    numbers = digest(made)
    answer, discussion = reading(numbers, note)
    checked = rows.quadrature_error.max(), summary.spread_of_mle(found)
    results = [r for row in found.values() for r in row]
    source = (
        f"Source: `make reproduce-noise PRESET={preset} SEEDS={len(shown)}`, seeds {shown[0]} to "
        f"{shown[-1]}, commit {common.commits(results)}. {size.count} points a data set, as many "
        f"to test; {size.steps} steps of Adam on batches of {size.batch}, S = {size.samples} in "
        f"training and {size.draws} in evaluation. ± is half a 95% t-interval over seeds; "
        "differences are paired by seed. All numbers: `seeds.csv`, `rows.csv`, `pairs.csv`, "
        "`starts.csv`."
    )
    text = render(made, answer, discussion, source, checked, size, preset, shown)
    replace_text(folder / "index.md", text)
    return numbers


def render(
    made: list[str],
    answer: str,
    discussion: str,
    source: str,
    checked: tuple[float, float],
    size: Budget,
    preset: str,
    shown: list[int],
) -> str:
    """The page as Markdown."""
    smoke = "SMOKE RUN, far from converged and no evidence. " if preset == "quick" else ""
    bias, pairs, starts, fit = made
    blocks = [
        "# Biased noise: a unimodal posterior biases what the model learns",
        smoke + answer,
        source,
        "## What was run",
        SETTING.read_text().strip(),
        "## What was learned",
        bias,
        f"Log p is exact: with {CHECK} nodes a side no log p(x) moves by more than "
        f"{checked[0]:.1e} nats. The maxima reached from the truth and from {size.starts} random "
        f"starts differ by at most {checked[1]:.1e} nats a point, over all seeds; the highest is "
        "the MLE.",
        pairs,
        "![Bias of every seed](bias.png)",
        "## Is it the start?",
        "The same rows with A and sigma begun at the truth, q as before: a bias that is there from "
        "both starts is not the start's.",
        starts,
        "## How near q is to its model's posterior",
        fit,
        "The KL gap is on the test set, in nats. Total variation is that of q's shares in the four "
        f"quadrants from a quarter each, mean over {COUNTED} test points: 0 for every exact "
        f"posterior (about {sampler_distance(size.draws):.3f} when counted with {size.draws} "
        "draws), 0.75 for a q on one quadrant. Importance sampling with q, S = "
        f"{size.draws}, is compared with the exact log p(test) of the same model; 'k-hat too high' "
        f"is the share of test points above {trusted_k(size.draws):.2f}.",
        f"![Posteriors of seed {shown[0]}](posteriors.png)",
        f"Seed {shown[0]}: draws of q(z | x) in red over the exact posterior of the model learned "
        "with it, in blue, each on its own scale; on the left the posterior under the truth. Four "
        "x, one a line.",
        *(["## Reading", discussion] if discussion else []),
    ]
    return "\n\n".join(blocks) + "\n"
