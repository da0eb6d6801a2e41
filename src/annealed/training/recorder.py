"""The callback that keeps the records of all seeds in training, and their last checkpoint."""

import math
import time
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Checkpoint

from annealed.training.checkpoints import LAST
from annealed.training.module import Training
from annealed.training.record import Record


class Recorder(Checkpoint):
    """Writes the records of all seeds in training, and their common last checkpoint in `folder`.

    The records are complete before the last checkpoint of an epoch is written, so a run killed
    anywhere goes on from there as if nothing had happened. Between two of these lie at least
    `trainer.checkpoint_seconds`: where an epoch is short, writing would take longer than training.
    """

    def __init__(self, folder: Path, records: dict[int, Record]):
        self.folder, self.records = folder, records

    def state_dict(self) -> dict[str, Any]:
        """The state of every record, by seed."""
        return {str(seed): record.state_dict() for seed, record in self.records.items()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from the state of every record, by seed; raises as those of `Record` do."""
        for seed, state in state_dict.items():
            self.records[int(seed)].load_state_dict(state)

    def on_fit_start(self, trainer: pl.Trainer, pl_module: Training) -> None:
        """Drop rows written after the checkpoint, even where no epoch is left to train."""
        for seed in pl_module.seeds:
            self.records[seed].trim()

    def on_train_start(self, trainer: pl.Trainer, pl_module: Training) -> None:
        """Start the clock, and stop at once where every seed has ended."""
        records = [self.records[seed] for seed in pl_module.seeds]
        self.began = time.monotonic() - max(record.seconds for record in records)
        self.saved = -math.inf
        trainer.should_stop = all(record.ended() for record in records)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: Training) -> None:
        """Record the epoch of each seed, drop the seeds that have ended, write the checkpoint."""
        seconds = time.monotonic() - self.began
        for method, metrics in zip(pl_module.methods, pl_module.metrics(), strict=True):
            seed = method.config.seed
            self.records[seed].diverged = pl_module.diverged.get(seed)
            if seed not in pl_module.diverged:
                count = len(pl_module.methods)
                self.records[seed].add(trainer.global_step, metrics, seconds, count, method)
        remaining = [seed for seed in pl_module.seeds if not self.records[seed].ended()]
        left = remaining != pl_module.seeds
        if remaining and left:
            pl_module.select(remaining)
        trainer.should_stop = trainer.should_stop or not remaining
        over = trainer.should_stop or trainer.current_epoch + 1 == trainer.max_epochs
        since = seconds - self.saved
        due = left or over or since >= pl_module.config.trainer.checkpoint_seconds
        if trainer.strategy.broadcast(due):  # processes of one run save together
            for record in self.records.values():
                record.save_best()
            trainer.save_checkpoint(self.folder / LAST)
            self.saved = seconds
