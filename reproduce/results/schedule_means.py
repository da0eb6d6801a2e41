"""Trials of rows under schedules, as means over seeds."""

from collections.abc import Mapping, Sequence

import pandas as pd

from reproduce.results.statistics import interval


def by_schedule(
    runs: pd.DataFrame, schedules: Mapping[str, str], rows: Sequence[str], measures: Sequence[str]
) -> pd.DataFrame:
    """One line a schedule and row: means and half widths of 95% t-intervals over seeds.

    `runs` is a `trials.table`, `schedules` has a change by its name on the page. `diverged`, the
    seeds that did, is there where any row has some.
    """
    lines = []
    for name, change in schedules.items():
        for row in rows:
            made = runs[(runs.change == change) & (runs.row == row)]
            done = made[made.status == "finished"]
            line = {"schedule": name, "row": row, "seeds": len(done)}
            for measure in measures:
                line[measure], line[f"{measure}_half"] = interval(done[measure])
            line |= {"diverged": len(made) - len(done)} if len(made) > len(done) else {}
            lines += [line] if len(made) else []
    return pd.DataFrame(lines)
