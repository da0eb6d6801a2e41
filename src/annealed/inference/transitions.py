"""Transitions of a path: each returns a new z and log q - log r, be it stochastic or a flow."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from typing_extensions import override

from annealed.inference.normal import Normal


class Transition(nn.Module):
    """One transition of a posterior's path.

    A stochastic one has a forward kernel q(z' | z, context) and a learned reverse kernel
    r(z | z', context). A deterministic invertible one has log q - log r = -log |det dz'/dz|.
    """

    stochastic = True

    def next_context(self, context: Tensor) -> Tensor:
        """The context of this transition from that of the one before; by default the same."""
        return context

    def forward(self, z: Tensor, context: Tensor, noise: Tensor | None) -> tuple[Tensor, Tensor]:
        """z (S, B, D), context (B, H), noise (S, B, D) -> z' (S, B, D), log_ratio (S, B) in nats.

        `noise` is None for a deterministic transition.
        """
        raise TypeError(f"{type(self).__name__} does not define forward")


class ContextUpdate(nn.Module):
    """A transition's `next_context` as a module, so that it can be `frozen`."""

    def __init__(self, transition: Transition):
        super().__init__()
        self.transition = transition

    def forward(self, context: Tensor) -> Tensor:
        """The transition's context from that of the one before."""
        return self.transition.next_context(context)


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


class Refinement(Transition):
    """A stochastic refinement step of hierarchical variational inference.

    Forward and reverse kernels are separate gated Gaussians (Salimans et al. 2015, arXiv 1410.6460;
    Ranganath et al. 2015, arXiv 1511.02386; gates as in Huang et al. 2018, arXiv 1809.01818). The
    context's width is by default that of an unconditional posterior.
    """

    def __init__(
        self,
        dim: int,
        context: int = 1,
        hidden: int = 40,
        sigma: float = 0.05,
        gate_bias: float = -2.0,
    ):
        super().__init__()
        self.ahead = GatedKernel(dim, context, hidden, sigma, gate_bias)
        self.back = GatedKernel(dim, context, hidden, sigma, gate_bias)

    @override
    def forward(self, z: Tensor, context: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        q = self.ahead(z, context)
        z_new = q.rsample(noise)
        r = self.back(z_new, context)
        return z_new, q.log_prob(z_new) - r.log_prob(z)


class MeanField(Transition):
    """z ~ prod_d N(z_d; lambda_d, s_d(context)), with an auxiliary reverse kernel r(lambda | z).

    The last step of a hierarchical variational model, whose lambda is the path so far (Ranganath,
    Tran, Blei 2015, arXiv 1511.02386, equations 4 and 8): given lambda the latents are independent,
    without it they are not.
    """

    def __init__(self, dim: int, context: int = 1, hidden: int = 40, sigma: float = 0.3):
        super().__init__()
        self.scale = nn.Linear(context, dim)
        self.back = GatedKernel(dim, context, hidden, sigma, gate_bias=-2.0)
        with torch.no_grad():
            self.scale.bias.fill_(inverse_softplus(sigma))

    def forward(self, z: Tensor, context: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """As in `Transition`; the incoming z is lambda."""
        q = Normal(z, F.softplus(self.scale(context)).expand_as(z) + 1e-6)
        z_new = q.rsample(noise)
        r = self.back(z_new, context)
        return z_new, q.log_prob(z_new) - r.log_prob(z)


def inverse_softplus(value: float) -> float:
    """The y with softplus(y) = value, for any positive value."""
    return value + math.log(-math.expm1(-value))
