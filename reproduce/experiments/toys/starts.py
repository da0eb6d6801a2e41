"""HVI from the author's start beside HVI from a start that covers the target."""

import pandas as pd

from reproduce.experiments.toys.design import UNIT_START
from reproduce.experiments.toys.summary import compare
from reproduce.pages.markdown import markdown_table, spread

WIDE_START = "hvi"
KEYS = ["target", "count", "objective"]
SHOWN = {  # measure -> its heading, digits
    "kl_marginal": ("KL", "+.3f"),
    "kl": ("path's KL", "+.3f"),
    "energy_distance": ("energy distance", "+.4f"),
    "total_variation": ("total variation", "+.2f"),
}


def by_start(seeds: pd.DataFrame) -> pd.DataFrame:
    """One line a target, length and objective: the unit start, and it less the wide one.

    Differences are paired by seed, as `summary.compare` makes them.
    """
    lines = []
    wide = dict(iter(seeds[seeds.method == WIDE_START].groupby(KEYS)))
    for key, group in seeds[seeds.method == UNIT_START].groupby(KEYS, sort=False):
        lines.append(dict(zip(KEYS, key, strict=True)) | compare(group, wide[key]))
    return pd.DataFrame(lines)


def _differences(line: object, measures: list[str]) -> list[str]:
    return [
        spread(
            getattr(line, f"{measure}_difference"),
            getattr(line, f"{measure}_difference_half"),
            SHOWN[measure][1],
        )
        for measure in measures
    ]


def gains_table(cells: pd.DataFrame) -> str:
    """AVO less the ELBO from either start, side by side."""
    measures = list(SHOWN)
    head = ["target", "T"]
    head += [f"{SHOWN[m][0]}, {start} start" for m in measures for start in ("wide", "unit")]
    avo = cells[(cells.objective == "AVO") & cells.method.isin([WIDE_START, UNIT_START])]
    lines = []
    for (target, count), group in avo.groupby(["target", "count"], sort=False):
        of_method = {r.method: _differences(r, measures) for r in group.itertuples()}
        pairs = zip(of_method[WIDE_START], of_method[UNIT_START], strict=True)
        lines.append([target, str(count), *(cell for pair in pairs for cell in pair)])
    return markdown_table(head, lines, 1)


def starts_table(table: pd.DataFrame) -> str:
    """The unit start less the wide one, objective by objective."""
    measures = list(SHOWN)
    head = ["target", "T", "objective", *(SHOWN[m][0] for m in measures)]
    lines = [
        [r.target, str(r.count), r.objective, *_differences(r, measures)]
        for r in table.itertuples(index=False)
    ]
    return markdown_table(head, lines, 3)
