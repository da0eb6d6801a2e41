"""Batches for a target without an x, as a LightningDataModule: a constant, once a path."""

from collections.abc import Callable

import pytorch_lightning as pl
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

VALIDATION_BATCH = 1000  # paths validated together
WHITE = 255  # x is 1.0 as the pixels of images are level / 255


class ConstantBatches(Dataset):
    """An epoch of lists of batches (R, B, 1), one a step, at most `steps_an_item` in a list.

    `replicas` is asked for R at every item, since replicas leave in training.
    """

    def __init__(
        self,
        batch_size: int,
        steps: int,
        steps_an_item: int,
        device: torch.device,
        replicas: Callable[[], int],
    ):
        self.starts, self.steps = range(0, steps, steps_an_item), steps
        self.steps_an_item = steps_an_item
        self.batch = torch.full((1, batch_size, 1), WHITE, dtype=torch.uint8, device=device)
        self.replicas = replicas

    def __len__(self) -> int:
        return len(self.starts)

    def __getitem__(self, index: int) -> list[Tensor]:
        count = min(self.steps_an_item, self.steps - self.starts[index])
        return [self.batch.expand(self.replicas(), -1, -1)] * count


class EnergyData(pl.LightningDataModule):
    """Batches for an energy: `batch_size` paths a step, `steps_an_epoch` steps, then validation.

    It yields what `ImageData` does, with one white pixel for an image.
    """

    def __init__(
        self,
        batch_size: int,
        steps_an_epoch: int,
        validation_paths: int,
        steps_per_call: int,
        device: torch.device,
    ):
        super().__init__()
        self.batch_size, self.steps_an_epoch = batch_size, steps_an_epoch
        self.validation_paths, self.steps_per_call = validation_paths, steps_per_call
        self.device = device

    def train_dataloader(self) -> DataLoader:
        """Lists of uint8 batches (R, B, 1)."""
        epoch = ConstantBatches(
            self.batch_size,
            self.steps_an_epoch,
            self.steps_per_call,
            self.device,
            lambda: len(self.trainer.lightning_module.seeds),
        )
        return DataLoader(epoch, batch_size=None)

    def val_dataloader(self) -> DataLoader:
        """Uint8 batches (B, 1), `validation_paths` in all."""
        shape = (self.validation_paths, 1)
        ones = torch.full(shape, WHITE, dtype=torch.uint8, device=self.device)
        return DataLoader(list(ones.split(VALIDATION_BATCH)), batch_size=None)
