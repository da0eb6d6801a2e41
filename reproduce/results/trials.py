"""Trials on the validation set: a row under a setting with one choice changed, a pool for pages."""

import re
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from annealed.evaluation.result import read_result
from annealed.utils.errors import UsageError
from reproduce.results import paired
from reproduce.results.store import RESULTS, keep_all, kept
from reproduce.scheduling import scheduler
from reproduce.scheduling.run_grid import Run

DEFAULTS = "defaults"
AUTOREGRESSIVE = ("network.decoder=autoregressive", "network.channels=8", "network.kernel=3")
SETTINGS = {  # overrides of every trial under it
    "all images": (),
    "5000 images": ("data.train_images=5000", "trainer.epochs=200", "trainer.warmup_epochs=40"),
    "100 epochs": ("trainer.epochs=100", "trainer.warmup_epochs=10"),  # as the table's `short`
    "autoregressive decoder": AUTOREGRESSIVE,
    "autoregressive decoder, 10000 images": (
        *AUTOREGRESSIVE,
        "network.blocks=1",
        "data.train_images=10000",
        "data.held_out_images=2000",
    ),
}
LENGTHS = ("trainer.", "data.train_images=")  # what a smoke run does not take from a setting
PRESETS = {"quick": "quick", "full": "ablation"}
KEYS = ["setting", "row", "change"]
SEEDS = 3  # of a trial, where none are given


@dataclass(frozen=True)
class Trial:
    """A row under a setting, with one override of its configuration or none."""

    setting: str
    row: str
    change: str = DEFAULTS

    @property
    def base(self) -> "Trial":
        """The same row under the same setting with its defaults."""
        return Trial(self.setting, self.row)

    def folder(self, root: Path) -> Path:
        """Below `root`, a folder of this setting and change."""
        return root / _slug(self.setting) / _slug(self.change)

    def cell(self, preset: str, data: str, runs: str, **options) -> Run:
        """The trial for the scheduler, scored on the validation set.

        Under another preset than `ablation` a setting does not change how long is trained.
        """
        full = preset == PRESETS["full"]
        changes = ["evaluate.split=validation"]
        changes += [o for o in SETTINGS[self.setting] if full or not o.startswith(LENGTHS)]
        changes += [] if self.change == DEFAULTS else [self.change]
        place, note = str(self.folder(Path(runs, "trials"))), f"({self.setting}, {self.change})"
        return Run(preset, data, self.row, 0, place, changes=tuple(changes), note=note, **options)


def _slug(text: str) -> str:
    return re.sub(r"[^\w.]+", "-", text)


def pool(preset: str, runs: str) -> Path:
    """Where the results of trials are kept: committed ones, or a smoke run's."""
    return RESULTS / "trials" if preset == "full" else Path(runs, "trials", "kept")


def run(
    trials: list[Trial], preset: str, data: str, runs: str, seeds: int, engine: scheduler.Engine
) -> list[str]:
    """Make the trials that have no result, `seeds` side by side, and keep each as it comes.

    `preset` is quick or full. Returns a sentence for each that failed.
    """
    options = {"replicas": seeds, "compile": preset == "full"}
    cells = {trial.cell(PRESETS[preset], data, runs, **options): trial for trial in trials}
    root = pool(preset, runs)

    def done(cell: Run) -> list[str]:
        return keep_all(cell.results(), cells[cell].folder(root))

    return scheduler.run_on(engine, list(cells), done)


def missing(trials: list[Trial], root: Path, preset: str, data: str, seeds: int) -> list[Trial]:
    """Those without a kept result of every seed from 0 to `seeds` - 1."""
    found = gather(trials, root, preset, data)
    return [trial for trial in trials if not set(range(seeds)) <= found.get(trial, {}).keys()]


def command(page: str, preset: str, data: str, seeds: int) -> str:
    """What makes a page of `seeds` seeds again, in one line."""
    words = [f"make reproduce-{page} PRESET={preset}"]
    words += [f"DATA={data}"] if data != "mnist" else []
    words += [f"SEEDS={seeds}"] if seeds != SEEDS else []
    return " ".join(words)


Found = dict[Trial, dict[int, Path]]  # kept results by seed


def gather(trials: list[Trial], root: Path, preset: str, data: str) -> Found:
    """The kept results of each trial that has some; `preset` is quick or full."""
    found = {}
    for trial in trials:
        paths = kept(PRESETS[preset], data, trial.folder(root))
        mine = {int(p.stem[4:]): p for p in paths if p.parent.name == trial.row}
        found |= {trial: mine} if mine else {}
    return found


def table(found: Found) -> pd.DataFrame:
    """One line a run. Bounds are at the best epoch by the validation bound, nats an image.

    `train_elbo` is the mean over that epoch's batches as they were trained on, `val_elbo` the bound
    with one sample an image, `gap` the one less the other. Raises UsageError where a result was
    scored on other images than the validation set's.
    """
    lines = []
    for trial, paths in found.items():
        for seed, path in sorted(paths.items()):
            result = read_result(path)
            line = {**{key: getattr(trial, key) for key in KEYS}, "seed": seed}
            line |= {"status": result["status"], "commit": result["provenance"]["commit"]}
            if result["status"] == "finished":
                if result["split"] != "validation":
                    raise UsageError(f"{path} was scored on {result['split']}, not on validation.")
                training = result["training"]
                metrics = pd.read_csv(path.with_suffix(".csv")).set_index("epoch")
                best = metrics.loc[training["best_epoch"]]
                line |= {key: result[key] for key in ("nll", "nll_mc_error", "elbo", "rate")}
                line |= {key: result[key] for key in ("samples", "active_units", "k_hat_untrusted")}
                information = ("mutual_information", "mutual_information_error")
                line |= {key: result.get(key) for key in information}
                line |= {"train_elbo": best["train/elbo"], "val_elbo": best["val/elbo"]}
                line |= {"gap": best["train/elbo"] - best["val/elbo"]}
                line |= {"best_epoch": training["best_epoch"], "epochs": training["epochs"]}
                line |= {"minutes": training["seconds_a_seed"] / 60}
            lines.append(line)
    return pd.DataFrame(lines)


def between(first: dict[int, Path], second: dict[int, Path]) -> dict[str, float]:
    """`paired.compare` of two trials over the finished seeds that both have; empty without any."""
    ours, theirs = (
        {seed: p for seed, p in side.items() if p.with_suffix(".npz").exists()}
        for side in (first, second)
    )
    if not ours.keys() & theirs.keys():
        return {}
    compared = paired.compare(paired.differences(ours, theirs))
    return {name: value for name, value in compared.items() if name != "images"}
