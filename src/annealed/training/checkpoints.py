"""Checkpoints: written whole or not at all, marked as this package's, read with weights_only."""

import io
import os
import pickle
import sys
import zipfile
from pathlib import Path
from typing import Any

import torch

from annealed.utils.errors import UsageError
from annealed.utils.files import replace

BEST, LAST = "best.ckpt", "last.ckpt"
PREVIOUS = "last.previous.ckpt"  # the last checkpoint of the epoch before
MARK = "annealed"  # the key of a checkpoint that this package wrote


class Damaged(UsageError):
    """A checkpoint that is not whole."""


def save(path: Path, checkpoint: dict[str, Any], previous: Path | None = None) -> None:
    """Write `checkpoint`, with MARK, whole or not at all; the old one becomes `previous`."""
    content = io.BytesIO()  # torch's writer hides why a write failed
    torch.save({**checkpoint, MARK: 1}, content)
    replace(path, lambda f: f.write(content.getbuffer()), previous)


def recover(folder: Path) -> dict[str, Any] | None:
    """The last checkpoint in `folder`, or None where there is none.

    Where it is damaged or gone the one before it takes its place, and a line says so. Raises
    UsageError where both are.
    """
    last, previous = folder / LAST, folder / PREVIOUS
    if not last.exists() and not previous.exists():
        return None
    try:
        return load(last)
    except Damaged:
        if not previous.exists():
            raise
        checkpoint = load(previous)
        print(f"{last} is damaged or gone: going on from the epoch before it", file=sys.stderr)
        os.replace(previous, last)
        return checkpoint


def recorded(checkpoint: dict[str, Any] | None) -> dict[str, dict[str, Any]]:
    """The state of each record in a last checkpoint, by seed; empty where there is none."""
    return (checkpoint or {}).get("callbacks", {}).get("Recorder", {})


def load(path: Path, map_location="cpu") -> dict[str, Any]:
    """A checkpoint of this package; raises UsageError with one sentence otherwise."""
    try:
        content = io.BytesIO(path.read_bytes())
    except FileNotFoundError:
        raise Damaged(f"{path} does not exist; has the run trained for an epoch?") from None
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}.") from None
    if not zipfile.is_zipfile(content):
        raise Damaged(f"{path} is not a readable checkpoint (truncated or foreign).")
    content.seek(0)
    try:
        checkpoint = torch.load(content, map_location=map_location, weights_only=True)
    except pickle.UnpicklingError:
        raise UsageError(
            f"{path} is not a readable checkpoint: it holds code or objects, which are not loaded."
        ) from None
    except Exception:  # broken bytes raise anything: there is no common class
        raise Damaged(f"{path} is not a readable checkpoint (truncated or foreign).") from None
    if not isinstance(checkpoint, dict) or not {MARK, "state_dict"} <= checkpoint.keys():
        raise UsageError(f"{path} was not written by annealed.fit; name a run folder of its own.")
    return checkpoint


def load_weights(module: torch.nn.Module, path: Path) -> dict[str, Any]:
    """Put the weights at `path` into `module`; raises UsageError where they do not fit."""
    checkpoint = load(path)
    try:
        module.load_state_dict(checkpoint["state_dict"])
    except (RuntimeError, TypeError, AttributeError):
        raise UsageError(
            f"{path} holds the weights of another model than the configuration beside it describes."
        ) from None
    return checkpoint
