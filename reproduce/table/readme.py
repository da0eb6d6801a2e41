"""README's headline: five columns of a committed table and its figure, between two comments.

The comments name that table, or several: the first that is there is shown, with the NLLs of the
others that are beside it.
"""

import re
from pathlib import Path

import pandas as pd

from annealed.utils.errors import UsageError
from annealed.utils.files import replace_text
from reproduce.pages.markdown import markdown_table, number

README = Path("README.md")
MARKS = re.compile(r"(<!-- the rows of (\S+(?: and \S+)*) -->\n)(.*?)(<!-- end -->)", re.DOTALL)
FIGURE = "nll.png"
MEAN = "{}: mean (95% interval)"


def read(root: Path) -> str:
    """README's text, empty where there is none."""
    return (root / README).read_text(encoding="utf-8") if (root / README).is_file() else ""


def tables_of(text: str) -> list[Path]:
    """The tables, relative to README's folder, whose rows README's `text` shows, the first first.

    Raises UsageError where no two comments say so.
    """
    marks = MARKS.search(text)
    if not marks:
        raise UsageError(
            f"{README} has no '<!-- the rows of FILE -->' followed by '<!-- end -->', between "
            "which its table is written."
        )
    return [Path(name) for name in marks[2].split(" and ")]


def shown(text: str, root: Path) -> list[Path]:
    """Those of `tables_of` whose CSV is below `root`.

    Raises UsageError as `tables_of` does, and where there is none.
    """
    tables = tables_of(text)
    there = [path for path in tables if (root / path).with_suffix(".csv").is_file()]
    if not there:
        names = " or ".join(path.with_suffix(".csv").as_posix() for path in tables)
        raise UsageError(f"{README} shows {names}, which is not there; `make report` writes it.")
    return there


def summary(tables: dict[str, pd.DataFrame]) -> str:
    """Five of the columns of the first NLL table's CSV, as Markdown, and the NLLs of each other.

    What `tables` calls them heads their columns. A row that the first does not have stands last.
    """
    by_row = {name: table.set_index("row") for name, table in tables.items()}
    first = next(iter(by_row.values()))
    lines = []
    for row in pd.concat(tables.values()).drop_duplicates("row").itertuples():
        mean, *means = (_mean(frame, row.row) for frame in by_row.values())
        compared = _compared(first, row.row)
        lines.append([row.label, number(row.published), mean, *compared, *means])
    mean, *means = (MEAN.format(each) for each in tables)
    head = ["row", "published", mean, "difference, verdict", "k-hat too high", *means]
    return markdown_table(head, lines, 1)


def _mean(table: pd.DataFrame, row: str) -> str:
    """The NLL of a row and its interval."""
    if row not in table.index:
        return "-"
    line = table.loc[row]
    interval = f" ({number(line.ci_low)} to {number(line.ci_high)})" if line.seeds > 1 else ""
    return number(line.nll) + interval


def _compared(table: pd.DataFrame, row: str) -> tuple[str, str]:
    """How a row compares with what was published, and its share of high k-hats."""
    if row not in table.index:
        return "-", "-"
    line = table.loc[row]
    known = pd.notna(line.published)
    compared = f"{number(line.difference, '+.2f')}, {line.verdict}" if known else "-"
    return compared, f"{number(100 * line.k_hat_untrusted, '.1f')} %"


def update(text: str, root: Path) -> str:
    """README's `text` with the table, and the figure where there is one, as they are below `root`.

    Raises UsageError as `shown` does.
    """
    tables = {path: pd.read_csv((root / path).with_suffix(".csv")) for path in shown(text, root)}
    first = next(iter(tables))
    alone = {"here": tables[first]}
    named = {path.parent.name: table for path, table in tables.items()}
    block = summary(named if len(tables) > 1 else alone) + "\n"
    figure = first.with_name(FIGURE)
    if (root / figure).is_file():
        block += f"\n![NLL of every row beside the published one]({figure})\n"
    return MARKS.sub(lambda marks: marks[1] + block + marks[4], text, count=1)


def refresh(root: Path, folder: Path) -> bool:
    """Write README anew if a table that it may show is in `folder`; whether one is."""
    text = read(root)
    folders = {(root / table).parent.resolve() for table in tables_of(text)} if text else set()
    if folder.resolve() not in folders:
        return False
    replace_text(root / README, update(text, root))
    return True
