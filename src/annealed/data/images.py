"""Images as a LightningDataModule: uint8 in one tensor, a batch is one gather."""

import hashlib
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import pytorch_lightning as pl
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from annealed import randomness
from annealed.data import celeba, digits, mnist, mnist_static
from annealed.data.sources import data_root
from annealed.errors import UsageError

SPLITS = ("train", "validation", "test")
RESIDENT = 1 / 8  # of a GPU's memory


@dataclass(frozen=True, eq=False)
class Images:
    """A data set's splits, uint8 (N, X); X is C * H * W in that order.

    With 2 `levels` validation and test are binarised to 0 and 255, and training binarises its grey
    images afresh at every step; with 256 every image is what it is. `recorded` is the digest where
    the data's cache keeps it.
    """

    train: Tensor
    validation: Tensor
    test: Tensor
    shape: tuple[int, int, int]  # C, H, W
    levels: int = 2
    recorded: str | None = None

    def __iter__(self) -> Iterator[Tensor]:
        return iter((self.train, self.validation, self.test))

    def held_out(self, name: str) -> Tensor:
        """The split `name`, validation or test."""
        return getattr(self, name)

    def digest(self) -> str:
        """SHA-256 over all three splits, as scored and trained on."""
        if self.recorded:
            return self.recorded
        found = hashlib.sha256()
        for split in self:
            found.update(split.numpy().data)
        return found.hexdigest()


def load_images(
    name: str,
    root: str | None,
    seed: int,
    limit: int | None = None,
    size: int = 64,
    held_out_limit: int | None = None,
) -> Images:
    """The data set `name`; validation and test are binarised once, by the data seed alone.

    With `limit` its training set is the first so many images, with `held_out_limit` validation and
    test are. CelebA has `size` x `size` pixels, keeps its 256 levels and is mapped from its cache,
    not read. Raises DataNotFound where files cannot be had and UsageError where one is corrupt or a
    limit is more than there are.
    """
    if name == "celeba":
        splits, digest = celeba.load(data_root(root), size)
        cut = _first(name, splits, limit, held_out_limit)
        whole = all(len(a) == len(b) for a, b in zip(cut, splits, strict=True))
        return Images(*cut, (3, size, size), 256, digest if whole else None)
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
    side = math.isqrt(train.shape[1])
    splits = _first(name, [train, *fixed], limit, held_out_limit)
    return Images(*splits, (1, side, side))


def _first(
    name: str, splits: Sequence[Tensor], train: int | None, held_out: int | None
) -> list[Tensor]:
    """The first `train` and `held_out` images of the splits; UsageError where there are fewer."""
    limits = {"train_images": train, "held_out_images": held_out}
    most = {"train_images": len(splits[0]), "held_out_images": min(map(len, splits[1:]))}
    for key, limit in limits.items():
        if limit is not None and limit > most[key]:
            raise UsageError(
                f"data.{key} is {limit}; accepted: null, or 1 to the {most[key]} of {name}."
            )
    return [splits[0][:train], *(split[:held_out] for split in splits[1:])]


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
    """Images of one split; a tensor of indices gathers a batch on `device`, a list of them a list.

    The gather is where the images are: on the device, or on the CPU in a file's mapping.
    """

    def __init__(self, images: Tensor, device: torch.device):
        self.images, self.device = images, device

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, indices: Tensor | list[Tensor]) -> Tensor | list[Tensor]:
        if isinstance(indices, list):
            return [self[one] for one in indices]
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
        place = device if resident(images, device) else torch.device("cpu")
        moved = images.train.to(place), images.validation.to(place)
        self.images = replace(images, train=moved[0], validation=moved[1])
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
