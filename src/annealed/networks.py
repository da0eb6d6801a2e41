"""Networks: the gated dense stack of the protocol."""

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
