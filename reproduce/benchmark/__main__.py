"""Measure and write reports/benchmark.md and .csv: `python -m reproduce.benchmark`."""

import argparse
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import pandas as pd
import torch

from annealed.compute.device import forget_nvml
from annealed.runs import cli
from annealed.utils.errors import UsageError
from annealed.utils.files import replace_text
from annealed.utils.provenance import provenance
from reproduce.benchmark import against, scaling
from reproduce.benchmark.measurements import Budget, Measurement

PEERS = ("pythae==0.1.2", "dill==0.4.1", "cloudpickle==3.1.2", "imageio==2.38.1")
SECTIONS = (
    against.training,
    against.lightning,
    against.scoring,
    scaling.seeds,
    scaling.toys,
    scaling.depth,
    scaling.sizes,
)
PAPER = {"epochs": 5000, "images": 50_000, "samples": 5000, "test": 10_000}
HISTORY = Path(__file__).parent / "history.md"


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


def markdown(lines: list[Measurement], code: dict, rounds: int) -> str:
    """The page as Markdown."""
    text = [
        "# Benchmark",
        "",
        "Made by `make benchmark`. Cases of a section take turns (A B C, A B C, ...); a time is "
        f"the median of {rounds} turns or fewer, after one that is not counted. Only ratios within "
        "a section mean anything elsewhere: each says how many times the time of the case named "
        "beside it. The protocol's sizes: 784 pixels, 300 gated units, 40 latents, batch 100, one "
        f"CPU thread. Machine: {code['device']}, torch {code['versions']['torch']}, commit "
        f"{code['commit']}, {code['date']}.",
    ]
    for name in dict.fromkeys(line.section for line in lines):
        of_section = [line for line in lines if line.section == name]
        memory = any(line.megabytes is not None for line in of_section)
        head = f"| case | us a {of_section[0].item} | times that of '{of_section[0].against}' |"
        text += ["", f"## {name[0].upper() + name[1:]}", "", head + " peak MB |" * memory]
        text += ["| --- | ---: | ---: |" + " ---: |" * memory]
        for line in of_section:
            row = f"| {line.case} | {line.microseconds:.4g} | {line.ratio:.2f} |"
            text.append(row + (f" {line.megabytes:.0f} |" if memory else ""))
    return "\n".join([*text, *outlook(lines), "", HISTORY.read_text(encoding="utf-8").strip(), ""])


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


def main() -> None:
    """The command line; see `--help`."""
    parser = argparse.ArgumentParser(prog="reproduce.benchmark", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="turns of each case")
    parser.add_argument("--images", type=int, default=20_000, help="of a training turn")
    parser.add_argument("--samples", type=int, default=200, help="of a scoring turn")
    parser.add_argument("--sections", default="", help="some of the sections, comma-separated")
    parser.add_argument("--no-peers", action="store_true", help="leave pythae out")
    parser.add_argument("--folder", default="reports", help="where the page goes")
    arguments = parser.parse_args()
    for name, low in (("rounds", 1), ("images", 1000), ("samples", 20)):
        value = getattr(arguments, name)
        if value < low or (low > 1 and value % low):
            multiple = f"a multiple of {low}" if low > 1 else "1 or more"
            raise UsageError(f"--{name} is {value}; accepted: {multiple}.")
    known = {section.__name__: section for section in SECTIONS}
    chosen = [name for name in arguments.sections.split(",") if name] or list(known)
    for name in chosen:
        if name not in known:
            raise UsageError(f"--sections names {name!r}; accepted: {', '.join(known)}.")
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.set_num_threads(1)
    forget_nvml()  # as a run does, for the bare loop's good too
    peers = None if arguments.no_peers else install_peers(Path("runs", "benchmark", "peers"))
    size = Budget(arguments.rounds, arguments.images, arguments.samples, device, peers)
    folder, code, lines = Path(arguments.folder), provenance(device), []
    folder.mkdir(parents=True, exist_ok=True)
    for name in chosen:
        print(f"measuring: {name}", file=sys.stderr, flush=True)
        lines += known[name](size)
        frame = pd.DataFrame([asdict(line) for line in lines])
        replace_text(folder / "benchmark.csv", frame.to_csv(index=False))
    text = markdown(lines, code, arguments.rounds)
    replace_text(folder / "benchmark.md", text)
    print(text)


if __name__ == "__main__":
    sys.exit(cli.run(main, "Run the same command again."))
