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
    """One bar a phase (train, score) of the run called `title`.

    With ANNEALED_PROGRESS=json each update is a line of JSON on standard output instead.
    """

    def __init__(self, title: str):
        self.title, self.json = title, os.environ.get("ANNEALED_PROGRESS") == "json"
        self.bar, self.last = None, 0.0

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
        now = time.monotonic()
        if now - self.last < PERIOD and not force and done < self.total:
            return
        self.last = now
        if self.json:
            state = {"phase": self.phase, "done": done, "total": self.total, "note": note}
            print(json.dumps(state), flush=True)
        else:
            self.bar.set_postfix_str(note, refresh=False)
            self.bar.update(done - self.bar.n)

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
