"""MNIST through torchvision, with the four original files checked against their MD5."""

import hashlib
import os
import tempfile
from pathlib import Path

from torch import Tensor
from torchvision.datasets import MNIST
from torchvision.datasets.mnist import read_image_file

from annealed.data.locations import corrupt, not_found

# LeCun, Cortes, Burges: the uncompressed files
MD5 = {
    "train-images-idx3-ubyte": "6bbc9ace898e44ae57da46a324031adb",
    "train-labels-idx1-ubyte": "a25bea736e30d166cdddb491f175f624",
    "t10k-images-idx3-ubyte": "2646ac647ad5339dbf082846283269ea",
    "t10k-labels-idx1-ubyte": "27ae3e4e09519cfbb04c329615203637",
}


def load(root: Path) -> tuple[Tensor, Tensor, Tensor]:
    """Grey uint8 images (N, 784): the first 50,000 to train, the last 10,000 to validate, the test.

    Files are read from root/MNIST/raw, and downloaded there when none is present. Raises
    DataNotFound when they cannot be had and UsageError when one of them is corrupt.
    """
    raw = root / "MNIST" / "raw"
    missing = [name for name in MD5 if not (raw / name).is_file()]
    if missing:
        _download(root, raw, missing[0])
    for name, expected in MD5.items():
        content = (raw / name).read_bytes()
        if hashlib.md5(content, usedforsecurity=False).hexdigest() != expected:
            raise corrupt(raw / name, f"({len(content)} bytes) is truncated or not MNIST's (MD5)")
    # not MNIST(root): it prefers a legacy processed/*.pt over the files just checked
    train = read_image_file(raw / "train-images-idx3-ubyte").reshape(-1, 784)
    test = read_image_file(raw / "t10k-images-idx3-ubyte").reshape(-1, 784)
    return train[:50_000], train[50_000:], test


def _download(root: Path, raw: Path, missing: str) -> None:
    """Fetch into a folder beside `raw` and move whole files over: a kill leaves no half file."""
    try:
        raw.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=root) as scratch:
            MNIST(scratch, train=True, download=True)
            for name in MD5:
                os.replace(Path(scratch) / "MNIST" / "raw" / name, raw / name)
    except (OSError, RuntimeError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise not_found("mnist", missing, raw, reason) from None
