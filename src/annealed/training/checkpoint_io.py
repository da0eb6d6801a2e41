"""Checkpoints as Lightning writes and reads them: by `checkpoints`."""

from pathlib import Path
from typing import Any

from lightning_fabric.plugins import TorchCheckpointIO

from annealed.training import checkpoints


class AtomicCheckpointIO(TorchCheckpointIO):
    """Lightning's checkpoints through a temporary file and a rename, read with weights_only.

    `checkpoint` is the one to go on from, where it has been read already.
    """

    def __init__(self, checkpoint: dict[str, Any] | None = None):
        super().__init__()
        self.checkpoint = checkpoint

    def save_checkpoint(self, checkpoint: dict[str, Any], path, storage_options=None) -> None:
        """Write `checkpoint` whole or not at all; the one before it stays beside it as PREVIOUS."""
        checkpoints.save(Path(path), checkpoint, Path(path).with_name(checkpoints.PREVIOUS))

    def load_checkpoint(self, path, map_location=None, weights_only=True) -> dict[str, Any]:
        """The checkpoint at `path`; raises UsageError where it is unreadable or foreign."""
        checkpoint, self.checkpoint = self.checkpoint, None
        return checkpoint or checkpoints.load(Path(path), map_location or "cpu")
