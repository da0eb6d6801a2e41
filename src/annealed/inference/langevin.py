"""Unadjusted Langevin steps under an annealed target, with a plain or a learnt reverse kernel."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from typing_extensions import override

from annealed.inference.annealed_path import (
    AnnealedTarget,
    AnnealedTransition,
    State,
    StepSize,
    checked_drift,
)
from annealed.inference.normal import Normal

# what the network's output is multiplied by in the forward and in the reverse kernel
WEIGHTS = {"plain": (0.0, 0.0), "learnt": (0.0, 1.0), "controlled": (1.0, -1.0)}


class Drift(nn.Module):
    """A vector field of z and the context, W_u elu(W [z, context] + b) + b_u; it starts at zero."""

    def __init__(self, dim: int, context: int, hidden: int):
        super().__init__()
        self.from_z = nn.Linear(dim, hidden)
        self.from_context = nn.Linear(context, hidden, bias=False)
        self.out = nn.Linear(hidden, dim)
        with torch.no_grad():
            self.out.weight.zero_()
            self.out.bias.zero_()

    def forward(self, z: Tensor, context: Tensor) -> Tensor:
        """z (S, B, D), context (B, H) -> (S, B, D)."""
        return self.out(F.elu(self.from_z(z) + self.from_context(context)))


class Langevin(AnnealedTransition):
    """One step of unadjusted Langevin dynamics under f, and the reverse kernel that weighs it.

    q(z' | z) = N(z + h (grad log f(z) + a u(z)), 2 h) and r(z | z') = N(z' + h (grad log f(z') +
    b u(z')), 2 h), where u is a network, which starts at zero, and `reverse` chooses a and b:

    - plain, a = b = 0: the reverse kernel is the forward one (L-MCVAE: Thin et al. 2021, arXiv
      2106.15921);
    - learnt, a = 0 and b = 1: time reversal of the dynamics has the mean z' + h (2 s - grad log f)
      with s the score of the path's marginal, so that grad log f + u / 2 stands for s (MCD: Doucet
      et al. 2022, arXiv 2208.07698);
    - controlled, a = 1 and b = -1: both kernels are learnt (CMCD: Vargas et al. 2024, arXiv
      2307.01050), here with one f and one u for the two kernels of a transition.

    `max_drift` truncates grad log f, in each dimension, where it would move z by more than so many
    standard deviations of the noise: after the truncated drift of Roberts & Tweedie 1996
    (Bernoulli 2.4, MALTA). Both kernels stay Gaussians, so log q - log r stays exact. Without it a
    step diverges where f is narrower than about sqrt(h / 2), as where q_0 shrinks in training.

    Step sizes h start at `step_size`; see `StepSize`. Each transition has its network and its step
    sizes. The context's width is by default that of an unconditional posterior; it and `hidden`
    units are the network's. Raises ValueError for what is not accepted.
    """

    def __init__(
        self,
        dim: int,
        context: int = 1,
        hidden: int = 40,
        *,
        reverse: str = "plain",
        step_size: float = 0.01,
        learn_step_size: bool = True,
        per_dimension: bool = True,
        max_drift: float | None = None,
    ):
        super().__init__()
        if reverse not in WEIGHTS:
            raise ValueError(f"unknown reverse {reverse!r}; accepted: {', '.join(WEIGHTS)}")
        self.step_size = StepSize(dim, step_size, learn_step_size, per_dimension)
        self.max_drift = checked_drift(max_drift)
        self.weight_ahead, self.weight_back = WEIGHTS[reverse]
        self.drift = None if reverse == "plain" else Drift(dim, context, hidden)

    def kernel(
        self, state: State, context: Tensor, density: AnnealedTarget, weight: float
    ) -> Normal:
        """N(z + h (grad log f(z) + weight u(z)), 2 h) at `state`."""
        step, drift = self.step_size(), density.slope(state)
        scale = (2.0 * step).sqrt()
        if self.max_drift is not None:
            bound = self.max_drift * scale / step
            drift = drift.clamp(-bound, bound)
        if weight:
            drift = drift + weight * self.drift(state.z, context)
        return Normal(state.z + step * drift, scale.expand_as(state.z))

    def ahead(self, state: State, context: Tensor, density: AnnealedTarget) -> Normal:
        """The forward kernel at `state`."""
        return self.kernel(state, context, density, self.weight_ahead)

    @override
    def forward(
        self, state: State, context: Tensor, noise: Tensor, density: AnnealedTarget
    ) -> tuple[State, Tensor]:
        q = self.ahead(state, context, density)
        new = density.state(q.rsample(noise), state.momentum)
        r = self.kernel(new, context, density, self.weight_back)
        return new, q.log_prob(new.z) - r.log_prob(state.z)
