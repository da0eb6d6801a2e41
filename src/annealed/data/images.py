"""A data set's three splits as uint8 tensors."""

import hashlib
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from annealed.data import celeba, digits, mnist, mnist_static
from annealed.data.locations import data_root
from annealed.utils import randomness
from annealed.utils.errors import UsageError

SPLITS = ("train", "validation", "test")


@dataclass(frozen=True, eq=False)
class Images:
    """A data set's splits, uint8 (N, X); X is C * H * W in that order.

    With 2 `levels` validation and test are binarised to 0 and 255, and training binarises its grey
    images afresh at every step; with 256 images are used as they are. `recorded` is the digest
    where the data's cache has it.
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

    With `limit` its training set is the first so many images, with `held_out_limit` validation and
    test are. CelebA has `size` x `size` pixels, keeps its 256 levels and is mapped from its cache,
    not read. Raises DataNotFound where files cannot be had and UsageError where one is corrupt or a
    limit is more than there are.
    """
    if name == "celeba":
        splits, digest = celeba.load(data_root(root), size)
        limited = _first(name, splits, limit, held_out_limit)
        complete = all(len(a) == len(b) for a, b in zip(limited, splits, strict=True))
        return Images(*limited, (3, size, size), 256, digest if complete else None)
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
    splits = _first(name, [train, *binarised], limit, held_out_limit)
    return Images(*splits, (1, side, side))


def _first(
    name: str, splits: Sequence[Tensor], train: int | None, held_out: int | None
) -> list[Tensor]:
    """The first `train` and `held_out` images of the splits; UsageError where there are fewer."""
    limits = {"train_images": train, "held_out_images": held_out}
    available = {"train_images": len(splits[0]), "held_out_images": min(map(len, splits[1:]))}
    for key, limit in limits.items():
        if limit is not None and limit > available[key]:
            raise UsageError(
                f"data.{key} is {limit}; accepted: null, or 1 to the {available[key]} of {name}."
            )
    return [splits[0][:train], *(split[:held_out] for split in splits[1:])]
