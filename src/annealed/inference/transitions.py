"""Transitions of a path: each returns a new z and log q - log r, be it stochastic or a flow."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from typing_extensions import override

from annealed.inference.kernels import GatedKernel, ResidualKernel, inverse_softplus
from annealed.inference.normal import Normal


class Transition(nn.Module):
    """One transition of a posterior's path.

    A stochastic one has a forward kernel q(z' | z, context) and a learned reverse kernel
    r(z | z', context). A deterministic invertible one has log q - log r = -log |det dz'/dz|.
    """

    stochastic = True
    annealed = False  # whether it is given the annealed target, as an `AnnealedTransition` is

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


class StochasticTransition(Transition):
    """A transition whose kernels are modules: z' ~ ahead(z, context), and the reverse `back`.

    Both map z (S, B, D) and the context (B, H) to a `Normal`.
    """

    def __init__(self, ahead: nn.Module, back: nn.Module):
        super().__init__()
        self.ahead, self.back = ahead, back

    @override
    def forward(self, z: Tensor, context: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        q = self.ahead(z, context)
        z_new = q.rsample(noise)
        r = self.back(z_new, context)
        return z_new, q.log_prob(z_new) - r.log_prob(z)


class Refinement(StochasticTransition):
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
        sizes = (dim, context, hidden, sigma, gate_bias)
        super().__init__(GatedKernel(*sizes), GatedKernel(*sizes))


class ResidualRefinement(StochasticTransition):
    """A stochastic refinement whose kernels add to z what a layer of ReLU units proposes.

    The kernels of Zimmermann, Wu, Esmaeili, van de Meent 2021 (arXiv 2106.11302) with its sizes:
    50 units, and a standard deviation that starts at 1.
    """

    def __init__(self, dim: int, context: int = 1, hidden: int = 50, sigma: float = 1.0):
        sizes = (dim, context, hidden, sigma)
        super().__init__(ResidualKernel(*sizes), ResidualKernel(*sizes))


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
