"""The page: every committed number, figure and text of reports/, put into a template.

It is a function of the files below reports/ alone, so the same reports give the same bytes.
"""

from pathlib import Path

import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from annealed.utils.errors import UsageError
from annealed.utils.files import replace_text
from reproduce.checklist.page import NAME as CHECKLIST
from reproduce.pages.markdown import bounds, number
from reproduce.results import published
from reproduce.results.statistics import outcome
from reproduce.results.store import RESULTS, committed_results
from reproduce.site import contents, plots, runs
from reproduce.site.prose import Prose, figure
from reproduce.table import by_epoch, curves, shorter

PAGE = contents.REPORTS / "index.html"
LIMIT = 5  # MB; beyond it a phone takes long to open the page
HERE = Path(__file__).parent
OPEN = ("Reading", "")  # sections that are not folded, as those with a figure are not
ANSWERS = {"Yes": "reproduced", "No": "worse", "NA": "none", "Open": "none"}  # as what shown
MARKS = {"reproduced": "✓", "better": "▼", "worse": "▲", "undecided": "≈"}


def render(root: Path) -> str:
    """The page of the reports below `root`.

    Raises UsageError where there is no table, where a figure or the numbers of a table are missing,
    and where the page is larger than LIMIT.
    """
    folders = contents.tables(root)
    if not folders:
        raise UsageError(
            f"{root / contents.REPORTS} has no NLL table to show; `make report` or `make "
            "reproduce-table PRESET=short KEEP=1` writes one."
        )
    reports, others = root / contents.REPORTS, contents.pages(root)
    answers = reports / f"{CHECKLIST}.md"
    shown = {page.path.relative_to(reports).as_posix(): f"#{page.name}" for page in others}
    shown |= {"findings.md": "#findings", f"{CHECKLIST}.md": "#checklist"}
    groups, environments = runs.gather(root)
    environment = Environment(
        loader=FileSystemLoader(HERE),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"number": number, "integer": lambda value: f"{value:,}"}
    text = environment.get_template("page.html").render(
        style=Markup((HERE / "page.css").read_text(encoding="utf-8")),
        tables=[_table(folder, root, shown) for folder in folders],
        findings=_prose(reports, reports / "findings.md", "findings", shown),
        pages=[(page, _prose(reports, page.path, page.name, shown)) for page in others],
        checklist=[_answers(*each) for each in _prose(reports, answers, "checklist", shown)],
        groups=groups,
        environments=environments,
        sources=_sources(root),
        marks=MARKS,
        unfolded=OPEN,
        outcome=outcome,
        bounds=bounds,
    )
    size = len(text.encode()) / 1e6
    if size > LIMIT:
        raise UsageError(
            f"{PAGE} would be {size:.1f} MB; accepted: {LIMIT}. Make the largest figures of "
            f"{contents.REPORTS} smaller."
        )
    return text


def write(root: Path = Path()) -> Path:
    """Write the page of the reports below `root`; returns its path. Raises as `render` does."""
    replace_text(root / PAGE, render(root))
    return root / PAGE


def _answers(heading: str, text: Markup, pictured: bool) -> tuple[str, Markup, bool]:
    """A list of the checklist with its answers marked."""
    for answer, kind in ANSWERS.items():
        chip = Markup('<strong class="chip {}">{}</strong>').format(kind, answer)
        text = Markup(str(text).replace(f"<strong>{answer}.</strong>", chip))
    return heading, text, pictured


def _prose(
    reports: Path, path: Path, name: str, shown: dict, figures: bool = True
) -> list[tuple[str, Markup, bool]]:
    """The sections of a text; none where it is not there."""
    return Prose(reports, path, name, shown, figures=figures).sections() if path.is_file() else []


