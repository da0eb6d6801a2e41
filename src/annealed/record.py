"""The run folder's record of training: metrics.csv, best and last checkpoint, early stopping."""

import time
from pathlib import Path
from typing import Any

import pandas as pd
import pytorch_lightning as pl
from pytorch_lightning.callbacks import Checkpoint

from annealed.checkpoints import BEST, LAST
from annealed.files import replace_text
from annealed.schema import Config

METRICS = "metrics.csv"


class Record(Checkpoint):
    """Writes one row of metrics an epoch, keeps the best epoch, stops when patience is spent.

    Everything is decided from the validation bound at beta = 1, before the last checkpoint of the
    epoch is written, so a run killed anywhere goes on from there as if nothing had happened.
    """

    def __init__(self, folder: Path, config: Config):
        self.folder, self.config = folder, config
        self.best_elbo, self.best_epoch, self.seconds = -float("inf"), -1, 0.0

    def state_dict(self) -> dict[str, Any]:
        """What a resumed run has to know."""
        return {name: getattr(self, name) for name in ("best_elbo", "best_epoch", "seconds")}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from `state_dict`."""
        vars(self).update(state_dict)

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Drop rows written after the checkpoint that training goes on from."""
        self.started = time.monotonic() - self.seconds
        self._trim(trainer.current_epoch)
        trainer.should_stop = self._patience_spent(trainer.current_epoch - 1)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Record the epoch; Lightning calls this after the module has logged its means."""
        epoch = trainer.current_epoch
        metrics = {name: value.item() for name, value in trainer.callback_metrics.items()}
        self.seconds = time.monotonic() - self.started
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
            header, *rows = path.read_text().splitlines(keepends=True)
            kept = [row for row in rows if row.endswith("\n") and int(row.split(",")[0]) < epochs]
            replace_text(path, "".join([header, *kept])) if kept else path.unlink()


def read_metrics(folder: Path) -> pd.DataFrame:
    """The metrics of a run, one row an epoch."""
    return pd.read_csv(folder / METRICS)
