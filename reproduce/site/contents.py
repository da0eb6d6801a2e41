"""The tables and the pages in Markdown that are below reports/."""

from dataclasses import dataclass
from pathlib import Path

from reproduce.results.published import SMOKE

REPORTS = Path("reports")
TABLE = "nll_table.csv"
APART = ("findings", "neurips_checklist")  # shown apart from the other pages
GUIDE = "README.md"  # how to read the folder; no part of the page
PRESETS = ("paper", "short")  # the first that has a table heads the page
FIRST = ("estimators", "successors", "toy", "nested", "invertible", "noise", "collapse", "corners")
FIRST += ("warmup", "ablations")
LAST = ("benchmark", "assumptions")


@dataclass(frozen=True)
class Page:
    """A page in Markdown: its name in anchors, its path and its title."""

    name: str
    path: Path
    title: str


def tables(root: Path) -> list[Path]:
    """Folders below `root` that hold an NLL table, the headline first; smoke runs are none."""

    def order(folder: Path) -> tuple[int, int, str]:
        preset, *data = folder.relative_to(root / REPORTS).parts
        known = PRESETS.index(preset) if preset in PRESETS else len(PRESETS)
        return known, len(data), folder.as_posix()

    folders = [path.parent for path in (root / REPORTS).glob(f"*/**/{TABLE}")]
    evidence = [f for f in folders if f.relative_to(root / REPORTS).parts[0] != SMOKE]
    return sorted(evidence, key=order)


def pages(root: Path) -> list[Page]:
    """Every page of Markdown but those of APART, in the order of FIRST and LAST, then by name."""
    folder = root / REPORTS
    paths = [*folder.glob("*.md"), *folder.glob("*/index.md")]
    paths = [path for path in paths if path.name != GUIDE]
    listed = []
    for path in paths:
        name = path.parent.name if path.name == "index.md" else path.stem
        if name not in (*APART, SMOKE):
            listed.append(Page(name, path, title(path)))
    return sorted(listed, key=lambda page: (_rank(page.name), page.name))


def _rank(name: str) -> int:
    begins = [name.split("_")[0] == known for known in FIRST]
    if any(begins):
        return begins.index(True)
    return len(FIRST) + 1 + LAST.index(name) if name in LAST else len(FIRST)


def title(path: Path) -> str:
    """The first heading of a page, or its name."""
    heads = (
        line for line in path.read_text(encoding="utf-8").splitlines() if line.startswith("# ")
    )
    return next(heads, f"# {path.stem}").removeprefix("# ").strip()