def _table(folder: Path, root: Path, shown: dict) -> dict:
    """All that a preset has to show: its table, pairs, curves and pictures."""
    reports, results = root / contents.REPORTS, root / RESULTS
    place = folder.relative_to(reports)
    table, seeds = (_csv(folder / name) for name in (contents.TABLE, "nll_cells.csv"))
    pairs = folder / "paired.csv"
    run = (seeds.preset[0], seeds.data[0])
    made = committed_results(*run, results)
    made += shorter.beside(made, *run, results)
    made = [one for one in made if one.metrics() is not None]
    labels = {row: published.label(row) for row in [*table.row, *(one.row for one in made)]}
    metrics = curves.gather(made) if made else None
    path = folder / "nll_table.md"
    name = "-".join(place.parts)
    return {
        "name": name,
        "title": contents.title(path),
        "place": place.as_posix(),
        "rows": list(table.itertuples()),
        "forest": plots.forest(table, seeds, published.tolerance()),
        "notes": _notes(path, reports, name, shown),
        "pairs": list(pd.read_csv(pairs).itertuples()) if pairs.is_file() else [],
        "pair_notes": _notes(folder / "paired.md", reports, f"{name}-paired", shown),
        "order": _prose(reports, folder / "paired.md", f"{name}-order", shown)[1:],
        "labels": labels,
        "curves": _curves(metrics, labels) if made else [],
        "differences": _differences(metrics, labels) if made else [],
        "by_epoch": _prose(reports, folder / "curves.md", f"{name}-by-epoch", shown, False),
        "pictures": [
            _picture(path, reports, labels.get(path.stem, path.stem))
            for path in _ordered((folder / "pictures").glob("*.png"), list(table.row))
        ],
    }


def _csv(path: Path) -> pd.DataFrame:
    if not path.is_file():
        raise UsageError(f"{path} is not there; make its report again.")
    return pd.read_csv(path)


def _picture(path: Path, reports: Path, label: str) -> Markup:
    alt = f"What {label} draws: samples of the prior, reconstructions, traversals of latents"
    return figure(path, alt, path.relative_to(reports).as_posix(), label)


def _ordered(paths, rows: list[str]) -> list[Path]:
    """Pictures in the order of the table's rows, others after them."""
    place = {row: i for i, row in enumerate(rows)}
    return sorted(paths, key=lambda path: (place.get(path.stem, len(place)), path.name))


def _curves(metrics: pd.DataFrame, labels: dict[str, str]) -> list[dict]:
    metrics = metrics.assign(gap=metrics["train/elbo"] - metrics["val/elbo"])
    names = {
        "val/elbo": "Validation bound",
        "val/log_likelihood": "Its likelihood part",
        "val/rate": "Its KL part, the rate",
        "gap": "Training less validation bound",
    }
    present = {column: title for column, title in names.items() if column in metrics.columns}
    drawn = [plots.curves(plots.bands(metrics, c), title, labels) for c, title in present.items()]
    return [one for one in drawn if one]


def _differences(metrics: pd.DataFrame, labels: dict[str, str]) -> list[dict]:
    """How far rows with AVO lie ahead, over epochs."""
    frames = {
        f"{labels.get(a, a)} less {labels.get(b, b)}": by_epoch.differences(metrics, a, b)
        for a, b in by_epoch.pairs(metrics)
    }
    kinds = {"bound": "Validation bound, difference", "gap": "Training less validation, difference"}
    drawn = [plots.curves(plots.intervals(frames, k), title, {}) for k, title in kinds.items()]
    return [one for one in drawn if one]


def _notes(path: Path, reports: Path, name: str, shown: dict) -> Markup:
    """What stands below the table in `path`: the page has the table itself."""
    if not path.is_file():
        return Markup()
    ((_, text, _), *_) = Prose(reports, path, name, shown, tables=False).sections()
    return text


def _sources(root: Path) -> list[tuple[str, list[str]]]:
    """Tables and texts below reports/, by folder; results are linked with their runs."""
    reports, results = root / contents.REPORTS, root / RESULTS
    by_folder: dict[str, list[str]] = {}
    for path in sorted(reports.rglob("*")):
        smoke = path.relative_to(reports).parts[0] == published.SMOKE
        apart = smoke or path.is_relative_to(results) or path.name == contents.GUIDE
        if path.suffix in (".csv", ".md", ".tex", ".json") and path.is_file() and not apart:
            place = path.relative_to(reports)
            by_folder.setdefault(place.parent.as_posix(), []).append(place.as_posix())
    return list(by_folder.items())
