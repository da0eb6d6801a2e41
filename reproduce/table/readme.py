"""README's headline: the rows of a committed table and its figure, between two comments."""

import re
from pathlib import Path

from annealed.utils.errors import UsageError
from annealed.utils.files import replace_text

README = Path("README.md")
MARKS = re.compile(r"(<!-- the rows of (\S+) -->\n)(.*?)(<!-- end -->)", re.DOTALL)
FIGURE = "nll.png"


def read(root: Path) -> str:
    """README's text, empty where there is none."""
    return (root / README).read_text() if (root / README).is_file() else ""


def table_of(text: str) -> Path:
    """The table, relative to README's folder, that README's `text` copies.

    Raises UsageError where no two comments say so.
    """
    found = MARKS.search(text)
    if not found:
        raise UsageError(
            f"{README} has no '<!-- the rows of FILE -->' followed by '<!-- end -->', between "
            "which its table is written."
        )
    return Path(found[2])


def update(text: str, root: Path) -> str:
    """README's `text` with the table, and the figure where there is one, as they are below `root`.

    Raises UsageError where the table that it copies is not there.
    """
    path = table_of(text)
    if not (root / path).is_file():
        raise UsageError(f"{README} copies {path}, which is not there; `make report` writes it.")
    lines = (root / path).read_text().splitlines()
    block = "\n".join(line for line in lines if line.startswith("|")) + "\n"
    figure = path.with_name(FIGURE)
    if (root / figure).is_file():
        block += f"\n![NLL of every row beside the published one]({figure})\n"
    return MARKS.sub(lambda found: found[1] + block + found[4], text, count=1)


def refresh(root: Path, folder: Path) -> bool:
    """Write README anew if the table that it copies is in `folder`; whether it is."""
    text = read(root)
    if not text or (root / table_of(text)).parent.resolve() != folder.resolve():
        return False
    replace_text(root / README, update(text, root))
    return True
