"""Measure and write reports/benchmark.md and .csv: `python -m reproduce.benchmark`."""

import argparse
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import torch

from annealed.compute.device import forget_nvml
from annealed.runs import cli
from annealed.utils.errors import UsageError
from annealed.utils.files import replace_text, write_errors_explained
from annealed.utils.provenance import provenance
from reproduce.benchmark import against, estimators, scaling
from reproduce.benchmark.measurements import ROWS, Budget, Measurement, merged, read, write

PEERS = ("pythae==0.1.2", "dill==0.4.1", "cloudpickle==3.1.2", "imageio==2.38.1")
SECTIONS = (
    against.training,
    against.lightning,
    against.scoring,
    against.annealing,
    estimators.estimators,
    scaling.seeds,
    scaling.toys,
    scaling.depth,
    scaling.sizes,
)
HELP = "some of the sections, comma-separated; what the folder has of others stays"
ROWS_HELP = "rows of the sections lightning and seeds, comma-separated; default: %(default)s"
PAPER = {"epochs": 5000, "images": 50_000, "samples": 5000, "test": 10_000}
HISTORY = Path(__file__).parent / "history.md"
COLUMNS = {  # of a measurement that has them: the head and the format
    "megabytes": ("peak MB", ".0f"),
    "nll": ("NLL, nats", ".2f"),
    "gained": ("nats gained", ".2f"),
    "gained_error": ("standard error", ".2f"),
    "gained_a_second": ("nats gained a second", ".3g"),
}


def install_peers(folder: Path) -> str | None:
    """pythae in a throw-away folder beside this environment; None, and a line, without it."""
    if not (folder / "pythae").exists():
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps"]
        pip += ["--target", str(folder), *PEERS]
        done = subprocess.run(pip, capture_output=True, encoding="utf-8", errors="replace")
        if done.returncode:
            reason = (done.stderr.strip().splitlines() or ["pip failed"])[-1]
            print(f"pythae is left out: it cannot be installed ({reason})", file=sys.stderr)
            return None
    return str(folder.resolve())


def markdown(lines: list[Measurement]) -> str:
    """The page as Markdown."""
    names = list(dict.fromkeys(line.section for line in lines))
    text = [
        "# Benchmark",
        "",
        "Made by `make benchmark`. Cases of a section take turns (A B C, A B C, ...); a time is "
        "the median of the turns after one that is not counted. Sections with peak memory have the "
        "fastest of a few fresh processes a case. Only ratios within a section mean "
        "anything elsewhere: each says how many times the time of the case named beside it. The "
        "protocol's sizes: 784 pixels, 300 gated units, 40 latents, batch 100, one CPU thread. "
        "Annealing and estimators are timed by the CPU seconds of their process, each estimator "
        "once; nats gained are those that its NLL lies below that of the case named beside it, on "
        "the same images, and their standard error is over images.",
        "",
        "Measured by:",
        "",
    ]
    for origin in dict.fromkeys(line.measured for line in lines):
        its = list(dict.fromkeys(line.section for line in lines if line.measured == origin))
        text.append(f"- {origin}: {'all' if its == names else '; '.join(its)}")
    for name in names:
        text += ["", f"## {name[0].upper() + name[1:]}", ""]
        text += table([line for line in lines if line.section == name])
    return "\n".join([*text, *outlook(lines), "", HISTORY.read_text(encoding="utf-8").strip(), ""])


def table(lines: list[Measurement]) -> list[str]:
    """The lines of one section's table, with those of COLUMNS that any of them has."""
    keys = [key for key in COLUMNS if any(getattr(line, key) is not None for line in lines)]
    first = [f"us a {lines[0].item}", f"times that of '{lines[0].against}'"]
    heads = [*first, *(COLUMNS[key][0] for key in keys)]
    text = [f"| case | {' | '.join(heads)} |", "| --- |" + " ---: |" * len(heads)]
    for line in lines:
        values = {key: getattr(line, key) for key in keys}
        more = ["-" if v is None else format(v, COLUMNS[key][1]) for key, v in values.items()]
        cells = [line.case, f"{line.microseconds:.4g}", f"{line.ratio:.2f}", *more]
        text.append(f"| {' | '.join(cells)} |")
    return text


