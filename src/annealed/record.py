"""The run folder's record of training: metrics.csv, best and last checkpoint, early stopping."""

import time
from pathlib import Path
from typing import Any

import pandas as pd
import pytorch_lightning as pl
from pytorch_lightning.callbacks import Checkpoint

from annealed.checkpoints import BEST, LAST
from annealed.errors import UsageError
from annealed.files import replace_text
from annealed.schema import Config

METRICS = "metrics.csv"


class Record(Checkpoint):
    """Writes one row of metrics an epoch, keeps the best epoch, stops when patience is spent.

    Everything is decided from the validation bound at beta = 1, before the last checkpoint of the
    epoch is written, so a run killed anywhere goes on from there as if nothing had happened.
    """

    state = ("epochs", "best_elbo", "best_epoch", "seconds", "sessions")

    def __init__(self, folder: Path, config: Config, session: dict[str, Any]):
        self.folder, self.config = folder, config
        self.epochs, self.best_elbo, self.best_epoch, self.seconds = 0, -float("inf"), -1, 0.0
        self.sessions = [session]  # provenance of every process that trained

    def state_dict(self) -> dict[str, Any]:
        """What a resumed run has to know."""
        return {name: getattr(self, name) for name in self.state}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from `state_dict`; raises UsageError where another kind of device wrote it.

        CPU and GPU draw different numbers, so the run would be neither the one nor the other.
        """
        (session,), before = self.sessions, state_dict["sessions"]
        if before[-1]["device_type"] != session["device_type"]:
            raise UsageError(
                f"{self.folder} was trained on {before[-1]['device_type']} and cannot go on on "
                f"{session['device_type']}; choose the device with trainer.accelerator."
            )
        vars(self).update(state_dict)
        self.sessions = [*before, session]

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Drop rows written after the checkpoint that training goes on from."""
        self.started = time.monotonic() - self.seconds
        self._trim(trainer.current_epoch)
        trainer.should_stop = self._patience_spent(trainer.current_epoch - 1)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Record the epoch; Lightning calls this after the module has logged its means."""
        epoch = trainer.current_epoch
        metrics = {name: value.item() for name, value in trainer.callback_metrics.items()}
        self.epochs, self.seconds = epoch + 1, time.monotonic() - self.started
        row = {"epoch": epoch, "step": trainer.global_step, **dict(sorted(metrics.items()))}
        self._append({**row, "seconds": round(self.seconds, 3)})
        if metrics["val/elbo"] > self.best_elbo:
            self.best_elbo, self.best_epoch = metrics["val/elbo"], epoch
            trainer.save_checkpoint(self.folder / BEST)
        trainer.save_checkpoint(self.folder / LAST)
        trainer.should_stop = trainer.should_stop or self._patience_spent(epoch)

    def _patience_spent(self, epoch: int) -> bool:
        options = self.config.trainer
        since = max(self.best_epoch, options.warmup_epochs - 1)
        return options.patience > 0 and epoch - since >= options.patience

    def _append(self, row: dict[str, Any]) -> None:
        path = self.folder / METRICS
        line = pd.DataFrame([row]).to_csv(index=False, header=not path.exists())
        with open(path, "a") as f:
            f.write(line)

    def _trim(self, epochs: int) -> None:
        path = self.folder / METRICS
        if path.exists():
            lines = [line for line in path.read_text().splitlines(True) if line.endswith("\n")]
            kept = [line for line in lines[1:] if int(line.split(",")[0]) < epochs]
            replace_text(path, "".join([lines[0], *kept])) if kept else path.unlink()


def read_metrics(folder: Path) -> pd.DataFrame:
    """The metrics of a run, one row an epoch."""
    return pd.read_csv(folder / METRICS)
