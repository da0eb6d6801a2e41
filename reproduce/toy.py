"""Paths trained on toy targets, all seeds side by side in one process."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from annealed import randomness, schedules
from annealed.avo import AVO, AVOOptions
from annealed.flows import IAF, Householder
from annealed.gaussian import Normal
from annealed.objectives import Maximise, Objective, Step
from annealed.posteriors import Posterior
from annealed.replicas import Replicas
from annealed.transitions import Refinement, Transition

CONTEXT = 1  # a toy has no x: its context is the constant 1
MILESTONES, FACTORS = [0.5, 0.75, 0.9], [0.3, 0.1, 0.03]  # of the learning rate


@dataclass(frozen=True)
class Size:
    """How long a path is trained, by how many seeds, and how many draws score it."""

    steps: int
    seeds: int = 5
    samples: int = 64  # S a training step
    draws: int = 100_000  # S of the evaluation
    hidden: int = 32
    rate: float = 5e-3


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


def objective(name: str, transitions: int) -> Objective:
    """elbo; avo: every step is an AVO step; mixture: a random 20% are, as on images."""
    if name == "elbo":
        return Maximise()
    return AVO(AVOOptions(rho={"avo": 1.0, "mixture": 0.2}[name]), transitions)


class Toy(nn.Module):
    """A posterior of one seed, the target that it is to match and the objective by which."""

    def __init__(self, target: nn.Module, posterior: Posterior, objective: Objective | None = None):
        super().__init__()
        self.target, self.posterior, self.objective = target, posterior, objective

    def forward(self, noise: Tensor, choice: float, each=None) -> tuple[Tensor, Tensor]:
        """noise (draws, S, 1, D) -> the loss and the bound, in nats; see `Replicas.backward`."""
        step = Step(self.target, self.posterior, noise.new_ones(1, CONTEXT), noise, choice=choice)
        value = sum(part.sum() for part, _ in self.objective(step))
        if each is not None:
            each(-value)
        return -value, value.detach()


def train(
    replicas: Replicas,
    phases: list[tuple[Objective, int]],
    seeds: list[int],
    samples: int,
    rate: float,
) -> list[list[float]]:
    """Adam on the bounds of `replicas` of Toy, one pass of the learning-rate schedule a phase.

    `phases` are pairs of an objective and its number of steps; `samples` is S a step. Noise is
    keyed by (seed, step); which steps of a mixture are AVO steps is the same for every seed. Adam
    works on each number alone, so this is each seed's own training. Returns a curve: the seeds'
    bounds at about 50 steps of each phase, in nats.
    """
    curve, done = [], 0
    first = replicas.members[0].posterior
    shape = (first.draws, samples, 1, first.head.scale.shape[-1])
    dtype = next(replicas.parameters()).dtype
    for goal, length in phases:
        for member in replicas.members:
            member.objective = goal
        adam = torch.optim.Adam(replicas.parameters(), rate)
        for step in range(length):
            adam.param_groups[0]["lr"] = rate * schedules.piecewise(
                step, length, MILESTONES, FACTORS
            )
            at = done + step
            noise = torch.stack([randomness.normal(shape, s, "posterior", at) for s in seeds])
            coin = randomness.uniform((), 0, "objective", at).item()
            choice = goal.choose(coin)
            value = replicas.backward((noise.to(dtype),), choice)
            adam.step()
            if step % max(length // 50, 1) == 0:
                curve.append(value.tolist())
        done += length
    return curve
