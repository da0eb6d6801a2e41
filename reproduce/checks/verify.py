"""Whether the committed reports are those that the committed results give.

`python -m reproduce.checks.verify` makes every table and page of reports/results/ anew in a
temporary folder and names each difference from what is committed.
"""

import argparse
import sys
import tempfile
from pathlib import Path

from annealed.config import config_folder
from annealed.config.datasets import BINARY
from annealed.runs import cli
from annealed.utils.errors import UsageError
from reproduce.checklist import page as checklist
from reproduce.checks.texts import compare
from reproduce.experiments import committed
from reproduce.experiments.ablations import design as ablations, page as ablations_page
from reproduce.experiments.collapse import page as collapse_page
from reproduce.experiments.corners import page as corners_page
from reproduce.experiments.estimators import kept, page as estimators_page
from reproduce.experiments.invertible import page as invertible_page
from reproduce.experiments.nested import page as nested_page
from reproduce.experiments.noise import page as noise_page
from reproduce.experiments.successors import page as successors_page
from reproduce.experiments.toys import page as toys_page
from reproduce.experiments.warmup import design as warmup, page as warmup_page
from reproduce.pages import common, trial_page
from reproduce.results.locations import reports_folder
from reproduce.results.published import SMOKE
from reproduce.results.store import RESULTS, committed_results, every_result
from reproduce.results.trials import gather
from reproduce.site import page as overview, pictures
from reproduce.site.contents import tables
from reproduce.table import readme, report

TEXT = (".md", ".csv", ".tex")
ESTIMATORS = common.folder("estimators", committed.PRESET)
UNIT_PAGES = {  # made of units, by folder
    "toy": toys_page.PAGE,
    "invertible": invertible_page.PAGE,
    "corners": corners_page.PAGE,
    "nested": nested_page.PAGE,
    "successors": successors_page.PAGE,
    "noise": noise_page.PAGE,
    "collapse": collapse_page.PAGE,
}
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
    for name, page in UNIT_PAGES.items():
        folder = root / common.folder(name, committed.PRESET)
        files += {*folder.glob("*"), *filter(Path.exists, [page.path(folder)])}
    files += (root / ESTIMATORS).glob("*")
    return [*files, *(root / "reports").glob(f"{checklist.NAME}.*")]


def make(root: Path, into: Path) -> None:
    """Write every report of the results below `root` to its place below `into`.

    A page of trials that are not all made is written where it is committed.
    """
    results = root / RESULTS
    make_unit_pages(results, into)
    make_estimators(results, into)
    if not every_result(results):
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


def make_unit_pages(results: Path, into: Path) -> None:
    """Write the pages of units that `results` has to their places below `into`."""
    for name, page in UNIT_PAGES.items():
        if (results / f"{page.units}.jsonl").exists():
            with tempfile.TemporaryDirectory() as runs:
                source = committed.restore(page, results, Path(runs))
                page.make(source, into / common.folder(name, source.preset))


def make_estimators(results: Path, into: Path) -> None:
    """Write the page of estimators, where `results` has what it is made of."""
    pool = kept.root(committed.PRESET, "", results)
    if pool.exists():
        estimators_page.write(committed.PRESET, into / ESTIMATORS, pool)


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
    for check in (readme_differences, page_differences):
        try:
            sentences += check(root)
        except UsageError as error:  # it cannot be made: one more difference
            sentences.append(str(error))
    return sentences, count


def readme_differences(root: Path) -> list[str]:
    """A sentence for each line of README's table that the tables below `root` do not give."""
    text = readme.read(root)
    source = f"{readme.shown(text, root)[0].with_suffix('.csv')} has"
    return compare(readme.README, text, readme.update(text, root), source)


def page_differences(root: Path) -> list[str]:
    """A sentence where the page below `root` is not what the reports below `root` give."""
    path = root / overview.PAGE
    if not (path.is_file() or tables(root)):
        return []
    there = path.read_text(encoding="utf-8") if path.is_file() else ""
    if pictures.same_page(there, overview.render(root)):
        return []
    state = "is not that of the reports beside it" if path.is_file() else "is not there"
    return [f"{overview.PAGE} {state}; `make page` writes it."]


def main() -> None:
    """The command line; see `--help`."""
    argparse.ArgumentParser(prog="reproduce.checks.verify", description=__doc__).parse_args()
    sentences, count = verify()
    for sentence in sentences:
        print(sentence, file=sys.stderr)
    if sentences:
        raise UsageError(f"{len(sentences)} differences from the committed results, as told above.")
    print(
        f"{count} files of reports/ and README's table are those that the committed results give, "
        f"and {overview.PAGE} is that of reports/. "
        "The benchmark and what is written by hand are not checked."
    )


if __name__ == "__main__":
    sys.exit(cli.run(main, "Run the same command again."))
