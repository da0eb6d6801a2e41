"""Deterministic invertible transitions: Householder, IAF, convex combinations of linear IAFs.

Each returns log q - log r = -log |det dz'/dz|, so it can take the place of a stochastic transition.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from typing_extensions import override
from zuko.nn import MaskedLinear

from annealed.inference.transitions import Transition


class Householder(Transition):
    """z' = z - 2 v (v . z) / |v|^2 with v = W v_previous + b.

    Tomczak & Welling 2016 (arXiv 1611.09630, equations 4 and 8). The context of the first
    reflection is the encoder's; each reflection hands its own v on as the next one's context.
    """

    stochastic = False

    def __init__(self, dim: int, context: int = 1):
        super().__init__()
        self.linear = nn.Linear(context, dim)

    def next_context(self, context: Tensor) -> Tensor:
        """The reflection's vector, (B, H) -> (B, D)."""
        return self.linear(context)

    def forward(self, z: Tensor, context: Tensor, noise: None) -> tuple[Tensor, Tensor]:
        """As in `Transition`; `context` is v, (B, D)."""
        v = F.normalize(context, dim=-1)
        return z - 2.0 * v * (v * z).sum(-1, keepdim=True), torch.zeros_like(z[..., 0])


class AutoregressiveNet(nn.Module):
    """m_d and s_d as functions of z_1..z_{d-1} and the context, by masks.

    Germain et al. 2015 (arXiv 1502.03509), on zuko's masked layers. The context enters the hidden
    layer unmasked, and once an example rather than once a sample.
    """

    def __init__(self, dim: int, context: int, hidden: int):
        super().__init__()
        degree = torch.arange(hidden) % dim  # a hidden unit of degree j reads the first j inputs
        index = torch.arange(dim)
        self.from_z = MaskedLinear(adjacency=index < degree[:, None])
        self.from_context = nn.Linear(context, hidden, bias=False)
        self.heads = MaskedLinear(adjacency=(degree <= index[:, None]).repeat(2, 1))

    def forward(self, z: Tensor, context: Tensor) -> tuple[Tensor, Tensor]:
        """z (S, B, D), context (B, H) -> m and s, each (S, B, D)."""
        hidden = F.elu(self.from_z(z) + self.from_context(context))
        return self.heads(hidden).chunk(2, dim=-1)


class IAF(Transition):
    """Inverse autoregressive flow, z' = g * z + (1 - g) * m with g = sigmoid(s + gate_bias).

    Kingma et al. 2016 (arXiv 1606.04934, algorithm 1). The gate is the paper's, whose scale is at
    most 1, and not a flow library's exp(s) * z + m. With `flip` it reads z in reverse order
    and restores the order: AVO's targets score every z_t in one set of axes.
    """

    stochastic = False

    def __init__(
        self,
        dim: int,
        context: int = 1,
        hidden: int = 40,
        gate_bias: float = 2.0,
        flip: bool = False,
    ):
        super().__init__()
        self.net = AutoregressiveNet(dim, context, hidden)
        self.gate_bias, self.flip = gate_bias, flip

    @override
    def forward(self, z: Tensor, context: Tensor, noise: None) -> tuple[Tensor, Tensor]:
        z = z.flip(-1) if self.flip else z
        m, s = self.net(z, context)
        gate = s + self.gate_bias
        z_new = m + torch.sigmoid(gate) * (z - m)
        return z_new.flip(-1) if self.flip else z_new, -F.logsigmoid(gate.to(z.dtype)).sum(-1)


class ConvexLinearIAF(Transition):
    """z' = (sum_k y_k L_k) z, L_k unit lower-triangular, y on the simplex, both from the context.

    Tomczak & Welling 2017 (arXiv 1706.02326, equation 9); volume-preserving.
    """

    stochastic = False

    def __init__(self, dim: int, context: int = 1, count: int = 5):
        super().__init__()
        self.dim, self.count = dim, count
        self.entries = nn.Linear(context, count * dim * dim)
        self.mix = nn.Linear(context, count) if count > 1 else None

    @override
    def forward(self, z: Tensor, context: Tensor, noise: None) -> tuple[Tensor, Tensor]:
        matrices = self.entries(context).unflatten(-1, (self.count, self.dim, self.dim))
        if self.mix is None:
            combined = matrices.squeeze(1)
        else:
            weights = torch.softmax(self.mix(context), dim=-1)
            combined = torch.einsum("bk,bkij->bij", weights, matrices)
        lower = combined.tril(-1)  # the diagonals sum to 1
        return z + torch.einsum("bij,sbj->sbi", lower, z), torch.zeros_like(z[..., 0])
