"""Trials: a row under a setting with one choice changed, scored on the validation set."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from annealed.utils.errors import UsageError
from reproduce.results.paired import differences
from reproduce.results.statistics import compare
from reproduce.results.store import RESULTS, Committed, commit_results, committed_results
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
    """A row under a setting, with overrides of its configuration, apart by spaces, or none."""

    setting: str
    row: str
    change: str = DEFAULTS

    @property
    def base(self) -> "Trial":
        """The same row under the same setting with its defaults."""
        return Trial(self.setting, self.row)

    @property
    def takes_gpu(self) -> bool:
        """Whether it is made on a GPU alone: no CPU has these products."""
        return "trainer.precision=tf32" in self.change.split()

    @property
    def place(self) -> str:
        """What is before row and seed in the names of its runs: its setting and change."""
        return f"{_slug(self.setting)}/{_slug(self.change)}"

    def as_run(self, preset: str, data: str, runs: str, seed: int = 0, **options) -> Run:
        """What the scheduler runs: the trial from `seed` on, scored on the validation set.

        Under another preset than `ablation` a setting does not change how long is trained.
        """
        full = preset == PRESETS["full"]
        changes = ["evaluate.split=validation"]
        changes += [o for o in SETTINGS[self.setting] if full or not o.startswith(LENGTHS)]
        changes += [] if self.change == DEFAULTS else self.change.split()
        place, note = str(Path(runs, "trials", self.place)), f"({self.setting}, {self.change})"
        options |= {"changes": tuple(changes), "note": note}
        return Run(preset, data, self.row, seed, place, **options)


Results = dict[Trial, dict[int, Committed]]  # by seed


def _slug(text: str) -> str:
    return re.sub(r"[^\w.]+", "-", text)


def pool(preset: str, runs: str, results: Path = RESULTS) -> Path:
    """The folder of the trials' results: the committed ones below `results`, or a smoke run's."""
    return results / "trials" if preset == "full" else Path(runs, "trials", "kept")


def run(
    trials: Mapping[Trial, int],
    preset: str,
    data: str,
    runs: str,
    seeds: int,
    engine: scheduler.Engine,
) -> list[str]:
    """Make the trials that have no result in `runs`, and copy each to `pool`.

    Each is of the seeds from what `trials` says on, up to `seeds` - 1, side by side. `preset` is
    quick or full. Returns a sentence for each that failed.
    """
    by_run = {}
    for trial, first in trials.items():
        options = {"replicas": seeds - first, "compile": preset == "full"}
        by_run[trial.as_run(PRESETS[preset], data, runs, first, **options)] = trial
    root = pool(preset, runs)

    def done(run: Run) -> list[str]:
        return commit_results(run.results(), root, by_run[run].place)

    return scheduler.run_on(engine, list(by_run), done)


def missing(
    trials: list[Trial], root: Path, preset: str, data: str, seeds: int
) -> dict[Trial, int]:
    """Those that lack a seed up to `seeds` - 1 below `root`, and the first that each lacks."""
    results = gather(trials, root, preset, data)
    lacking = {trial: set(range(seeds)) - results.get(trial, {}).keys() for trial in trials}
    return {trial: min(absent) for trial, absent in lacking.items() if absent}


def makeable(trials: Mapping[Trial, int], gpu: bool) -> dict[Trial, int]:
    """Those that can be made here; without a GPU a line names the others."""
    left = [] if gpu else [trial for trial in trials if trial.takes_gpu]
    if left:
        names = ", ".join(f"{trial.row} ({trial.setting}, {trial.change})" for trial in left)
        print(f"left out, as they take a GPU and none is here: {names}")
    return {trial: first for trial, first in trials.items() if trial not in left}


def command(page: str, preset: str, data: str, seeds: int) -> str:
    """The command that makes a page of `seeds` seeds."""
    parts = [f"make reproduce-{page} PRESET={preset}"]
    parts += [f"DATA={data}"] if data != "mnist" else []
    parts += [f"SEEDS={seeds}"] if seeds != SEEDS else []
    return " ".join(parts)


def gather(trials: list[Trial], root: Path, preset: str, data: str) -> Results:
    """The results below `root` of each trial that has some; `preset` is quick or full."""
    results = {}
    for trial in trials:
        made = committed_results(PRESETS[preset], data, root, trial.place)
        by_seed = {one.seed: one for one in made if one.row == trial.row}
        results |= {trial: by_seed} if by_seed else {}
    return results


def table(results: Results) -> pd.DataFrame:
    """One line a run. Bounds are at the best epoch by the validation bound, nats an image.

    `train_elbo` is the mean over that epoch's batches as they were trained on, `val_elbo` the bound
    with one sample an image, `gap` the one less the other. Raises UsageError where a result was
    scored on other images than the validation set's.
    """
    lines = []
    for trial, by_seed in results.items():
        for seed, one in sorted(by_seed.items()):
            result = one.read()
            line = {**{key: getattr(trial, key) for key in KEYS}, "seed": seed}
            line |= {"status": result["status"], "commit": result["provenance"]["commit"]}
            if result["status"] == "finished":
                if result["split"] != "validation":
                    raise UsageError(f"{one} was scored on {result['split']}, not on validation.")
                training = result["training"]
                best = one.metrics().set_index("epoch").loc[training["best_epoch"]]
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


def between(first: dict[int, Committed], second: dict[int, Committed]) -> dict[str, float]:
    """`compare` of two trials over the finished seeds that both have; empty without any."""
    minuend, subtrahend = (
        {seed: one for seed, one in side.items() if one.log_prob() is not None}
        for side in (first, second)
    )
    if not minuend.keys() & subtrahend.keys():
        return {}
    numbers = compare(differences(minuend, subtrahend))
    return {name: value for name, value in numbers.items() if name != "images"}
