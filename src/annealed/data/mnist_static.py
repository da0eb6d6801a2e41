"""Statically binarised MNIST (Larochelle & Murray 2011), read from its .amat text files."""

import io
import os
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torchvision.datasets.utils import download_url

from annealed.data.fetching import FAILURES, reason, scratch_in
from annealed.data.locations import cache_root, corrupt, not_found
from annealed.data.reading import decompressed, find_file, read
from annealed.utils.errors import UsageError
from annealed.utils.files import replace, sha256

ADDRESS = "http://www.cs.toronto.edu/~larocheh/public/datasets/binarized_mnist/"
FOLDER = "binarized_mnist"
SPLITS = {"train": 50_000, "valid": 10_000, "test": 10_000}
SORTED = ("test",)  # by digit, in the copy that was used; training and validation images are mixed
# SHA-256 of the packed images, sorted: the same for any order and any spelling of the text
DIGESTS = {
    "train": "aae6de292e6b68d898acf52062a1ac62907fc7ab417c59582d6523a1da0f9a61",
    "valid": "d10b4edf2e0765693846b51a5895f81f69fa37b6459b7f665bfa9c8cc9723622",
    "test": "87ff96664646cc41575aeb3ae4fbbabc1475ca3d42be4659d7a829d9f22c845a",
}


def load(root: Path) -> tuple[Tensor, Tensor, Tensor]:
    """Images (N, 784), uint8 of 0 and 255, to train, validate and test.

    Reads binarized_mnist_{train,valid,test}.amat or .amat.gz in FOLDER below `root`, or in `root`,
    and caches each as packed bits in the user's cache folder, if there is one. Raises DataNotFound
    where a file cannot be had, UsageError where one is corrupt or cannot be read.
    """
    return tuple(_split(root, split) for split in SPLITS)


def _split(root: Path, split: str) -> Tensor:
    source = _source(root, split)
    content = read(source)
    name = f"{split}-{sha256(content)[:16]}.npy"
    packed = _read_cache(name, split)
    if packed is None:
        packed = _packed(source, content, split)
        _write_cache(name, packed)
    return torch.from_numpy(np.unpackbits(packed, axis=1) * np.uint8(255))


def _packed(path: Path, content: bytes, split: str) -> np.ndarray:
    packed = parse(path, content, SPLITS[split])
    if digest(packed) != DIGESTS[split]:
        raise corrupt(path, "is not the static binarisation of MNIST (SHA-256)")
    return packed


def _source(root: Path, split: str) -> Path:
    name = f"binarized_mnist_{split}.amat"
    folders = (root / FOLDER, root)
    place = find_file(folder / f"{name}{end}" for folder in folders for end in ("", ".gz"))
    if place:
        return place
    target = root / FOLDER / name
    try:
        with scratch_in(target.parent) as scratch:
            download_url(ADDRESS + name, str(scratch), name)
            _check_download(scratch / name, split)
            os.replace(scratch / name, target)
    except FAILURES as error:
        raise not_found("mnist_static", f"{name}[.gz]", root, FOLDER, reason(error)) from None
    return target


def _check_download(path: Path, split: str) -> None:
    """Raise RuntimeError for what is cut or another page: no server says how the file should be."""
    try:
        _packed(path, read(path), split)
    except UsageError:
        raise RuntimeError(f"{ADDRESS}{path.name} is cut off or something else") from None


def parse(path: Path, content: bytes, images: int) -> np.ndarray:
    """Text of 0s and 1s, 784 a line, gzip-compressed or not -> packed bits (images, 98)."""
    text = decompressed(path, content)
    symbols = np.frombuffer(text, dtype=np.uint8)
    pixels = symbols[symbols > ord(" ")]
    if len(pixels) != images * 784:
        raise corrupt(path, f"has {len(pixels)} pixels where {images} x 784 are expected")
    if not np.isin(pixels, (ord("0"), ord("1"))).all():
        raise corrupt(path, "has symbols other than 0 and 1")
    return np.packbits((pixels == ord("1")).reshape(images, 784), axis=1)


def digest(packed: np.ndarray) -> str:
    """SHA-256 of the packed images in sorted order."""
    rows = np.ascontiguousarray(packed).view(f"S{packed.shape[1]}").ravel()
    return sha256(np.sort(rows).tobytes())


def _cached(name: str) -> Path:
    return cache_root() / "mnist_static" / name


def _read_cache(name: str, split: str) -> np.ndarray | None:
    """The cached bits, or None where there are none or they are not what they should be."""
    try:
        packed = np.load(io.BytesIO(_cached(name).read_bytes()), allow_pickle=False)
    except (OSError, UsageError, ValueError, EOFError):
        return None
    return packed if packed.ndim == 2 and digest(packed) == DIGESTS[split] else None


def _write_cache(name: str, packed: np.ndarray) -> None:
    """Write the bits where a cache can be written; without it the next run parses again."""
    try:
        _cached(name).parent.mkdir(parents=True, exist_ok=True)
        replace(_cached(name), lambda f: np.save(f, packed))
    except (OSError, UsageError):
        return
