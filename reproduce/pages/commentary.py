"""A page's reading, written by hand, shown only beside the numbers that it was written for."""

import hashlib
from pathlib import Path

BREAK = "<!-- numbers -->"


def digest(parts: list[str]) -> str:
    """The first 16 hex digits of the SHA-256 of printed tables, which a reading names."""
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def reading(numbers: str, path: Path) -> tuple[str, str]:
    """The answer and the discussion in the file at `path`, or a line that there are none.

    The first line of the file names the digest of the numbers that it reads; `BREAK` parts the
    answer, which stands above the numbers, from the discussion below them.
    """
    first, _, text = (
        path.read_text(encoding="utf-8").partition("\n") if path.exists() else ("", "", "")
    )
    if numbers not in first:
        return (
            f"No conclusion is drawn here: the reading in `{path.parent.name}/{path.name}` of "
            "`reproduce/` was not written for the numbers below."
        ), ""
    answer, _, discussion = text.partition(BREAK)
    return answer.strip(), discussion.strip()
