"""Gaussian kernels of stochastic transitions: z and a context to the law of the next z."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from annealed.inference.normal import Normal


class GatedKernel(nn.Module):
    """A Gaussian around a gated mix of z and a proposed mean; starts near the identity.

    h = elu(W [z, context] + b);  mean = g * m(h) + (1 - g) * z with g = sigmoid(W_g h + gate_bias);
    scale = softplus(W_s h + b_s), where b_s starts such that softplus(b_s) = sigma.
    """

    def __init__(self, dim: int, context: int, hidden: int, sigma: float, gate_bias: float):
        super().__init__()
        self.from_z = nn.Linear(dim, hidden)
        self.from_context = nn.Linear(context, hidden, bias=False)
        self.heads = nn.Linear(hidden, 3 * dim)
        with torch.no_grad():
            self.heads.bias[dim : 2 * dim].fill_(gate_bias)
            self.heads.bias[2 * dim :].fill_(inverse_softplus(sigma))

    def forward(self, z: Tensor, context: Tensor) -> Normal:
        """z (S, B, D), context (B, H) -> the kernel at each of the S * B points."""
        hidden = F.elu(self.from_z(z) + self.from_context(context))
        proposal, gate, scale = self.heads(hidden).chunk(3, dim=-1)
        gate = torch.sigmoid(gate)
        return Normal(z + gate * (proposal - z), F.softplus(scale) + 1e-6)


class ResidualKernel(nn.Module):
    """A Gaussian around z plus a layer's output, which starts at zero: at first N(z, sigma^2 I).

    h = relu(W [z, context] + b);  mean = z + W_m h + b_m;  scale = softplus(W_s h + b_s), where all
    of W_m, b_m and W_s start at 0 and softplus(b_s) at sigma.
    """

    def __init__(self, dim: int, context: int, hidden: int, sigma: float):
        super().__init__()
        self.from_z = nn.Linear(dim, hidden)
        self.from_context = nn.Linear(context, hidden, bias=False)
        self.heads = nn.Linear(hidden, 2 * dim)
        with torch.no_grad():
            self.heads.weight.zero_()
            self.heads.bias[:dim].zero_()
            self.heads.bias[dim:].fill_(inverse_softplus(sigma))

    def forward(self, z: Tensor, context: Tensor) -> Normal:
        """z (S, B, D), context (B, H) -> the kernel at each of the S * B points."""
        hidden = F.relu(self.from_z(z) + self.from_context(context))
        change, scale = self.heads(hidden).chunk(2, dim=-1)
        return Normal(z + change, F.softplus(scale) + 1e-6)


def inverse_softplus(value: float) -> float:
    """The y with softplus(y) = value; raises ValueError for a value that is not positive."""
    if not value > 0.0:
        raise ValueError(f"a scale or a step size is {value}; accepted: above 0")
    return value + math.log(-math.expm1(-value))
