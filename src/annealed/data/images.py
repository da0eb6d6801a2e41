"""Binarised images as a LightningDataModule: uint8 in one tensor, a batch is one gather."""

import math
from collections.abc import Callable, Iterator
from typing import NamedTuple

import pytorch_lightning as pl
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from annealed import randomness
from annealed.data import digits, mnist, mnist_static
from annealed.data.sources import data_root
from annealed.errors import UsageError
from annealed.files import sha256

NAMES = ("mnist", "mnist_static", "digits")


class Images(NamedTuple):
    """A data set's splits, uint8 (N, X); validation and test are binarised to 0 and 255."""

    train: Tensor
    validation: Tensor
    test: Tensor

    def held_out(self, name: str) -> Tensor:
        """The split `name`, validation or test."""
        return getattr(self, name)

    def digest(self) -> str:
        """SHA-256 over all three splits, as scored and trained on."""
        return sha256(b"".join(split.numpy().tobytes() for split in self))


def load_images(name: str, root: str | None, seed: int, limit: int | None = None) -> Images:
    """The data set `name` with validation and test binarised once, by the data seed alone.

    With `limit` its training set is the first so many images. Raises DataNotFound where its files
    cannot be had and UsageError where one is corrupt or `limit` is more than there are.
    """
    if name == "digits":
        splits = digits.load(seed)
    else:
        splits = {"mnist": mnist, "mnist_static": mnist_static}[name].load(data_root(root))
    train, *held_out = (split.contiguous() for split in splits)
    fixed = [
        (255 * randomness.binarise(grey, randomness.uniform(grey.shape, seed, "held_out", i))).to(
            torch.uint8
        )
        for i, grey in enumerate(held_out)
    ]
    if limit is not None and limit > len(train):
        raise UsageError(
            f"data.train_images is {limit}; accepted: null, or 1 to the {len(train)} of {name}."
        )
    return Images(train[:limit], *fixed)


class EpochOrder(Sampler):
    """Batches of indices whose order is a pure function of (seed, epoch), a few at a time.

    Each item is a list of up to `steps` batches of indices (R, B), one row a seed. `seeds` and
    `epoch` are asked when the first batch is drawn: Lightning makes the iterator of a resumed run
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
        keyed = [randomness.generator(seed, "order", epoch) for seed in self.seeds()]
        orders = torch.stack([torch.randperm(self.images, generator=g) for g in keyed])
        batches = orders.split(self.batch_size, dim=1)
        for first in range(0, len(batches), self.steps):
            yield list(batches[first : first + self.steps])


class Gather(Dataset):
    """Images of one split; a tensor of indices gathers a batch, a list of them a list."""

    def __init__(self, images: Tensor):
        self.images = images

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, indices: Tensor | list[Tensor]) -> Tensor | list[Tensor]:
        if isinstance(indices, list):
            return [self[one] for one in indices]
        return self.images[indices.to(self.images.device)]


class InOrder(Sampler):
    """Batches of consecutive indices, for validation."""

    def __init__(self, images: int, batch_size: int):
        self.batches = torch.arange(images).split(batch_size)

    def __len__(self) -> int:
        return len(self.batches)

    def __iter__(self) -> Iterator[Tensor]:
        return iter(self.batches)


class ImageData(pl.LightningDataModule):
    """Images on the device of training; the training set is grey, or already binary."""

    validation_batch = 1000

    def __init__(self, images: Images, batch_size: int, steps_per_call: int, device: torch.device):
        super().__init__()
        self.images = Images(*(split.to(device) for split in images))
        self.batch_size, self.steps_per_call = batch_size, steps_per_call

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
        return DataLoader(Gather(self.images.train), sampler=order, batch_size=None)

    def val_dataloader(self) -> DataLoader:
        """Uint8 batches of the validation set, in order."""
        order = InOrder(len(self.images.validation), self.validation_batch)
        return DataLoader(Gather(self.images.validation), sampler=order, batch_size=None)
