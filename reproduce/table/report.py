"""A table's report from the committed results alone: `python -m reproduce.table.report`."""

import argparse
import sys
from pathlib import Path

import pandas as pd

from annealed.config.datasets import BINARY
from annealed.runs import cli
from annealed.utils.errors import UsageError
from annealed.utils.files import replace, replace_text
from annealed.utils.paths import argument
from reproduce.pages.markdown import bounds, markdown_table, number
from reproduce.pages.page import save
from reproduce.results import order, paired
from reproduce.results.locations import reports_folder
from reproduce.results.scored import scored_among
from reproduce.results.selection import select
from reproduce.results.statistics import BETTER, outcome
from reproduce.results.store import RESULTS, committed_results, pack_of
from reproduce.table import by_epoch, curves, forest, nll_table, published_order, readme, shorter

NOTE = (
    "Difference in NLL, nats an image, of the first row less the second, over the seeds that both "
    "have and all test images; below zero the first is better. The first interval is Student's t "
    "over seeds, the second a bootstrap over seeds and images together. Effect is the mean over "
    "seeds by its standard deviation, which few seeds overstate. Each p is two-sided and beside it "
    "stands Holm's correction over all {tests} pairs of this table that have one."
)
WHICH = (
    "With few seeds only t is to be trusted. The bootstrap draws its seeds from the few there are: "
    "of three, images aside, its interval leaves zero out whenever all three agree in sign, which "
    "they do one time in four where there is no difference, and with any number n it understates "
    "the spread by a factor of the root of (n - 1) / n. Student's t knows the number of seeds, at "
    "the price of taking their differences for Gaussian, which three seeds cannot show: a test of "
    "signs alone would not go below p = 0.25. Its p is of these test images; other images are in "
    "the bootstrap alone. The last column therefore reads t after Holm's correction, at 5%."
)
ANNEALED = (
    "The same differences by an estimator that does not depend on a row's posterior, of "
    "{images}. Holm's correction is over the pairs of this table. "
    "[Both estimators side by side](../estimators/index.md)."
)
PRESETS = ("quick", "short", "paper")


def paired_table(pairs: pd.DataFrame, words: tuple[str, str] = BETTER) -> str:
    """The paired differences of `paired.compare_rows` as a table in Markdown.

    `words` are those of `outcome`.
    """
    head = ["row", "against", "seeds", "difference", "95% over seeds", "95% over seeds and images"]
    head += ["effect", "p, t", "Holm", "p, bootstrap", "Holm", "shown"]
    lines = []
    for r in pairs.itertuples():
        many = r.seeds > 1
        cells = [r.row, r.against, str(r.seeds), f"{r.difference:+.3f}"]
        cells += [f"{r.t_low:+.3f} to {r.t_high:+.3f}" if many else "one seed"]
        cells += [bounds(r.bootstrap_low, r.bootstrap_high, "+.3f")]
        cells += [f"{r.effect:+.1f}" if many else "-"]
        tests = (r.p_t, r.holm_t, r.p_bootstrap, r.holm_bootstrap)
        lines.append([*cells, *(number(p, ".2g") for p in tests), outcome(r, words)])
    return markdown_table(head, lines, 2)


def paired_markdown(pairs: pd.DataFrame) -> str:
    """The page of paired differences."""
    note = NOTE.format(tests=int(pairs.p_t.notna().sum()))
    return "\n\n".join(["# Paired differences", paired_table(pairs), note, WHICH])


def annealed_markdown(pairs: pd.DataFrame, images: str) -> str:
    """The section on `pairs` by annealed importance sampling; `images` says of which."""
    text = ANNEALED.format(images=images)
    return "\n\n".join(["## By annealed importance sampling", text, paired_table(pairs)])


def write_curves(metrics: pd.DataFrame, folder: Path, note: str = "") -> None:
    """Write curves.png, .md and, of rows with AVO, .csv; `metrics` is of `curves.gather`.

    `note` stands below the figure.
    """
    replace(folder / "curves.png", lambda f: curves.draw(metrics, f))
    frame = by_epoch.table(metrics)
    _replace(folder / "curves.csv", frame.to_csv(index=False, float_format="%.6g"), len(frame))
    parts = ["# Curves over epochs", "![Bounds and differences by epoch](curves.png)"]
    parts += [" ".join(filter(None, [curves.CAPTION, note])), by_epoch.markdown(metrics)]
    replace_text(folder / "curves.md", "\n\n".join(filter(None, parts)) + "\n")


def write(preset: str, data: str, results: Path = RESULTS, folder: Path | None = None) -> Path:
    """Write the report of a preset on a data set from `results`; returns its folder.

    Raises UsageError where there are no results to report, and, once the report of the others is
    written, where one cannot be part of it.
    """
    made = committed_results(preset, data, results)
    if not made and preset not in PRESETS:
        raise UsageError(f"--preset is {preset!r}; accepted: {', '.join(PRESETS)}.")
    if not made:
        raise UsageError(
            f"{pack_of(preset, data, results).path} has no results; `make reproduce-table "
            f"PRESET={preset} KEEP=1` puts them there."
        )
    folder = folder or reports_folder(preset, data)
    chosen, refused = select(made)
    made = list(chosen)
    runs = list(chosen.values())
    scored = scored_among(runs, results)
    nll_table.write(made, folder, preset, scored=scored)
    rows = nll_table.summarise(runs)
    save(forest.draw(rows, runs), folder, "nll")
    pairs, ranks = paired.table(made), order.pairs(made)
    annealed = paired.of_scored(scored, lambda one: one.annealed)
    texts = [paired_markdown(pairs)] if len(pairs) else []
    texts += [annealed_markdown(annealed, scored[0].images)] if len(annealed) else []
    texts += [published_order.markdown(made, ranks)] if len(ranks) else []
    _replace(folder / "paired.md", "\n\n".join(texts) + "\n", len(texts))
    for name, frame in {"paired": pairs, "paired_ais": annealed, "order": ranks}.items():
        text = frame.to_csv(index=False, float_format=nll_table.DIGITS)
        _replace(folder / f"{name}.csv", text, len(frame))
    also = shorter.beside(made, preset, data, results)
    write_curves(curves.gather([*made, *also]), folder, shorter.sentence(also))
    if refused:
        raise UsageError(f"{folder} is written without these. {' '.join(refused.values())}")
    return folder


def _replace(path: Path, text: str, parts: int) -> None:
    """Write `text` of so many parts to `path`; of none, remove what an earlier report left."""
    if parts:
        replace_text(path, text)
    else:
        path.unlink(missing_ok=True)


def main() -> None:
    """The command line; see `--help`."""
    parser = argparse.ArgumentParser(prog="reproduce.table.report", description=__doc__)
    parser.add_argument("--preset", default="short", help=", ".join(PRESETS))
    parser.add_argument("--data", choices=BINARY, default="mnist")
    folder = argument("RUN_DIR", Path)
    text = "first keep these runs, of fewer epochs than the table's, for its curves alone"
    parser.add_argument(
        "--shorter", nargs="+", default=[], type=folder, metavar="RUN_DIR", help=text
    )
    arguments = parser.parse_args()
    for run in arguments.shorter:
        shorter.keep(run, arguments.preset, arguments.data)
    folder = write(arguments.preset, arguments.data)
    beside = f", the rows of {readme.README}" if readme.refresh(Path(), folder) else ""
    print(f"report: {folder}{beside}")


if __name__ == "__main__":
    sys.exit(cli.run(main, "Run the same command again."))
