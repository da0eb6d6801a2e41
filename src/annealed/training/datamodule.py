"""Images as a LightningDataModule: uint8 in one tensor, a batch is one gather."""

import math
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytorch_lightning as pl
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from annealed.data.images import Images
from annealed.utils import randomness

RESIDENT = 1 / 8  # of a GPU's memory


class EpochOrder(Sampler):
    """Batches of indices whose order is a pure function of (seed, epoch), a few at a time.

    Each item is a list of up to `steps` batches of indices (R, B), one row a seed. `seeds` and
    `epoch` are called when the first batch is drawn: Lightning makes the iterator of a resumed run
    before it calls `set_epoch`, and would replay the order of epoch 0.
    """

    def __init__(
        self,
        images: int,
        batch_size: int,
        steps: int,
        seeds: Callable[[], list[int]],
        epoch: Callable[[], int],
    ):
        self.images, self.batch_size, self.steps = images, batch_size, steps
        self.seeds, self.epoch = seeds, epoch

    def __len__(self) -> int:
        return math.ceil(math.ceil(self.images / self.batch_size) / self.steps)

    def __iter__(self) -> Iterator[list[Tensor]]:
        epoch = self.epoch()
        generators = [randomness.generator(seed, "order", epoch) for seed in self.seeds()]
        orders = torch.stack([torch.randperm(self.images, generator=g) for g in generators])
        batches = orders.split(self.batch_size, dim=1)
        for first in range(0, len(batches), self.steps):
            yield list(batches[first : first + self.steps])


class Gather(Dataset):
    """Images of one split; a tensor of indices gathers a batch on `device`, a list of them a list.

    The gather is where the images are: on the device, or on the CPU in a file's mapping.
    """

    def __init__(self, images: Tensor, device: torch.device):
        self.images, self.device = images, device

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, indices: Tensor | list[Tensor]) -> Tensor | list[Tensor]:
        if isinstance(indices, list):
            return [self[batch] for batch in indices]
        return self.images[indices.to(self.images.device)].to(self.device)


class InOrder(Sampler):
    """Batches of consecutive indices, for validation."""

    def __init__(self, images: int, batch_size: int):
        self.batches = torch.arange(images).split(batch_size)

    def __len__(self) -> int:
        return len(self.batches)

    def __iter__(self) -> Iterator[Tensor]:
        return iter(self.batches)


def resident(images: Images, device: torch.device) -> bool:
    """Whether the images trained on are to lie on `device` as a whole, or be moved by the batch.

    A GPU holds those that take at most RESIDENT of its memory; the numbers are the same.
    """
    if device.type != "cuda":
        return True
    size = images.train.numel() + images.validation.numel()
    return size <= RESIDENT * torch.cuda.get_device_properties(device).total_memory


class ImageData(pl.LightningDataModule):
    """Batches on the device of training; the training set is grey, or already binary."""

    validation_values = 784_000  # of a batch; no more than 1000 images

    def __init__(self, images: Images, batch_size: int, steps_per_call: int, device: torch.device):
        super().__init__()
        home = device if resident(images, device) else torch.device("cpu")
        train, validation = images.train.to(home), images.validation.to(home)
        self.images = replace(images, train=train, validation=validation)
        self.batch_size, self.steps_per_call, self.device = batch_size, steps_per_call, device

    @property
    def steps_an_epoch(self) -> int:
        """Optimiser steps in an epoch."""
        return math.ceil(len(self.images.train) / self.batch_size)

    def train_dataloader(self) -> DataLoader:
        """Lists of uint8 batches (R, B, X) in the order of (seed, epoch) for each seed."""
        order = EpochOrder(
            len(self.images.train),
            self.batch_size,
            self.steps_per_call,
            lambda: self.trainer.lightning_module.seeds,
            lambda: self.trainer.current_epoch,
        )
        return DataLoader(Gather(self.images.train, self.device), sampler=order, batch_size=None)

    def val_dataloader(self) -> DataLoader:
        """Uint8 batches of the validation set, in order."""
        count, values = self.images.validation.shape
        order = InOrder(count, min(1000, self.validation_values // values))
        return DataLoader(
            Gather(self.images.validation, self.device), sampler=order, batch_size=None
        )
