"""README's headline: columns of committed tables and their figures, between two comments.

The comments name one table or several, of which those that are there are shown side by side.
"""

import itertools
import re
from pathlib import Path

import pandas as pd

from annealed.utils.errors import UsageError
from annealed.utils.files import replace_text
from reproduce.pages.markdown import markdown_table, number

README = Path("README.md")
MARKS = re.compile(r"(<!-- the rows of (\S+(?: and \S+)*) -->\n)(.*?)(<!-- end -->)", re.DOTALL)
FIGURE = "nll.png"
FIGURE_OF = "![NLL of every row beside the published one]({})"


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
    """The NLLs of tables' CSVs, how they compare and their k-hats, as Markdown.

    What `tables` calls them heads their columns. Rows are in the order of the one with most of
    them, what only another has after them.
    """
    by_row = {name: table.set_index("row") for name, table in tables.items()}
    head, longest = ["row", "published"], sorted(tables.values(), key=len, reverse=True)
    for name in tables:
        head += [f"ours, {name}: mean (95% interval)", "difference, verdict", "k-hat too high"]
    lines = []
    for row in pd.concat(longest).drop_duplicates("row").itertuples():
        cells = [_cells(frame, row.row) for frame in by_row.values()]
        lines.append([row.label, number(row.published), *itertools.chain(*cells)])
    return markdown_table(head, lines, 1)


def _cells(table: pd.DataFrame, row: str) -> tuple[str, str, str]:
    """A row's NLL with its interval, how it compares with what was published, its high k-hats."""
    if row not in table.index:
        return "-", "-", "-"
    line = table.loc[row]
    interval = f" ({number(line.ci_low)} to {number(line.ci_high)})" if line.seeds > 1 else ""
    known = pd.notna(line.published)
    compared = f"{number(line.difference, '+.2f')}, {line.verdict}" if known else "-"
    return number(line.nll) + interval, compared, f"{number(100 * line.k_hat_untrusted, '.1f')} %"


def update(text: str, root: Path) -> str:
    """README's `text` with the tables, and their figures where there are, as they are below `root`.

    Raises UsageError as `shown` does.
    """
    paths = shown(text, root)
    names = [f"`{path.parent.name}`" for path in paths]
    tables = [pd.read_csv((root / path).with_suffix(".csv")) for path in paths]
    block = summary(dict(zip(names, tables, strict=True))) + "\n"
    figures = [figure for path in paths if (root / (figure := path.with_name(FIGURE))).is_file()]
    if figures:
        block += "\n" + " ".join(FIGURE_OF.format(figure.as_posix()) for figure in figures) + "\n"
    return MARKS.sub(lambda marks: marks[1] + block + marks[4], text, count=1)


def refresh(root: Path, folder: Path) -> bool:
    """Write README anew if a table that it may show is in `folder`; whether one is."""
    text = read(root)
    folders = {(root / table).parent.resolve() for table in tables_of(text)} if text else set()
    if folder.resolve() not in folders:
        return False
    replace_text(root / README, update(text, root))
    return True
