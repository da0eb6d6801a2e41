"""Whether the committed reports are those that the committed results give.

`python -m reproduce.checks.verify` makes every table and page of reports/results/ anew in a
temporary folder and names each difference from what is committed.
"""

import csv
import sys
import tempfile
from difflib import SequenceMatcher
from pathlib import Path

from annealed.config import config_folder
from annealed.config.datasets import BINARY
from annealed.runs import cli
from annealed.utils.errors import UsageError
from reproduce.checklist import page as checklist
from reproduce.experiments.ablations import design as ablations, page as ablations_page
from reproduce.experiments.warmup import design as warmup, page as warmup_page
from reproduce.pages import trial_page
from reproduce.results.locations import reports_folder
from reproduce.results.published import SMOKE
from reproduce.results.store import RESULTS, committed_results
from reproduce.results.trials import gather
from reproduce.site import page as overview
from reproduce.site.contents import tables
from reproduce.table import readme, report

TEXT = (".md", ".csv", ".tex")
CONTEXT = 40  # characters shown before and after the first that differs in a line of prose
PAGES = {  # made of the pool of trials
    "ablations": (ablations.planned, ablations_page.write),
    "warmup": (warmup.planned, warmup_page.write),
}


def presets() -> list[str]:
    """Every preset whose numbers are evidence."""
    return sorted({p.stem for p in (config_folder() / "presets").glob("*.yaml")} - {SMOKE})


def places(root: Path) -> list[Path]:
    """What reports the committed results may make: folders, and files whose name says so."""
    folders = [root / reports_folder(preset, data) for preset in presets() for data in BINARY]
    files = [path for folder in folders for path in folder.glob("*") if path.is_file()]
    for name in PAGES:
        for data in BINARY:
            folder = root / trial_page.folder(name, "full", data)
            files += [*folder.glob("*"), *folder.parent.glob(f"{folder.name}.md")]
    return [*files, *(root / "reports").glob(f"{checklist.NAME}.*")]


def make(root: Path, into: Path) -> None:
    """Write every report of the results below `root` to its place below `into`.

    A page of trials that are not all made is written where it is committed.
    """
    results = root / RESULTS
    if not any(results.rglob("seed*.json")):
        return
    checklist.write(root, into / "reports")
    for preset in presets():
        for data in BINARY:
            if committed_results(preset, data, results):
                report.write(preset, data, results, into / reports_folder(preset, data))
    pool = results / "trials"
    for name, (planned, write) in PAGES.items():
        for data in BINARY:
            plan, folder = planned("full", data), trial_page.folder(name, "full", data)
            made = gather(plan, pool, "full", data)
            committed = (root / folder).with_name(f"{folder.name}.md").exists()
            if made and (committed or len(made) == len(plan)):
                write(plan, pool, into / folder, "full", data)


def differences(root: Path, into: Path) -> list[str]:
    """A sentence for each difference of the reports below `root` from those made below `into`.

    Text is compared line by line. Of a figure only the existence is: its bytes change with the
    version of matplotlib, its fonts and the compression, when no number does.
    """
    made = {p.relative_to(into) for p in into.rglob("*") if p.is_file()}
    sentences = []
    for path in sorted(made | {p.relative_to(root) for p in places(root)}):
        if path not in made:
            sentences.append(f"{path} is made of no committed result.")
        elif not (root / path).is_file():
            sentences.append(f"{path} is not there, and the committed results give it.")
        elif path.suffix in TEXT:
            old, new = (folder / path for folder in (root, into))
            sentences += compare(
                path, old.read_text(encoding="utf-8"), new.read_text(encoding="utf-8")
            )
    return sentences


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


def verify(root: Path = Path()) -> tuple[list[str], int]:
    """The differences below `root`, README's among them, and how many files were made anew.

    Raises UsageError where there is nothing to verify.
    """
    with tempfile.TemporaryDirectory() as scratch:
        into = Path(scratch)
        make(root, into)
        sentences = differences(root, into)
        count = sum(p.is_file() for p in into.rglob("*"))
    if not sentences and not count:
        raise UsageError(f"{root / RESULTS} has no results, so there is nothing to verify.")
    text = readme.read(root)
    source = f"{readme.numbers_of(text)} has"
    sentences += compare(readme.README, text, readme.update(text, root), source)
    return [*sentences, *page_differences(root)], count


def page_differences(root: Path) -> list[str]:
    """A sentence where the page below `root` is not what the reports below `root` give."""
    path = root / overview.PAGE
    if not (path.is_file() or tables(root)):
        return []
    if path.is_file() and path.read_text(encoding="utf-8") == overview.render(root):
        return []
    state = "is not that of the reports beside it" if path.is_file() else "is not there"
    return [f"{overview.PAGE} {state}; `make page` writes it."]


def main() -> None:
    """The command line; see the module."""
    sentences, count = verify()
    for sentence in sentences:
        print(sentence, file=sys.stderr)
    if sentences:
        raise UsageError(f"{len(sentences)} differences from the committed results, as told above.")
    print(
        f"{count} files of reports/ and README's table are those that the committed results give, "
        f"and {overview.PAGE} is that of reports/. "
        "Pages made of run folders, the benchmark and what is written by hand are not checked."
    )


if __name__ == "__main__":
    sys.exit(cli.run(main, "Run the same command again."))
