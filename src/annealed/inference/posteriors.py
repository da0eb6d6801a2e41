"""Posteriors: a Gaussian start and the path of transitions from it."""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from annealed.inference.normal import Normal
from annealed.inference.transitions import ContextUpdate, Transition


class Scores(NamedTuple):
    """What a target gave at the end of a path that evaluates it, so that none asks again."""

    target: nn.Module
    x: Tensor  # (B, X)
    log_likelihood: Tensor  # log p(x | z_T), (S, B)
    log_prior: Tensor  # log p(z_T), (S, B)


class Path(NamedTuple):
    """One draw of a posterior, with everything an objective needs to score it."""

    base: Normal  # q_0(. | x), loc and scale (B, D)
    z: list[Tensor]  # T + 1 of (S, B, D)
    log_q0: Tensor  # (S, B)
    log_ratios: list[Tensor]  # T of (S, B): log q_t - log r_t
    scores: Scores | None = None  # where the transitions follow a target

    def end_scores(self, target: nn.Module, x: Tensor) -> tuple[Tensor, Tensor]:
        """log p(x | z_T) and log p(z_T), (S, B): the path's, where they are of `target` and x."""
        known = self.scores
        if known is not None and known.target is target and known.x is x:
            return known.log_likelihood, known.log_prior
        return target(x, self.z[-1])

    def log_prob(self) -> Tensor:
        """Log q_0 + sum_t (log q_t - log r_t), (S, B): the path's density less its reverse's."""
        return self.log_q0 + sum(self.log_ratios)


class GaussianHead(nn.Module):
    """Context to a diagonal Gaussian with softplus scale (Kingma & Welling 2013)."""

    def __init__(self, context: int, dim: int):
        super().__init__()
        self.linear = nn.Linear(context, 2 * dim)

    def forward(self, context: Tensor) -> Normal:
        """(B, H) -> Normal with loc and scale (B, D)."""
        loc, scale = self.linear(context).chunk(2, dim=-1)
        return Normal(loc, F.softplus(scale) + 1e-6)


class FixedHead(nn.Module):
    """q_0 = N(0, diag(scale^2)) without parameters; `scale` is (D,)."""

    def __init__(self, scale: list[float]):
        super().__init__()
        self.register_buffer("scale", torch.tensor(scale))

    def forward(self, context: Tensor) -> Normal:
        """(B, H) -> Normal with loc and scale (B, D)."""
        scale = self.scale.expand(len(context), -1)
        return Normal(torch.zeros_like(scale), scale)


class Posterior(nn.Module):
    """q(z_0 | x) followed by T transitions that read the same context.

    `encoder` maps x (B, X) to a context (B, H); `head` maps the context to q_0. Raises
    ValueError for transitions of another kind of posterior.
    """

    num_start_draws = 0  # Gaussian draws that `start` takes to compute q_0
    annealed = False  # whether its transitions are given an annealed target

    def __init__(self, encoder: nn.Module, head: nn.Module, transitions: list[Transition] = ()):
        super().__init__()
        for transition in transitions:
            if transition.annealed != self.annealed:
                kind = "AnnealedPosterior" if transition.annealed else "Posterior"
                raise ValueError(
                    f"{type(transition).__name__} belongs in {kind}; this is {type(self).__name__}"
                )
        self.encoder = encoder
        self.head = head
        self.transitions = nn.ModuleList(transitions)
        # a tuple, so that no parameter is registered twice; ready, since compiled code makes none
        self.context_updates = tuple(ContextUpdate(transition) for transition in transitions)

    @classmethod
    def unconditional(
        cls,
        dim: int,
        scale: float | list[float] = 1.0,
        transitions: list[Transition] = (),
        **arguments,
    ) -> "Posterior":
        """q(z) without an x: z_0 ~ N(0, diag(scale^2)), held fixed, then `transitions`.

        `scale` is one number or D of them. The context of the transitions is the constant 1;
        `arguments` are further ones of the class. Raises ValueError for another number of scales.
        """
        scales = [float(scale)] * dim if isinstance(scale, (int, float)) else list(scale)
        if len(scales) != dim:
            raise ValueError(f"scale has {len(scales)} numbers; accepted: one, or {dim}")
        return cls(nn.Identity(), FixedHead(scales), transitions, **arguments)

    @property
    def num_draws(self) -> int:
        """All Gaussian draws of a path: those of `start`, z_0's, one a stochastic transition."""
        return self.num_start_draws + 1 + sum(t.stochastic for t in self.transitions)

    def start(self, x: Tensor, noise: Tensor | None = None) -> tuple[Normal, Tensor]:
        """x (B, X), noise (num_start_draws, S, B, D) or None -> q_0 and the context (B, H)."""
        context = self.encoder(x)
        return self.head(context), context

    def with_noise(self, noise: Tensor) -> list[tuple[Transition, Tensor | None]]:
        """Pairs of a transition and its noise (S, B, D), or None where it needs none.

        `noise` is that of z_0 and of the stochastic transitions.
        """
        expected = self.num_draws - self.num_start_draws
        if len(noise) != expected:
            raise ValueError(f"noise holds {len(noise)} draws; this path takes {expected}")
        draws = iter(noise[1:])
        return [(t, next(draws) if t.stochastic else None) for t in self.transitions]

    def sample_path(self, base: Normal, context: Tensor, noise: Tensor) -> Path:
        """A path from q_0: noise (num_draws - num_start_draws, S, B, D)."""
        z = [base.rsample(noise[0])]
        log_ratios = []
        for transition, eps in self.with_noise(noise):
            context = transition.next_context(context)
            z_new, log_ratio = transition(z[-1], context, eps)
            z.append(z_new)
            log_ratios.append(log_ratio)
        return Path(base, z, base.log_prob(z[0]), log_ratios)

    def last_kernel(self, x: Tensor, z: Tensor) -> Normal:
        """q_T(. | z_{T-1}) at z (S, B, D), where the last transition has a kernel `ahead`."""
        _, context = self.start(x)
        for transition in self.transitions:
            context = transition.next_context(context)
        return self.transitions[-1].ahead(z, context)

    def forward(self, x: Tensor, noise: Tensor) -> Path:
        """x (B, X), noise (num_draws, S, B, D) -> a path of S samples for each example."""
        base, context = self.start(x, noise[: self.num_start_draws])
        return self.sample_path(base, context, noise[self.num_start_draws :])
