"""reports/corners/index.md: numbers made by code, around a reading written by hand.

The reading is shown only beside the numbers that it was written for. Its parts, set apart by
`reading.BREAK`, are the answer above all numbers and then one for each case, in the order of
`grid.cases`: a sentence that explains the numbers, and what a user should do.
"""

from pathlib import Path

from annealed.evaluation.result import trusted_k
from annealed.inference.marginal_kl import TIGHT
from annealed.utils.errors import UsageError
from annealed.utils.files import replace_text
from reproduce.experiments.corners import figures, summary, tables
from reproduce.experiments.corners.design import Case, Setting
from reproduce.experiments.corners.run import Budget
from reproduce.experiments.corners.targets import DISC
from reproduce.pages import common
from reproduce.pages.commentary import BREAK, digest, reading

READING = Path(__file__).parent / "reading.md"
SETTING = Path(__file__).parent / "setting.md"
CAPTIONS = {
    "far": "Seed {seed}: densities of the last marginal on the colour scale of the target on the "
    "left, brightness the square root of the density.",
    "dimensions": "Every seed as a point, the mean as a line.",
    "funnel": "Seed {seed}: v upward, the first of the others across; colours as for far modes.",
    "rho": "Every seed as a point, the mean as a line.",
}


def write(
    found: dict[Setting, list[dict]],
    cases: dict[str, Case],
    places: dict[Setting, Path],
    size: Budget,
    folder: Path,
    preset: str,
    note: Path = READING,
) -> str:
    """Write index.md, figures and CSV of numbers into `folder`; returns the digest.

    Raises UsageError where the reading was written for these numbers and does not have a part for
    each case.
    """
    folder.mkdir(parents=True, exist_ok=True)
    seeds = summary.by_seed(found, cases)
    rows = summary.by_row(found, cases, seeds)
    common.save_frames({"seeds": seeds, "rows": rows}, folder)
    shown = sorted(seeds.seed.unique().tolist())
    pictures = figures.every(seeds, places, shown[0])
    for name, figure in pictures.items():
        common.save(figure, folder, name)
    of = {name: rows[rows.case == name] for name in cases}
    numbers = digest([tables.case(of[n], c, size.draws, cost=False) for n, c in cases.items()])
    answer, discussion = reading(numbers, note)
    parts = [part.strip() for part in discussion.split(BREAK)] if discussion else [""] * len(cases)
    if len(parts) != len(cases):
        raise UsageError(f"{note} has {len(parts)} parts after its answer; cases: {len(cases)}.")
    smoke = "SMOKE RUN, far from converged and no evidence. " if preset == "quick" else ""
    results = [r for cell in found.values() for r in cell]
    blocks = [
        "# Corner cases: where AVO fails or costs",
        smoke + answer,
        f"Source: `make reproduce-corners PRESET={preset} SEEDS={len(shown)}`, seeds {shown[0]} to "
        f"{shown[-1]}, commit {common.commits(results)}; {size.steps} steps of Adam, S = "
        f"{size.samples} draws a step in training, S = {size.draws} in evaluation, {size.points} "
        "points of each sample in an energy distance. All numbers: `seeds.csv`, `rows.csv`.",
        "## What was run",
        SETTING.read_text().strip(),
        "## How to read the tables",
        "KL is KL(q_T || f) of the last marginal in nats, bounded from both sides with "
        f"{size.particles} draws of z_(T-1): the upper bound, in brackets the mean of the lower; "
        f"a seed where they are more than {TIGHT:g} apart has none, and where some have one they "
        "are counted beside it. "
        "The path's KL, which is trained, is never smaller. The log Z error is "
        "the absolute error of the importance-sampled log Z, nats; in brackets the worst k-hat "
        f"over seeds, with ! above {trusted_k(size.draws):.2f}, where the error is not to be "
        "trusted. A region is found when it gets at least a tenth of its exact mass; regions are "
        f"the discs of {DISC:g} standard deviations around the modes (left, right, top, bottom), "
        "or a funnel's v below -3, between, and above 3. Total variation is that of their masses, "
        "and of what is in none, from the exact ones. The energy distance is to "
        "exact samples; its noise floor is the largest between two exact samples. ± is half a 95% "
        "t-interval over seeds; differences are paired by seed. CPU seconds are those of "
        "training, of all seeds of a row divided by their number.",
    ]
    for (name, case), part in zip(cases.items(), parts, strict=True):
        blocks += [f"## {case.title}", tables.case(of[name], case, size.draws)]
        blocks += [tables.truths(case)]
        if name in pictures:
            blocks += [f"![{case.title}]({name}.png)", CAPTIONS[name].format(seed=shown[0])]
        blocks += [part] if part else []
    replace_text(folder / "index.md", "\n\n".join(blocks) + "\n")
    return numbers
