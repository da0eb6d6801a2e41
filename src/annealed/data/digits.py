"""scikit-learn's bundled handwritten digits: 8 x 8 pixels, for machines without files or network.

Alpaydin & Kaynak (1998), "Optical Recognition of Handwritten Digits", UCI repository.
"""

import torch
from sklearn.datasets import load_digits
from torch import Tensor

from annealed.utils import randomness

VALIDATION = TEST = 250


def load(seed: int) -> tuple[Tensor, Tensor, Tensor]:
    """Grey uint8 images (N, 64): 1297 to train, 250 to validate, 250 to test.

    The bundled set is ordered by writer, so it is shuffled first by the data seed.
    """
    grey = torch.from_numpy(load_digits().data * (255.0 / 16.0)).round().to(torch.uint8)
    order = torch.randperm(len(grey), generator=randomness.generator(seed, "split"))
    grey = grey[order]
    train = len(grey) - VALIDATION - TEST
    return grey[:train], grey[train : train + VALIDATION], grey[train + VALIDATION :]
