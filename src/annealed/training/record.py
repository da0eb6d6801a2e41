"""The record of a run in training: metrics.csv, the best checkpoint, early stopping."""

import os
from pathlib import Path
from typing import Any

import pandas as pd
from torch import Tensor, nn

from annealed.config.schema import Config
from annealed.training.checkpoints import BEST, save
from annealed.utils.errors import UsageError
from annealed.utils.files import replace_text, write_errors_explained

METRICS = "metrics.csv"


class Record:
    """One run's record: a row of metrics an epoch, the best epoch, when patience is spent.

    Everything is decided from the validation bound at beta = 1.
    """

    state = ("epochs", "best_elbo", "best_epoch", "seconds", "share", "diverged", "sessions")
    state += ("metrics_from",)

    def __init__(
        self,
        folder: Path,
        config: Config,
        session: dict[str, Any],
        logger=None,
        writes: bool = True,
    ):
        self.folder, self.config, self.logger = folder, config, logger
        self.writes = writes  # false in a process that only trains beside the one that does
        self.epochs, self.best_elbo, self.best_epoch = 0, -float("inf"), -1
        self.metrics_from = 0  # the first epoch that metrics.csv has, where it was removed since
        # of training; the part of it that counts as this seed's, of those trained side by side
        self.seconds, self.share = 0.0, 0.0
        self.diverged: str | None = None  # the reason
        self.best: dict[str, Any] | None = None  # the best checkpoint while it is not on disk
        self.sessions = [session]  # provenance of every process that trained

    def state_dict(self) -> dict[str, Any]:
        """The state that a resumed run starts from, JSON-ready."""
        return {name: getattr(self, name) for name in self.state}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from `state_dict`; raises UsageError as `check_device` does."""
        (session,), earlier = self.sessions, state_dict["sessions"]
        check_device(self.folder, earlier[-1]["device_type"], session["device_type"])
        vars(self).update(state_dict)
        self.sessions = [*earlier, session]

    def add(
        self, step: int, metrics: dict[str, float], seconds: float, seeds: int, method: nn.Module
    ) -> None:
        """Record an epoch that ended at `step`; the weights of `method` are kept if it is best.

        `seconds` is the time since training began, `seeds` the number of seeds in training.
        """
        self.share += (seconds - self.seconds) / seeds
        epoch, self.seconds = self.epochs, seconds
        row = {"epoch": epoch, "step": step, **dict(sorted(metrics.items()))}
        better = metrics["val/elbo"] > self.best_elbo
        if better:
            self.best_elbo, self.best_epoch = metrics["val/elbo"], epoch
        self.epochs = epoch + 1
        if not self.writes:
            return
        self._append({**row, "seconds": round(seconds, 3)})
        if self.logger:
            self.logger.log_metrics(metrics, step)
        if better:
            self.best = {"epoch": epoch, "state_dict": _copied(method.state_dict())}

    def save_best(self) -> None:
        """Write the best checkpoint where it is newer than the one on disk."""
        if self.best:
            save(self.folder / BEST, self.best)
            self.best = None

    def ended(self) -> bool:
        """Whether training is over, for divergence or patience."""
        options = self.config.trainer
        since = max(self.best_epoch, options.warmup_epochs - 1)
        spent = options.patience > 0 and self.epochs - 1 - since >= options.patience
        return spent or self.diverged is not None

    def trim(self) -> None:
        """Drop rows of metrics beyond the epochs that are recorded.

        Where the file was removed the metrics begin here. Raises UsageError as `kept_rows` does.
        """
        path = self.folder / METRICS
        if not self.writes:
            return
        rows = kept_rows(path, self.metrics_from, self.epochs)
        if not rows:
            path.unlink(missing_ok=True)
            self.metrics_from = self.epochs
        else:
            replace_text(path, "".join(rows))

    def _append(self, row: dict[str, Any]) -> None:
        path = self.folder / METRICS
        line = pd.DataFrame([row]).to_csv(index=False, header=not path.exists())
        with (
            write_errors_explained(path, "the last checkpoint is kept"),
            open(path, "a", encoding="utf-8") as f,
        ):
            f.write(line)
            f.flush()
            os.fsync(f.fileno())  # a checkpoint, which is synced too, never has more epochs


def kept_rows(path: Path, first: int, epochs: int) -> list[str]:
    """The head of the metrics at `path` and their rows from epoch `first` up to `epochs` epochs.

    Empty without such rows where the file is gone, or was and has the epochs after them alone.
    Raises UsageError where it is there and lacks one of them.
    """
    if not path.exists():
        return []
    head, *lines = path.read_text(encoding="utf-8").splitlines(True) or [""]
    names = [line.partition(",")[0] for line in lines]
    if names[:1] == [str(epochs)] or first == epochs:
        return []
    rows = [line for line in lines[: epochs - first] if line.endswith("\n")]
    if names[: len(rows)] != list(map(str, range(first, epochs))):
        raise UsageError(
            f"{path} lacks an epoch of the {epochs} that the checkpoint has; put it back, "
            "or remove it to go on without the metrics of these epochs."
        )
    return [head, *rows]


def check_record(folder: Path, state: dict[str, Any], device: str) -> None:
    """Raise UsageError where the run in `folder` cannot go on from a record's `state` on `device`.

    Nothing is changed; see `check_device` and `kept_rows`.
    """
    check_device(folder, state["sessions"][-1]["device_type"], device)
    kept_rows(folder / METRICS, state.get("metrics_from", 0), state["epochs"])


def check_device(folder: Path, earlier: str, now: str) -> None:
    """Raise UsageError where a run was trained on another kind of device than `now`.

    CPU and GPU draw different numbers, so the run would be neither the one nor the other.
    """
    if earlier != now:
        raise UsageError(
            f"{folder} was trained on {earlier} and cannot go on on {now}; choose the device with "
            "trainer.accelerator."
        )


def _copied(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Copies, since a slice of a stack would be saved with the whole stack."""
    return {name: value.clone() for name, value in state.items()}


def read_metrics(folder: Path) -> pd.DataFrame:
    """The metrics of a run, one row an epoch."""
    return pd.read_csv(folder / METRICS)
