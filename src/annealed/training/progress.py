"""Progress of a run: a bar for a person, lines of JSON for the scheduler that started it."""

import json
import os
import sys
import time

import pytorch_lightning as pl
from tqdm import tqdm

from annealed.training.module import Training

PERIOD = 0.5  # seconds between two updates


class Progress:
    """One bar a phase (train, score) of the run called `title`, and within it while it compiles.

    The rate and the time that remains are those of the time that is not spent compiling. With
    ANNEALED_PROGRESS=json each update is a line of JSON on standard output instead.
    """

    def __init__(self, title: str):
        self.title, self.json = title, os.environ.get("ANNEALED_PROGRESS") == "json"
        self.bar, self.last = None, 0.0
        self.phase, self.done, self.total, self.note = "", 0, 0, ""
        self.compiling_since: float | None = None

    def say(self, text: str) -> None:
        """Print `text` for a person."""
        if not self.json:
            tqdm.write(text, file=sys.stderr)

    def start(self, phase: str, total: int, done: int = 0) -> None:
        """Begin `phase` of `total` items, `done` of them already."""
        self.close()
        self.phase, self.total = phase, total
        if not self.json:
            self.bar = tqdm(
                total=total,
                initial=done,
                desc=f"{self.title} {phase}",
                mininterval=PERIOD if sys.stderr.isatty() else 30.0,
                dynamic_ncols=True,
            )
        self.update(done, force=True)

    def update(self, done: int, note: str = "", force: bool = False) -> None:
        """Report that `done` items are done."""
        self.done, self.note = done, note
        now = time.monotonic()
        if now - self.last < PERIOD and not force and done < self.total:
            return
        self.last = now
        if self.json:
            self._report()
        else:
            self.bar.set_postfix_str(note, refresh=False)
            self.bar.update(done - self.bar.n)

    def compiling(self, begins: bool) -> None:
        """Report that compiling begins, or has ended."""
        if begins == (self.compiling_since is not None):
            return
        began, self.compiling_since = self.compiling_since, time.monotonic() if begins else None
        if self.json:
            self._report()
        elif self.bar is not None:
            if not begins:  # the clock of the bar stood still
                seconds = time.monotonic() - began
                self.bar.start_t += seconds
                self.bar.last_print_t += seconds
            phase = "compile" if begins else self.phase
            self.bar.set_description_str(f"{self.title} {phase}", refresh=begins)

    def _report(self) -> None:
        state = {"phase": self.phase, "done": self.done, "total": self.total, "note": self.note}
        compiling = self.compiling_since is not None
        print(json.dumps({**state, "compiling": compiling}), flush=True)

    def close(self) -> None:
        """End the bar."""
        if self.bar is not None:
            self.bar.close()
            self.bar = None


class TrainingProgress(pl.Callback):
    """Reports optimiser steps, with the last validation bound."""

    def __init__(self, progress: Progress):
        self.progress = progress

    def on_train_start(self, trainer: pl.Trainer, pl_module: Training) -> None:
        """Start the bar where the run stands."""
        total = trainer.max_epochs * pl_module.steps_an_epoch
        self.note = ""
        self.progress.start("train", total, trainer.global_step)

    def on_train_batch_end(self, trainer, pl_module: Training, outputs, batch, batch_idx) -> None:
        """Move the bar."""
        self.progress.update(trainer.global_step, self.note)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: Training) -> None:
        """Show the validation bound from now on, of the first seed where there are several."""
        self.note = f"validation elbo {pl_module.metrics()[0]['val/elbo']:.2f}"

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """End the bar, where it is."""
        self.progress.close()
