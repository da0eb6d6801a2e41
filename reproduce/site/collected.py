"""What reports/ has for the page to show, found by looking."""

from dataclasses import dataclass
from pathlib import Path

from reproduce.results.published import SMOKE

REPORTS = Path("reports")
TABLE = "nll_table.csv"
OWN = ("findings", "neurips_checklist")  # which have places of their own
PRESETS = ("paper", "short")  # the first that has a table heads the page
FIRST = ("toy", "invertible", "noise", "collapse", "corners", "warmup", "ablations")
LAST = ("benchmark", "assumptions")


@dataclass(frozen=True)
class Page:
    """A page in Markdown: its name in anchors, its path and its title."""

    name: str
    path: Path
    title: str


def tables(root: Path) -> list[Path]:
    """Folders below `root` that hold an NLL table, the headline first; smoke runs are none."""
    found = [path.parent for path in (root / REPORTS).glob(f"*/**/{TABLE}")]

    def order(folder: Path) -> tuple[int, int, str]:
        preset, *data = folder.relative_to(root / REPORTS).parts
        known = PRESETS.index(preset) if preset in PRESETS else len(PRESETS)
        return known, len(data), folder.as_posix()

    places = {folder: folder.relative_to(root / REPORTS).parts for folder in found}
    return sorted((f for f, parts in places.items() if parts[0] != SMOKE), key=order)


def pages(root: Path) -> list[Page]:
    """Every page of Markdown that has no place of its own, by name."""
    folder = root / REPORTS
    paths = [*folder.glob("*.md"), *folder.glob("*/index.md")]
    found = []
    for path in paths:
        name = path.parent.name if path.name == "index.md" else path.stem
        if name not in (*OWN, SMOKE):
            found.append(Page(name, path, title(path)))
    return sorted(found, key=lambda page: (_rank(page.name), page.name))


def _rank(name: str) -> int:
    begins = [name.split("_")[0] == known for known in FIRST]
    if any(begins):
        return begins.index(True)
    return len(FIRST) + 1 + LAST.index(name) if name in LAST else len(FIRST)


def title(path: Path) -> str:
    """The first heading of a page, or its name."""
    heads = (line for line in path.read_text().splitlines() if line.startswith("# "))
    return next(heads, f"# {path.stem}").removeprefix("# ").strip()
