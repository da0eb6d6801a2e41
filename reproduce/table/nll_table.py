"""The NLL table, made from result.json files and nothing else."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from annealed.evaluation.result import trusted_k
from annealed.utils.errors import UsageError
from annealed.utils.files import replace_text
from reproduce.pages.markdown import markdown_table, number, seeds
from reproduce.results import published
from reproduce.results.scored import Scored
from reproduce.results.selection import select
from reproduce.results.statistics import t_quantile
from reproduce.results.store import Made
from reproduce.table import annealed_columns
from reproduce.table.earlier import CELLS
from reproduce.table.source import headline

MEANS = ("elbo", "k_hat_untrusted", "rate", "active_units")  # that are means over seeds alone
DIGITS = "%.8g"  # of a number in a CSV: the last bits of a float64 differ between machines


def collect(made: list[Made]) -> list[dict]:
    """The results of those that are there; raises UsageError where `select` refuses one."""
    results, refused = select(made)
    if refused:
        raise UsageError(" ".join(refused.values()))
    return list(results.values())


def summarise(results: list[dict]) -> pd.DataFrame:
    """One line a row: NLL over seeds in nats, its interval, the published number, the verdict.

    The 95% interval is Student's t over seeds; `mc_error` is the importance-sampling error of one
    seed's mean, averaged over seeds as a root mean square.
    """
    lines = []
    for name in dict.fromkeys(r["row"] for r in results):
        of_row = [r for r in results if r["row"] == name]
        done = [r for r in of_row if r["status"] == "finished"]
        known = published.of(of_row[0])
        nll = pd.Series([r["nll"] for r in done], dtype=float)
        mc = pd.Series([r["nll_mc_error"] for r in done], dtype=float)
        mean, sd, n = nll.mean(), nll.std(), len(nll)
        half = t_quantile(n) * sd / max(n, 1) ** 0.5
        low, high = mean - half, mean + half
        lines.append(
            {
                "row": name,
                "label": known.label,
                "published": known.nll,
                "replication_2020": known.replication,
                "nll": mean,
                "sd": sd,
                "ci_low": low,
                "ci_high": high,
                "difference": mean - known.nll,
                "verdict": published.verdict(of_row[0]["preset"], n, low, high, known.nll),
                "seeds": n,
                "diverged": len(of_row) - n,
                "mc_error": mc.pow(2).mean() ** 0.5,
                "test_error": _mean(done, "nll_test_error"),
                **{key: _mean(done, key) for key in MEANS},
                "train_minutes": pd.Series([_minutes(r["training"]) for r in done]).mean(),
            }
        )
    return pd.DataFrame(lines)


def _mean(results: list[dict], key: str) -> float:
    """The mean over `results` of what they have under `key`; NaN where none has it."""
    return pd.Series([r.get(key) for r in results], dtype=float).mean()


def markdown(table: pd.DataFrame, title: str, source: str, samples: int, annealed: str = "") -> str:
    """The table as Markdown; `annealed` says what its columns of AIS are, if it has them."""
    head = ["row", "published", "ours: mean", "sd", "95% interval over seeds", "difference"]
    head += ["verdict", "seeds", "MC error", "ELBO", "rate", "active units", "k-hat too high"]
    head += ["2020 replication", "train min", *annealed_columns.HEAD * bool(annealed)]
    lines = []
    for r in table.itertuples():
        cells = [
            r.label,
            number(r.published),
            number(r.nll),
            number(r.sd),
            interval(r),
            number(r.difference, "+.2f"),
            r.verdict,
            seeds(r),
            number(r.mc_error, ".3f"),
            number(r.elbo),
            number(r.rate),
            number(r.active_units, ".1f"),
            number(100 * r.k_hat_untrusted, ".1f") + " %",
            number(r.replication_2020, ".2f"),
            number(r.train_minutes, ".1f"),
        ]
        lines.append(cells + (annealed_columns.cells(r) if annealed else []))
    notes = (
        "NLL in nats an image, lower is better. The interval is Student's t over seeds; with two "
        "seeds it is wide by nature. MC error is the importance-sampling error of one seed's NLL, "
        "apart from the spread over seeds and no part of the interval; "
        f"'k-hat too high' is the share of images with a Pareto k-hat above "
        f"{trusted_k(samples):.2f}, too heavy-tailed for that error at this S; there the true NLL "
        "may be lower. Rate is the ELBO's KL part in nats, active units those of the latents whose "
        "posterior mean varies over images by more than 0.01. Train min is a seed's share of the "
        f"time of those trained beside it. {published.sources()}"
    )
    parts = [f"# {title[0].upper() + title[1:]}", markdown_table(head, lines, 1)]
    parts += [f"Source: {source}.", notes]
    return "\n\n".join(filter(None, [*parts, annealed, published.rule()])) + "\n"


def interval(line) -> str:
    """The 95% interval of a line of `summarise`, or why it has none."""
    if line.seeds > 1:
        return f"{number(line.ci_low)} to {number(line.ci_high)}"
    return "one seed" if line.seeds else "all seeds diverged"


def latex(table: pd.DataFrame, title: str, source: str) -> str:
    """The table as a LaTeX tabular for booktabs."""
    lines = [f"% {title}", f"% {source}", r"\begin{tabular}{lrrrrl}", r"\toprule"]
    lines += [r"row & published & NLL & 95\% interval & seeds & verdict \\", r"\midrule"]
    for r in table.itertuples():
        bounds = f"[{number(r.ci_low)}, {number(r.ci_high)}]" if r.seeds > 1 else "--"
        spread = f"{number(r.nll)} $\\pm$ {number(r.sd)}" if r.seeds > 1 else number(r.nll)
        cells = [r.label, number(r.published), spread, bounds, str(r.seeds), r.verdict]
        lines.append(" & ".join(cells) + r" \\")
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", ""])


def write(
    paths: list[Made], folder: Path, preset: str, note: str = "", scored: Sequence[Scored] = ()
) -> str:
    """Write nll_table.md, .csv, .tex and nll_cells.csv into `folder`; returns the Markdown.

    `paths` are of results of one preset; those that do not exist are left out. `scored` are those
    that annealed importance sampling scored too, of which the table then has columns.
    """
    runs = collect(paths)
    if not any(r["status"] == "finished" for r in runs):
        raise UsageError(f"no run of preset {preset} has finished, so there is no table.")
    table = annealed_columns.columns(summarise(runs), scored)
    title, source = headline(runs, preset, note)
    annealed = annealed_columns.note(table, scored)
    text = markdown(table, title, source, _samples(runs), annealed)
    folder.mkdir(parents=True, exist_ok=True)
    replace_text(folder / "nll_table.md", text)
    replace_text(folder / "nll_table.csv", table.to_csv(index=False, float_format=DIGITS))
    replace_text(folder / "nll_table.tex", latex(table, title, source))
    left_out = ("config", "kl_by_latent")
    flat = pd.json_normalize([{k: v for k, v in r.items() if k not in left_out} for r in runs])
    replace_text(folder / CELLS, flat.to_csv(index=False))
    return text


def _minutes(training: dict) -> float:
    """Training time a seed: seeds that were trained side by side share theirs."""
    return training.get("seconds_a_seed", training["seconds"]) / 60


def _samples(results: list[dict]) -> int:
    """S of the finished results, which `collect` has seen to be the same for all."""
    return next(r["samples"] for r in results if r["status"] == "finished")
