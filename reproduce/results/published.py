"""The published numbers, and the rule by which a row is compared with its published number."""

import math
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import yaml

FILE = Path(__file__).parent / "published.yaml"
SMOKE = "quick"  # the preset whose numbers are no evidence


@dataclass(frozen=True)
class Published:
    """A row's label, its published NLL and that of a replication, nats; NaN without one."""

    label: str
    nll: float = math.nan
    replication: float = math.nan


@cache
def read() -> dict:
    """The content of published.yaml."""
    return yaml.safe_load(FILE.read_text(encoding="utf-8"))


def sources() -> str:
    """The sources of the published numbers, for the note under a table."""
    cited = read()["sources"]
    return (
        f"Published numbers: {cited['huang2018']}. Whether MNIST was binarised afresh at every "
        "visit or once is not known to us: they are compared with ours of either kind "
        f"(reports/assumptions.md). The 2020 replication is {cited['replication2020']}."
    )


def tolerance() -> float:
    """How far from a published NLL a row may lie and be reproduced, nats."""
    return read()["tolerance"]["nats"]


def label(row: str) -> str:
    """What tables and figures call a row; its own name where it has no other."""
    return read()["rows"].get(row, {}).get("label", row)


def of(result: dict) -> Published:
    """What was published of the row that `result` is of, on its data and split."""
    content = read()
    known = content["rows"].get(result["row"], {})
    name = label(result["row"])
    same = result["data"] in content["comparable_data"] and result.get("split", "test") == "test"
    if not same:
        return Published(name)
    numbers = (known.get(source, math.nan) for source in ("huang2018", "replication2020"))
    return Published(name, *numbers)


def verdict(preset: str, seeds: int, low: float, high: float, published: float) -> str:
    """The verdict on `seeds` seeds whose mean has a 95% interval from `low` to `high`.

    All in nats. The rule is that of `rule`; an interval that lies neither wholly within the
    tolerance nor wholly beyond it is undecided.
    """
    if math.isnan(published) or preset == SMOKE:
        return "not comparable"
    if seeds < 2:
        return "one seed, no verdict" if seeds else "diverged, no verdict"
    near = tolerance()
    if high < published - near:
        return "better"
    if low > published + near:
        return "worse"
    if low >= published - near and high <= published + near:
        return "reproduced"
    return "undecided"


def rule() -> str:
    """The rule of the verdict, for the note under a table."""
    near, parts = tolerance(), read()["tolerance"]["parts"]
    reasons = "; ".join(f"{name} {p['nats']:.2f} ({p['because']})" for name, p in parts.items())
    return (
        f"Verdict: reproduced, where the whole 95% interval over seeds lies within {near:.2f} nats "
        f"of the published number; better or worse, where it lies wholly more than {near:.2f} "
        "below or above; undecided, where it lies across such a bound, which more seeds may "
        "settle; not comparable, without a published number on these data and this split, and in "
        "a smoke run. One seed has no interval and no verdict. An NLL is an upper bound in "
        "expectation, so a larger S may turn worse into reproduced and takes no better away. The "
        "tolerance is what may part two "
        f"right implementations, as the root of the sum of squares of {reasons}."
    )
