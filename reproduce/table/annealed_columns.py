"""The table's columns of annealed importance sampling, for the rows that were scored by it."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from reproduce.pages.markdown import number, spread
from reproduce.results import published
from reproduce.results.scored import AIS, APART, Scored
from reproduce.results.statistics import interval

HEAD = ("IS, these images", "AIS NLL, same images", "gap (BDMC)")
NOTE = (
    "The last three columns are of {images} alone, whose NLL is not that of the "
    "whole set, and of the same weights: importance sampling (IS) with S = {samples} beside "
    "annealed importance sampling (AIS; Neal 2001; Wu et al. 2017, arXiv 1611.04273) with {chains} "
    "chains x {temperatures} temperatures, which sees the decoder alone and is the same estimator "
    "for every row. ± is half a 95% t-interval over seeds. Both are upper bounds in expectation, "
    "so the lower is the nearer. The gap says what AIS may be off by: how far its bounds of log "
    "p(x) from both sides lie apart on {drawn} images that the model draws, the median image's "
    "(BDMC: Grosse et al. 2015, arXiv 1511.02543).{wide}"
)
WIDE = " Of {row} {share:.0f} % of these images have bounds more than {nats:g} nat apart."


def columns(table: pd.DataFrame, scored: Sequence[Scored]) -> pd.DataFrame:
    """`table` with the numbers of `scored`, of rows with every seed among them; NaN of others.

    NLLs in nats an image, means over seeds; `nll_ais_half` is half a 95% t-interval. Without
    `scored` the table is as it was.
    """
    lines = []
    for row, count in zip(table.row, table.seeds, strict=True):
        seeds = [one for one in scored if one.result["row"] == row]
        if count and len(seeds) == count:
            line = {"row": row, "ais_images": len(seeds[0].annealed)}
            line["nll_is_same"] = interval([one.nll_is for one in seeds])[0]
            line["nll_ais"], line["nll_ais_half"] = interval([one.nll_ais for one in seeds])
            line["bdmc_gap"] = interval([one.median_gap for one in seeds])[0]
            lines.append(line)
    return table.merge(pd.DataFrame(lines), on="row", how="left") if lines else table


def cells(line) -> list[str]:
    """HEAD's cells of a line of `columns`."""
    return [
        number(line.nll_is_same),
        spread(line.nll_ais, line.nll_ais_half),
        number(line.bdmc_gap, ".3f"),
    ]


def note(table: pd.DataFrame, scored: Sequence[Scored]) -> str:
    """What the columns are; empty where `table` has none."""
    if "nll_ais" not in table:
        return ""
    first = scored[0]
    size, drawn = first.result[AIS]["annealing"], len(first.gap)
    wide = "".join(_wide(row, scored) for row in table.row[table.bdmc_gap.notna()])
    numbers = {"images": first.images, "samples": first.result["samples"], "drawn": drawn}
    return NOTE.format(**{**size, **numbers, "wide": wide})


def _wide(row: str, scored: Sequence[Scored]) -> str:
    """What the median gap of `row` leaves out; empty where no image's bounds lie far apart."""
    share = float(np.nanmean([one.apart for one in scored if one.result["row"] == row]))
    return WIDE.format(row=published.label(row), share=100 * share, nats=APART) if share else ""
