"""Uncorrected Hamiltonian annealing: leapfrog steps under an annealed target."""

import torch
from torch import Tensor, nn
from typing_extensions import override

from annealed.inference.annealed_path import (
    AnnealedTarget,
    AnnealedTransition,
    State,
    StepSize,
    checked_drift,
)
from annealed.inference.normal import standard_log_prob


class Hamiltonian(AnnealedTransition):
    """A partial refreshment of the momentum, then leapfrog steps under f, none of them corrected.

    v' = eta v + sqrt(1 - eta^2) noise, then `leapfrogs` times v += h grad log f(z) / 2, z += h v,
    v += h grad log f(z) / 2. The extended target has v ~ N(0, I). The refreshment leaves that
    invariant and is its own reversal, and leapfrog steps preserve volume, so that log q - log r is
    log N(v') - log N(v) with the v at the end (UHA: Geffner & Domke 2021, arXiv 2107.04150; DAIS:
    Zhang et al. 2021, arXiv 2107.10211). Where no momentum comes in, it is drawn.

    `persistence` is eta. At 0 every momentum is fresh: with one leapfrog step it is a plain
    `Langevin` step of size h^2 / 2. Between 0 and 1 it is where a learnt one starts, unless
    `learn_persistence` is false. A diagonal mass M is a step size for each dimension: in the
    momentum M^(1/2) v the step is h / M^(1/2). See `StepSize`. `max_drift` limits half a step's
    change of v, in each dimension; volume and reversal stay, and one leapfrog step of a fresh
    momentum is a `Langevin` step with the same `max_drift`. Raises ValueError for what is not
    accepted.
    """

    def __init__(
        self,
        dim: int,
        leapfrogs: int = 1,
        *,
        persistence: float = 0.5,
        learn_persistence: bool = True,
        step_size: float = 0.1,
        learn_step_size: bool = True,
        per_dimension: bool = True,
        max_drift: float | None = None,
    ):
        super().__init__()
        if leapfrogs < 1:
            raise ValueError(f"leapfrogs is {leapfrogs}; accepted: a whole number from 1")
        if not 0.0 <= persistence < 1.0:
            raise ValueError(f"persistence is {persistence}; accepted: from 0 to below 1")
        self.leapfrogs, self.max_drift = leapfrogs, checked_drift(max_drift)
        self.step_size = StepSize(dim, step_size, learn_step_size, per_dimension)
        if not persistence:
            self.logit = None
        elif learn_persistence:
            self.logit = nn.Parameter(torch.logit(torch.tensor(persistence)))
        else:
            self.register_buffer("logit", torch.logit(torch.tensor(persistence)))

    def refreshed(self, momentum: Tensor | None, noise: Tensor) -> Tensor:
        """The momentum to start from, (S, B, D)."""
        if momentum is None or self.logit is None:
            return noise
        kept = self.logit.sigmoid()
        return kept * momentum + (1.0 - kept.square()).sqrt() * noise

    def kick(self, state: State, step: Tensor, density: AnnealedTarget) -> Tensor:
        """What half a leapfrog step adds to the momentum at `state`, (S, B, D)."""
        change = 0.5 * step * density.slope(state)
        limit = self.max_drift
        return change if limit is None else change.clamp(-limit, limit)

    @override
    def forward(
        self, state: State, context: Tensor, noise: Tensor, density: AnnealedTarget
    ) -> tuple[State, Tensor]:
        step = self.step_size()
        first = v = self.refreshed(state.momentum, noise)
        for _ in range(self.leapfrogs):
            v = v + self.kick(state, step, density)
            state = density.state(state.z + step * v)
            v = v + self.kick(state, step, density)
        state = State(state.z, state.slope, state.log_likelihood, state.log_prior, v)
        return state, standard_log_prob(first) - standard_log_prob(v)
