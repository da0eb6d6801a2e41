"""A data set's three splits as uint8 tensors."""

import hashlib
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from annealed.data import celeba, digits, mnist, mnist_static
from annealed.data.locations import data_root
from annealed.utils import randomness
from annealed.utils.arrays import index_of_part
from annealed.utils.errors import UsageError

SPLITS = ("train", "validation", "test")


@dataclass(frozen=True, eq=False)
class Images:
    """A data set's splits, uint8 (N, X); X is C * H * W in that order.

    With 2 `levels` validation and test are binarised to 0 and 255, and training binarises its grey
    images afresh at every step; with 256 images are used as they are. `recorded` is the digest
    where the data's cache has it. `sorted_splits` are sorted by class.
    """

    train: Tensor
    validation: Tensor
    test: Tensor
    shape: tuple[int, int, int]  # C, H, W
    levels: int = 2
    recorded: str | None = None
    sorted_splits: tuple[str, ...] = ()

    def __iter__(self) -> Iterator[Tensor]:
        return iter((self.train, self.validation, self.test))

    def held_out(self, name: str) -> Tensor:
        """The split `name`, validation or test."""
        return getattr(self, name)

    def part(self, name: str, count: int) -> Tensor:
        """`count` images of the split `name` that stand for it, all where there are fewer."""
        split = self.held_out(name)
        return split[index_of_part(count, len(split), self.spaced(name, count))]

    def spaced(self, name: str, count: int) -> bool:
        """Whether `part` takes them evenly spaced, and not the first."""
        return name in self.sorted_splits and count < len(self.held_out(name))

    def digest(self) -> str:
        """SHA-256 over all three splits, as scored and trained on."""
        if self.recorded:
            return self.recorded
        digest = hashlib.sha256()
        for split in self:
            digest.update(split.numpy().data)
        return digest.hexdigest()


def load_images(
    name: str,
    root: str | None,
    seed: int,
    limit: int | None = None,
    size: int = 64,
    held_out_limit: int | None = None,
) -> Images:
    """The data set `name`; validation and test are binarised once, by the data seed alone.

    With `limit` its training set is the first so many images; with `held_out_limit` validation and
    test are so many, as of `Images.part`. CelebA has `size` x `size` pixels, keeps its 256 levels
    and is mapped from its cache, not read. Raises DataNotFound where files cannot be had and
    UsageError where one is corrupt or a limit is more than there are.
    """
    if name == "celeba":
        splits, digest = celeba.load(data_root(root), size)
        return _limited(Images(*splits, (3, size, size), 256, digest), name, limit, held_out_limit)
    if name == "digits":
        splits = digits.load(seed)
    else:
        splits = {"mnist": mnist, "mnist_static": mnist_static}[name].load(data_root(root))
    train, *held_out = (split.contiguous() for split in splits)
    binarised = [
        (255 * randomness.binarise(grey, randomness.uniform(grey.shape, seed, "held_out", i))).to(
            torch.uint8
        )
        for i, grey in enumerate(held_out)
    ]
    side = math.isqrt(train.shape[1])
    ordered = mnist_static.SORTED if name == "mnist_static" else ()
    images = Images(train, *binarised, (1, side, side), sorted_splits=ordered)
    return _limited(images, name, limit, held_out_limit)


def _limited(images: Images, name: str, train: int | None, held_out: int | None) -> Images:
    """`images` with so many to train on and held out; UsageError where there are fewer."""
    available = {
        "train_images": len(images.train),
        "held_out_images": min(len(images.validation), len(images.test)),
    }
    for key, limit in zip(available, (train, held_out), strict=True):
        if limit is not None and limit > available[key]:
            raise UsageError(
                f"data.{key} is {limit}; accepted: null, or 1 to the {available[key]} of {name}."
            )
    parts = {} if train is None else {"train": images.train[:train]}
    if held_out is not None:
        parts |= {split: images.part(split, held_out) for split in SPLITS[1:]}
    complete = all(len(part) == len(images.held_out(split)) for split, part in parts.items())
    return replace(images, **parts, recorded=images.recorded if complete else None)
