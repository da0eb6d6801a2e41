"""Networks: the gated dense stack of the protocol; the shape that a flat image has."""

import math
from itertools import pairwise

from torch import Tensor, nn
from torch.nn import functional as F


class GatedDense(nn.Module):
    """(W x + b) * sigmoid(V x + c), as one product (Dauphin et al. 2016, arXiv 1612.08083)."""

    def __init__(self, features_in: int, features_out: int):
        super().__init__()
        self.linear = nn.Linear(features_in, 2 * features_out)

    def forward(self, x: Tensor) -> Tensor:
        """(..., features_in) -> (..., features_out)."""
        return F.glu(self.linear(x), dim=-1)


def gated_mlp(features_in: int, hidden: int, layers: int = 2) -> nn.Sequential:
    """`layers` gated dense layers of `hidden` units (Tomczak & Welling 2016, arXiv 1611.09630)."""
    sizes = [features_in] + [hidden] * layers
    return nn.Sequential(*(GatedDense(a, b) for a, b in pairwise(sizes)))


def image_shape(values: int) -> tuple[int, int, int]:
    """(C, H, W) of a square image of `values` numbers, grey or of three channels.

    No number is both a square and three times one. Raises ValueError where it is neither.
    """
    for channels in (1, 3):
        side = math.isqrt(values // channels)
        if channels * side**2 == values:
            return channels, side, side
    raise ValueError(f"{values} values are no square image of one or three channels")
