"""Hamiltonian Monte Carlo (Neal 2011, arXiv 1206.1901) between a Gaussian and a joint density."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor
from torch.func import grad

from annealed.compute.compiling import compiled
from annealed.inference.normal import Normal

LogJoint = Callable[[Tensor | None, Tensor], Tensor]  # x (B, X), z (S, B, D) -> log p(x, z), (S, B)


class Point(NamedTuple):
    """Positions of S chains for each of B examples, and the joint density there."""

    z: Tensor  # (S, B, D)
    log_joint: Tensor  # log p(x, z), (S, B) in nats
    slope: Tensor  # its gradient in z, (S, B, D)


def slope_and_value(log_joint: LogJoint, x: Tensor, z: Tensor) -> tuple[Tensor, Tensor]:
    """The gradient of log p(x, z) in z, (S, B, D), and its value, (S, B)."""

    def total(z: Tensor) -> tuple[Tensor, Tensor]:
        value = log_joint(x, z)
        return value.sum(), value

    return grad(total, has_aux=True)(z)


def leapfrog(
    log_joint: LogJoint,
    x: Tensor,
    loc: Tensor,
    scale: Tensor,
    z: Tensor,
    momentum: Tensor,
    slope: Tensor,
    step: Tensor,
    beta: Tensor,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """One leapfrog step under f = N(loc, scale^2)^(1 - beta) p(x, z)^beta.

    Lengths are in units of `scale`: it is a step of plain HMC on (z - loc) / scale. loc and scale
    are (B, D); z, momentum and slope, the gradient of log p(x, z), are (S, B, D); `step` is
    (S, B, 1). Returns the new z, momentum, slope and log p(x, z).
    """

    def kicked(momentum: Tensor, z: Tensor, slope: Tensor) -> Tensor:
        pull = (1.0 - beta) * (loc - z) / scale + beta * scale * slope
        return momentum + 0.5 * step * pull

    momentum = kicked(momentum, z, slope)
    z = z + step * scale * momentum
    slope, value = slope_and_value(log_joint, x, z)
    return z, kicked(momentum, z, slope), slope, value


def unscored_leapfrog(*arguments) -> tuple[Tensor, Tensor, Tensor]:
    """`leapfrog` without log p(x, z), which compiled code then does not compute."""
    return leapfrog(*arguments)[:3]


class HMC:
    """Transitions that leave f = q_0^(1 - beta) p(x, z)^beta invariant, for any beta.

    q_0 = `start` has loc and scale (B, D). A transition takes `steps` gradients of log p(x, z): the
    one at the point where it starts serves every beta. With `compile` leapfrog steps are compiled
    where anything compiles, with `products` as in `annealed.compute.compiling`.
    """

    def __init__(
        self,
        log_joint: LogJoint,
        start: Normal,
        x: Tensor | None,
        steps: int,
        compile: bool = False,
        products: str = "torch",
    ):
        self.log_joint, self.start, self.x = log_joint, start, x
        self.functions = [unscored_leapfrog] * (steps - 1) + [leapfrog]
        if compile:
            fast = {f: _fast(f, start.loc.device, products) for f in set(self.functions)}
            self.functions = [fast[f] for f in self.functions]

    @torch.no_grad()
    def point(self, z: Tensor) -> Point:
        """The point at z (S, B, D)."""
        slope, value = slope_and_value(self.log_joint, self.x, z)
        return Point(z, value, slope)

    def log_density(self, point: Point, beta: Tensor) -> Tensor:
        """log f at `point`, (S, B) in nats, not normalised."""
        return (1.0 - beta) * self.start.log_prob(point.z) + beta * point.log_joint

    @torch.no_grad()
    def move(
        self, point: Point, momentum: Tensor, uniforms: Tensor, step: Tensor, beta: Tensor
    ) -> tuple[Point, Tensor]:
        """One transition: the new point and the probability of its acceptance, (S, B).

        `momentum` (S, B, D) is standard normal, `uniforms` lie in [0, 1), both they and `step`
        are (S, B), `beta` is (). A proposal whose density is not finite is refused.
        """
        z, p, slope = point.z, momentum, point.slope
        for function in self.functions:
            constant = self.log_joint, self.x, *self.start
            z, p, slope, *value = function(*constant, z, p, slope, step[..., None], beta)
        proposal = Point(z, *value, slope)
        change = self.log_density(proposal, beta) - self.log_density(point, beta)
        change = change - 0.5 * (p.square() - momentum.square()).sum(-1)
        finite = change.isfinite() & slope.isfinite().all(-1)
        probability = change.exp().clamp(max=1.0).where(finite, 0.0)
        accepted = uniforms < probability
        each = (accepted[..., None], accepted, accepted[..., None])
        pairs = zip(each, proposal, point, strict=True)
        return Point(*(torch.where(*parts) for parts in pairs)), probability


def _fast(function: Callable, device: torch.device, products: str) -> Callable:
    """`function` compiled; as it is where nothing compiles."""
    made = compiled(function, device, products)
    if made is None:
        return function
    if device.type != "cuda":
        return made
    # a recorded graph writes every call's results to the same place
    return lambda *arguments: tuple(part.clone() for part in made(*arguments))
