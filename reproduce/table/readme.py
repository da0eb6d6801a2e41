"""README's headline: five columns of a committed table and its figure, between two comments."""

import re
from pathlib import Path

import pandas as pd

from annealed.utils.errors import UsageError
from annealed.utils.files import replace_text
from reproduce.pages.markdown import markdown_table, number

README = Path("README.md")
MARKS = re.compile(r"(<!-- the rows of (\S+) -->\n)(.*?)(<!-- end -->)", re.DOTALL)
FIGURE = "nll.png"
HEAD = ["row", "published", "here: mean (95% interval)", "difference, verdict", "k-hat too high"]


def read(root: Path) -> str:
    """README's text, empty where there is none."""
    return (root / README).read_text(encoding="utf-8") if (root / README).is_file() else ""


def table_of(text: str) -> Path:
    """The table, relative to README's folder, whose rows README's `text` shows.

    Raises UsageError where no two comments say so.
    """
    marks = MARKS.search(text)
    if not marks:
        raise UsageError(
            f"{README} has no '<!-- the rows of FILE -->' followed by '<!-- end -->', between "
            "which its table is written."
        )
    return Path(marks[2])


def numbers_of(text: str) -> Path:
    """The CSV of that table, relative to README's folder; raises UsageError as `table_of` does."""
    return table_of(text).with_suffix(".csv")


def summary(table: pd.DataFrame) -> str:
    """Five of the columns of an NLL table's CSV, as Markdown."""
    lines = []
    for row in table.itertuples():
        interval = f" ({number(row.ci_low)} to {number(row.ci_high)})" if row.seeds > 1 else ""
        published = pd.notna(row.published)
        compared = f"{number(row.difference, '+.2f')}, {row.verdict}" if published else "-"
        untrusted = f"{number(100 * row.k_hat_untrusted, '.1f')} %"
        cells = [number(row.published), number(row.nll) + interval, compared, untrusted]
        lines.append([row.label, *cells])
    return markdown_table(HEAD, lines, 1)


def update(text: str, root: Path) -> str:
    """README's `text` with the table, and the figure where there is one, as they are below `root`.

    Raises UsageError where the table that it shows is not there.
    """
    path = numbers_of(text)
    if not (root / path).is_file():
        raise UsageError(f"{README} shows {path}, which is not there; `make report` writes it.")
    block = summary(pd.read_csv(root / path)) + "\n"
    figure = path.with_name(FIGURE)
    if (root / figure).is_file():
        block += f"\n![NLL of every row beside the published one]({figure})\n"
    return MARKS.sub(lambda marks: marks[1] + block + marks[4], text, count=1)


def refresh(root: Path, folder: Path) -> bool:
    """Write README anew if the table that it shows is in `folder`; whether it is."""
    text = read(root)
    if not text or (root / table_of(text)).parent.resolve() != folder.resolve():
        return False
    replace_text(root / README, update(text, root))
    return True
