"""Where two texts differ: by line, and in a table by cell."""

import csv
from difflib import SequenceMatcher
from pathlib import Path

CONTEXT = 40  # characters shown before and after the first that differs in a line of prose


def compare(path: Path, old: str, new: str, gives: str = "the results give") -> list[str]:
    """A sentence for each line in which the text `old` at `path` differs from `new`.

    `gives` is the part of the sentence that names where `new` comes from.
    """
    a, b = old.splitlines(), new.splitlines()
    sentences = []
    for what, i, j, k, m in SequenceMatcher(None, a, b, autojunk=False).get_opcodes():
        if what == "replace" and j - i == m - k:
            pairs = zip(a[i:j], b[k:m], strict=True)
            sentences += [
                _line(path, i + n + 1, *pair, a[0], gives) for n, pair in enumerate(pairs)
            ]
        elif what != "equal":
            sentences.append(f"{path}, line {i + 1}: {j - i} lines where {gives} {m - k}.")
    return sentences


def _line(path: Path, number: int, old: str, new: str, head: str, gives: str) -> str:
    """The sentence on one line, of the first cell that differs where it is a table's."""
    cells = [_cells(path, line) for line in (old, new, head)]
    if len(cells[0]) == len(cells[1]) > 1:
        first = next(i for i, (a, b) in enumerate(zip(*cells[:2], strict=True)) if a != b)
        old, new = cells[0][first], cells[1][first]
        named = path.suffix == ".csv" and first < len(cells[2])
        name = cells[2][first] if named else str(first + 1)
        return f"{path}, line {number}, column {name}: {old!r} where {gives} {new!r}."
    same = next((i for i, (a, b) in enumerate(zip(old, new, strict=False)) if a != b), 0)
    old, new = (line[max(same - CONTEXT, 0) : same + CONTEXT] for line in (old, new))
    return f"{path}, line {number}: {old!r} where {gives} {new!r}."


def _cells(path: Path, line: str) -> list[str]:
    if path.suffix == ".csv":
        return next(csv.reader([line]), [])
    return [cell.strip() for cell in line.strip("|").split("|")] if line.startswith("|") else [line]
