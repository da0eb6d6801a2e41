"""Iterative amortised inference (Marino, Yue, Mandt 2018, arXiv 1807.09356)."""

import torch
from torch import Tensor, nn
from torch.func import grad
from torch.nn import functional as F

from annealed.inference.normal import Normal
from annealed.inference.objectives import frozen
from annealed.inference.posteriors import Posterior


class Refiner(nn.Module):
    """A gated update of mu and log sigma from their values and the bound's gradient.

    The gradients are layer-normalised, since their size falls by orders of magnitude in training
    (section 4.1 of the paper). Starts near the identity: the gate keeps the old value.
    """

    def __init__(self, dim: int, hidden: int):
        super().__init__()
        self.inputs = nn.Linear(4 * dim, hidden)
        self.heads = nn.Linear(hidden, 4 * dim)
        with torch.no_grad():
            self.heads.bias[2 * dim :].fill_(-2.0)

    def forward(self, values: Tensor, slopes: Tensor) -> Tensor:
        """Values (B, 2D) of mu and log sigma, the bound's slopes (B, 2D) -> new values."""
        normalised = F.layer_norm(slopes, slopes.shape[-1:])
        hidden = F.elu(self.inputs(torch.cat([values, normalised], dim=-1)))
        proposal, gate = self.heads(hidden).chunk(2, dim=-1)
        return values + torch.sigmoid(gate) * (proposal - values)


class IterativePosterior(Posterior):
    """A Gaussian posterior whose mu and log sigma are refined n times by the bound's gradient.

    Each refinement takes a draw of noise (S, B, D) for its estimate of the ELBO's gradient at the
    current values; the gradient is an input, so nothing is differentiated twice.
    """

    def __init__(self, encoder, head, target: nn.Module, refinements: int, hidden: int):
        super().__init__(encoder, head)
        self.refiner = Refiner(head.linear.out_features // 2, hidden)
        self.num_start_draws = refinements
        self.unregistered = (target,)  # a tuple, so that its parameters are not also q's

    def start(self, x: Tensor, noise: Tensor | None = None) -> tuple[Normal, Tensor]:
        """As in `Posterior`, refined once for each draw in `noise`, which may be fewer."""
        base, context = super().start(x)
        values = torch.cat([base.loc, base.scale.log()], dim=-1)
        for eps in [] if noise is None else noise:
            values = self.refiner(values, self.slopes(x, values.detach(), eps))
        loc, log_scale = values.chunk(2, dim=-1)
        return Normal(loc, log_scale.exp()), context

    def slopes(self, x: Tensor, values: Tensor, noise: Tensor) -> Tensor:
        """The ELBO's gradient in mu and log sigma, (B, 2D), from the samples of `noise`."""
        target = frozen(self.unregistered[0])

        def bound(values: Tensor) -> Tensor:
            loc, log_scale = values.chunk(2, dim=-1)
            q = Normal(loc, log_scale.exp())
            z = q.rsample(noise)
            log_likelihood, log_prior = target(x, z)
            return (log_likelihood + log_prior - q.log_prob(z)).mean(0).sum()

        return grad(bound)(values).detach()
