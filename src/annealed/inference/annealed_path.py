"""Posteriors whose transitions follow the gradient of an annealed target, and their interface."""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.func import grad
from typing_extensions import override

from annealed.inference import schedules
from annealed.inference.kernels import inverse_softplus
from annealed.inference.nested import LearntAlphas
from annealed.inference.normal import Normal
from annealed.inference.posteriors import Path, Posterior, Scores
from annealed.inference.transitions import Transition


class State(NamedTuple):
    """Where a path is between two transitions, and what the target is there."""

    z: Tensor  # (S, B, D)
    slope: Tensor  # the gradient of log p(x, z) in z, (S, B, D)
    log_likelihood: Tensor  # log p(x | z), (S, B); of an energy log f
    log_prior: Tensor  # log p(z), (S, B); of an energy 0
    momentum: Tensor | None = None  # (S, B, D), of unit scale; None before one is drawn


class AnnealedTarget(NamedTuple):
    """f = q_0^(1 - alpha) p(x, .)^alpha, not normalised.

    The target is evaluated by `state` alone: once a state, whatever alpha is, its value and its
    gradient in one pass.
    """

    target: nn.Module
    x: Tensor  # (B, X)
    base: Normal  # q_0, loc and scale (B, D)
    alpha: Tensor | float

    def state(self, z: Tensor, momentum: Tensor | None = None) -> State:
        """The state at z (S, B, D)."""

        def total(z: Tensor) -> tuple[Tensor, tuple[Tensor, Tensor]]:
            parts = self.target(self.x, z)
            return sum(parts).sum(), parts

        slope, parts = grad(total, has_aux=True)(z)
        return State(z, slope, *parts, momentum)

    def log_density(self, state: State) -> Tensor:
        """log f at `state`: (S, B) in nats."""
        log_joint = state.log_likelihood + state.log_prior
        return (1.0 - self.alpha) * self.base.log_prob(state.z) + self.alpha * log_joint

    def slope(self, state: State) -> Tensor:
        """The gradient of log f in z at `state`, (S, B, D)."""
        of_base = (self.base.loc - state.z) / self.base.scale.square()
        return (1.0 - self.alpha) * of_base + self.alpha * state.slope


class AnnealedTransition(Transition):
    """A transition that is given the annealed target, for an `AnnealedPosterior`."""

    annealed = True

    def forward(
        self, state: State, context: Tensor, noise: Tensor, density: AnnealedTarget
    ) -> tuple[State, Tensor]:
        """The new state and log q - log r, (S, B) in nats.

        context (B, H), noise (S, B, D); the new state is `density.state` of its z.
        """
        raise TypeError(f"{type(self).__name__} does not define forward")


class StepSize(nn.Module):
    """Positive step sizes, one or one a dimension, learnt or held fixed at `size`."""

    def __init__(self, dim: int, size: float, learn: bool = True, per_dimension: bool = True):
        super().__init__()
        raw = torch.full((dim if per_dimension else 1,), inverse_softplus(size))
        if learn:
            self.raw = nn.Parameter(raw)
        else:
            self.register_buffer("raw", raw)

    def forward(self) -> Tensor:
        """The sizes, (D,) or (1,)."""
        return nn.functional.softplus(self.raw)


def checked_drift(limit: float | None) -> float | None:
    """`limit` as `max_drift` of a transition; raises ValueError for what is not accepted."""
    if limit is not None and not limit > 0.0:
        raise ValueError(f"max_drift is {limit}; accepted: a number above 0, or None")
    return limit


class FixedAlphas(nn.Module):
    """alpha_1 < ... < alpha_T = 1, held fixed."""

    def __init__(self, alphas: list[float]):
        super().__init__()
        self.register_buffer("alphas", torch.tensor(alphas))

    def forward(self) -> Tensor:
        """The alphas, (T,)."""
        return self.alphas


class Conditions(NamedTuple):
    """What an annealed path is conditioned on."""

    features: Tensor  # the encoder's, (B, H)
    x: Tensor  # (B, X)


class AnnealedPosterior(Posterior):
    """q(z_0 | x) followed by transitions, of which the t-th is given f_t.

    f_t = q_0^(1 - alpha_t) p(x, .)^alpha_t, and p(x, .) is `target`: the one that the posterior is
    fitted to. `alphas` is linear, geometric or learnt, and `first_alpha` alpha_1; see
    `schedules.alphas` and `LearntAlphas`. Objectives see the path of any posterior, and gradients
    of their values reach the target's parameters through the transitions as well. Raises ValueError
    for what is not accepted.
    """

    annealed = True

    def __init__(
        self,
        encoder: nn.Module,
        head: nn.Module,
        transitions: list[AnnealedTransition],
        target: nn.Module,
        alphas: str = "linear",
        first_alpha: float | None = None,
    ):
        super().__init__(encoder, head, transitions)
        count = len(transitions)
        if not count:
            raise ValueError("an annealed posterior takes at least one transition")
        if alphas not in (*schedules.SPACINGS, "learnt"):
            accepted = ", ".join(schedules.SPACINGS)
            raise ValueError(f"unknown alphas {alphas!r}; accepted: {accepted}, learnt")
        if alphas != "learnt":
            self.alphas = FixedAlphas(schedules.alphas(alphas, count, first_alpha))
        elif first_alpha is None:
            self.alphas = LearntAlphas(count)
        else:
            raise ValueError(f"first_alpha is {first_alpha}; accepted: None where alphas is learnt")
        self.unregistered = (target,)  # a tuple, so that its parameters are not also q's

    @property
    def target(self) -> nn.Module:
        """The target whose gradient the transitions follow."""
        return self.unregistered[0]

    @property
    def floats(self) -> int:
        """Floats of a sample that the target's gradient keeps: the outputs of all its layers."""
        layers = self.target.modules()
        return sum(getattr(m, "floats", 3 * getattr(m, "out_features", 0)) for m in layers)

    @override
    def start(self, x: Tensor, noise: Tensor | None = None) -> tuple[Normal, Conditions]:
        """As in `Posterior`, but the context has x beside it."""
        base, features = super().start(x, noise)
        return base, Conditions(features, x)

    @override
    def sample_path(self, base: Normal, context: Conditions, noise: Tensor) -> Path:
        """As in `Posterior`; it takes T + 1 gradients of log p(x, z), or more by the transition."""
        features, x = context
        z0 = base.rsample(noise[0])
        start = AnnealedTarget(self.target, x, base, 0.0)
        state, z, log_ratios = start.state(z0), [z0], []
        for alpha, (transition, eps) in zip(self.alphas(), self.with_noise(noise), strict=True):
            features = transition.next_context(features)
            density = AnnealedTarget(self.target, x, base, alpha)
            state, log_ratio = transition(state, features, eps, density)
            z.append(state.z)
            log_ratios.append(log_ratio)
        scores = Scores(self.target, x, state.log_likelihood, state.log_prior)
        return Path(base, z, base.log_prob(z0), log_ratios, scores)

    @override
    def last_kernel(self, x: Tensor, z: Tensor) -> Normal:
        base, (features, _) = self.start(x)
        for transition in self.transitions:
            features = transition.next_context(features)
        density = AnnealedTarget(self.target, x, base, 1.0)
        return self.transitions[-1].ahead(density.state(z), features, density)
