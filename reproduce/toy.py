"""Paths trained on toy targets, all seeds side by side in one process."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state

from annealed import randomness, schedules
from annealed.avo import AVO, AVOOptions
from annealed.flows import IAF, Householder
from annealed.gaussian import Normal
from annealed.objectives import Maximise, Step
from annealed.posteriors import Posterior
from annealed.transitions import Refinement, Transition

CONTEXT = 1  # a toy has no x: its context is the constant 1
MILESTONES, FACTORS = [0.5, 0.75, 0.9], [0.3, 0.1, 0.03]  # of the learning rate


class FixedHead(nn.Module):
    """q_0 = N(0, diag(scale^2)) without parameters; `scale` is (D,)."""

    def __init__(self, scale: list[float]):
        super().__init__()
        self.register_buffer("scale", torch.tensor(scale))

    def forward(self, context: Tensor) -> Normal:
        """(B, H) -> Normal with loc and scale (B, D)."""
        scale = self.scale.expand(len(context), -1)
        return Normal(torch.zeros_like(scale), scale)


def steps(method: str, count: int, dim: int, hidden: int) -> list[Transition]:
    """`count` transitions of one kind: householder, iaf or hvi."""
    if method == "householder":
        return [Householder(dim, dim if t else CONTEXT) for t in range(count)]
    if method == "iaf":
        return [IAF(dim, CONTEXT, hidden, flip=t % 2 == 1) for t in range(count)]
    return [Refinement(dim, CONTEXT, hidden, sigma=0.3) for _ in range(count)]


def posterior(method: str, count: int, scale: list[float], hidden: int, seed: int) -> Posterior:
    """A path of `count` transitions from the fixed q_0, initialised from `seed`."""
    with randomness.initialisation(seed):
        transitions = steps(method, count, len(scale), hidden)
    return Posterior(nn.Identity(), FixedHead(scale), transitions)


def objective(name: str, transitions: int) -> Callable:
    """elbo; avo: every step is an AVO step; mixture: a random 20% are, as on images."""
    if name == "elbo":
        return Maximise()
    return AVO(AVOOptions(rho={"avo": 1.0, "mixture": 0.2}[name]), transitions)


class Bound(nn.Module):
    """What one seed maximises, as a module: (noise, coin) -> a number, in nats."""

    def __init__(self, target: nn.Module, posterior: Posterior, objective: Callable):
        super().__init__()
        self.target, self.posterior, self.objective = target, posterior, objective

    def forward(self, noise: Tensor, coin: float = 0.0) -> Tensor:
        """noise (draws, S, 1, D) -> the sum of the objective's parts."""
        x = noise.new_ones(1, CONTEXT)
        step = Step(self.target, self.posterior, x, noise, coin=coin)
        return sum(value.sum() for value, _ in self.objective(step))


class Replicas:
    """R seeds' parameters, stacked; a seed's numbers do not depend on which others are there."""

    def __init__(self, posteriors: list[Posterior]):
        self.model = posteriors[0]
        state, _ = stack_module_state(posteriors)
        self.state = {name: p.detach().clone().requires_grad_() for name, p in state.items()}
        self.dtype = next(iter(state.values())).dtype

    def value(self, bound: Bound, noise: Tensor, coin: float = 0.0) -> Tensor:
        """Each seed's bound: noise (R, draws, S, 1, D) -> (R,)."""

        def one(state: dict[str, Tensor], eps: Tensor) -> Tensor:
            named = {f"posterior.{name}": p for name, p in state.items()}
            return functional_call(bound, named, (eps, coin))

        return torch.func.vmap(one)(self.state, noise)

    def one(self, index: int) -> Posterior:
        """The posterior of one seed, as the shared model with that seed's parameters."""
        own = {name: p[index].detach() for name, p in self.state.items()}
        self.model.load_state_dict(own, strict=False)  # masks and scales are every seed's
        return self.model


def train(
    target: nn.Module,
    replicas: Replicas,
    phases: list[tuple[str, int]],
    seeds: list[int],
    dim: int,
    samples: int,
    rate: float,
) -> list[list[float]]:
    """Adam on the sum of the seeds' bounds, one pass of the learning-rate schedule a phase.

    `phases` are pairs of an objective and its number of steps; `samples` is S a step. Noise is
    keyed by (seed, step); which steps of a mixture are AVO steps is the same for every seed. Adam
    works on each number alone, so this is each seed's own training. Returns a curve: the seeds'
    bounds at about 50 steps of each phase, in nats.
    """
    curve, done = [], 0
    for name, length in phases:
        bound = Bound(target, replicas.model, objective(name, len(replicas.model.transitions)))
        adam = torch.optim.Adam(replicas.state.values(), rate)
        for step in range(length):
            adam.param_groups[0]["lr"] = rate * schedules.piecewise(
                step, length, MILESTONES, FACTORS
            )
            shape, at = (replicas.model.draws, samples, 1, dim), done + step
            noise = torch.stack([randomness.normal(shape, s, "posterior", at) for s in seeds])
            noise = noise.to(replicas.dtype)
            coin = randomness.uniform((), 0, "objective", at).item()
            value = replicas.value(bound, noise, coin)
            adam.zero_grad()
            (-value.sum()).backward()
            adam.step()
            if step % max(length // 50, 1) == 0:
                curve.append(value.tolist())
        done += length
    return curve
