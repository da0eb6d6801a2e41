"""MNIST's four original files, checked against their MD5, downloaded by torchvision."""

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torchvision.datasets import MNIST

from annealed.data.fetching import FAILURES, reason, scratch_in
from annealed.data.locations import corrupt, not_found
from annealed.data.reading import decompressed, find_file, read

# LeCun, Cortes, Burges: the uncompressed files
MD5 = {
    "train-images-idx3-ubyte": "6bbc9ace898e44ae57da46a324031adb",
    "train-labels-idx1-ubyte": "a25bea736e30d166cdddb491f175f624",
    "t10k-images-idx3-ubyte": "2646ac647ad5339dbf082846283269ea",
    "t10k-labels-idx1-ubyte": "27ae3e4e09519cfbb04c329615203637",
}
RAW = "MNIST/raw"  # where torchvision puts them
FOLDERS = (RAW, "MNIST", "mnist", "raw", ".")
HEADER = 16  # bytes before the pixels of the first image


def load(root: Path) -> tuple[Tensor, Tensor, Tensor]:
    """Grey uint8 images (N, 784): the first 50,000 to train, the last 10,000 to validate, the test.

    Files are read from one of FOLDERS below `root`, in any of `spellings`, and those that are not
    there are downloaded to RAW. Raises DataNotFound when they cannot be had and UsageError when one
    of them is corrupt or cannot be read.
    """
    places = {name: find_file(candidates(root, name)) for name in MD5}
    missing = [name for name, path in places.items() if path is None]
    if missing:
        _download(root, missing)
        places |= {name: root / RAW / name for name in missing}
    contents = {name: _checked(path, name) for name, path in places.items()}
    train, test = (_images(contents[f"{part}-images-idx3-ubyte"]) for part in ("train", "t10k"))
    return train[:50_000], train[50_000:], test


def spellings(name: str) -> Iterator[str]:
    """How copies of the file `name` are called: as at the source, or as on Kaggle."""
    dotted = name.replace("-idx", ".idx")
    for spelling in (name, dotted, f"{name}/{name}", f"{dotted}/{dotted}"):
        yield from (spelling, f"{spelling}.gz")


def candidates(root: Path, name: str) -> Iterator[Path]:
    """Where the file `name` may lie below `root`, the usual place first."""
    return (root / folder / spelling for folder in FOLDERS for spelling in spellings(name))


def _checked(path: Path, name: str) -> bytes:
    content = decompressed(path, read(path))
    if hashlib.md5(content, usedforsecurity=False).hexdigest() != MD5[name]:
        raise corrupt(path, f"({len(content)} bytes) is truncated or not MNIST's (MD5)")
    return content


def _images(content: bytes) -> Tensor:
    pixels = np.frombuffer(content, np.uint8, offset=HEADER)
    return torch.from_numpy(pixels.reshape(-1, 784).copy())


def _download(root: Path, missing: list[str]) -> None:
    """Fetch the files `missing` to root/RAW; a kill leaves no half file."""
    try:
        with scratch_in(root / RAW) as scratch:
            MNIST(scratch, train=True, download=True)
            for name in missing:
                os.replace(scratch / RAW / name, root / RAW / name)
    except FAILURES as error:
        files = "the four IDX files, .gz or not,"
        raise not_found("mnist", missing[0], root, RAW, reason(error), files) from None
