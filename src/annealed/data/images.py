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
from annealed.files import sha256

NAMES = ("mnist", "mnist_static", "digits")


class Images(NamedTuple):
    """A data set's splits, uint8 (N, X); validation and test are binarised to 0 and 255."""

    train: Tensor
    validation: Tensor
    test: Tensor

    def digest(self) -> str:
        """SHA-256 over all three splits, as scored and trained on."""
        return sha256(b"".join(split.numpy().tobytes() for split in self))


def load_images(name: str, root: str | None, seed: int) -> Images:
    """The data set `name` with validation and test binarised once, by the data seed alone.

    Raises DataNotFound where its files cannot be had and UsageError where one is corrupt.
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
    return Images(train, *fixed)


class EpochOrder(Sampler):
    """Batches of indices whose order is a pure function of (seed, epoch).

    `epoch` is asked when the first batch is drawn: Lightning makes the iterator of a resumed run
    before it calls `set_epoch`, and would replay the order of epoch 0.
    """

    def __init__(self, images: int, batch_size: int, seed: int, epoch: Callable[[], int]):
        self.images, self.batch_size, self.seed, self.epoch = images, batch_size, seed, epoch

    def __len__(self) -> int:
        return math.ceil(self.images / self.batch_size)

    def __iter__(self) -> Iterator[Tensor]:
        keyed = randomness.generator(self.seed, "order", self.epoch())
        yield from torch.randperm(self.images, generator=keyed).split(self.batch_size)


class Gather(Dataset):
    """Images of one split; indexed by a tensor of indices it gathers a whole batch."""

    def __init__(self, images: Tensor):
        self.images = images

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, indices: Tensor) -> Tensor:
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

    def __init__(self, images: Images, batch_size: int, seed: int, device: torch.device):
        super().__init__()
        self.images = Images(*(split.to(device) for split in images))
        self.batch_size, self.seed = batch_size, seed

    def train_dataloader(self) -> DataLoader:
        """Uint8 batches (B, X) in the order of (seed, epoch)."""
        images = len(self.images.train)
        order = EpochOrder(images, self.batch_size, self.seed, lambda: self.trainer.current_epoch)
        return DataLoader(Gather(self.images.train), sampler=order, batch_size=None)

    def val_dataloader(self) -> DataLoader:
        """Uint8 batches of the validation set, in order."""
        order = InOrder(len(self.images.validation), self.validation_batch)
        return DataLoader(Gather(self.images.validation), sampler=order, batch_size=None)