def measured_by(device: torch.device, rounds: int) -> str:
    """Machine, versions, commit and date, how many turns there are and what else is running."""
    code, load = provenance(device), os.getloadavg()[0]
    return (
        f"{code['device']}, torch {code['versions']['torch']}, commit {code['commit']}, "
        f"{code['date']}, {rounds} turns or fewer, beside a load of {load:.1f} on "
        f"{os.cpu_count()} cores"
    )


def outlook(lines: list[Measurement]) -> list[str]:
    """What the measured rates make of the preset `paper`, for five seeds and the whole test set."""
    each = {(line.section, line.case): line.microseconds for line in lines}
    train = each.get(("five seeds, hvi_avo", "ours, 5 seeds, compiled"))
    score = each.get(("scoring, HVI", "HVI, compiled"))
    text = []
    if train:
        hours = 5 * PAPER["epochs"] * PAPER["images"] * train / 3.6e9
        text += [f"five seeds of HVI-AVO side by side take {hours:.3g} hours for 5000 epochs"]
    if score:
        minutes = PAPER["samples"] * PAPER["test"] * score / 6e7
        text += [f"scoring HVI on 10,000 images with S = 5000 takes {minutes:.3g} minutes"]
    if not text:
        return []
    return ["", "## The paper's length", "", f"At these rates, compiled, {' and '.join(text)}."]


def _named(option: str, text: str, known: tuple[str, ...]) -> tuple[str, ...]:
    """What `text` names, comma-separated, or all of `known`; raises UsageError for another."""
    chosen = tuple(name for name in text.split(",") if name) or known
    for name in chosen:
        if name not in known:
            raise UsageError(f"--{option} names {name!r}; accepted: {', '.join(known)}.")
    return chosen


def main() -> None:
    """The command line; see `--help`."""
    parser = argparse.ArgumentParser(prog="reproduce.benchmark", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="turns of each case")
    parser.add_argument("--images", type=int, default=20_000, help="of a training turn")
    parser.add_argument("--samples", type=int, default=200, help="of a scoring turn")
    parser.add_argument("--sections", default="", help=HELP)
    parser.add_argument("--rows", default=",".join(ROWS), help=ROWS_HELP)
    parser.add_argument("--no-peers", action="store_true", help="leave pythae out")
    parser.add_argument("--folder", default="reports", help="where the page goes")
    arguments = parser.parse_args()
    for name, low in (("rounds", 1), ("images", 1000), ("samples", 20)):
        value = getattr(arguments, name)
        if value < low or (low > 1 and value % low):
            multiple = f"a multiple of {low}" if low > 1 else "1 or more"
            raise UsageError(f"--{name} is {value}; accepted: {multiple}.")
    known = {section.__name__: section for section in SECTIONS}
    chosen = _named("sections", arguments.sections, tuple(known))
    rows = _named("rows", arguments.rows, ROWS)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.set_num_threads(1)
    forget_nvml()  # as a run does, for the bare loop's good too
    peers = None if arguments.no_peers else install_peers(Path("runs", "benchmark", "peers"))
    size = Budget(arguments.rounds, arguments.images, arguments.samples, device, peers, rows)
    folder = Path(arguments.folder)
    with write_errors_explained(folder, "nothing was measured"):
        folder.mkdir(parents=True, exist_ok=True)
    csv = folder / "benchmark.csv"
    lines = read(csv)  # a section that is measured replaces what was there of it
    for name in chosen:
        print(f"measuring: {name}", file=sys.stderr, flush=True)
        origin = measured_by(device, arguments.rounds)
        lines = merged(lines, [replace(line, measured=origin) for line in known[name](size)])
        write(csv, lines)
    text = markdown(lines)
    replace_text(folder / "benchmark.md", text)
    print(text)


if __name__ == "__main__":
    sys.exit(cli.run(main, "Run the same command again."))
