"""The paths and objectives that the pages of toys fit, and how long."""

from dataclasses import dataclass

from annealed.inference.avo import AVO
from annealed.inference.flows import IAF, Householder
from annealed.inference.objectives import Maximise, Objective
from annealed.inference.posteriors import Posterior
from annealed.inference.transitions import Refinement, Transition
from annealed.utils import randomness

# method -> what each of its stochastic kernels starts with: the noise, the bias of the gate
REFINEMENTS = {"hvi": (0.3, -2.0), "hvi_unit": (1.0, -1.0)}


@dataclass(frozen=True)
class Budget:
    """How long a path is trained, by how many seeds, and how many draws score it."""

    steps: int
    seeds: int = 5
    samples: int = 64  # S a training step
    draws: int = 100_000  # S of the evaluation
    hidden: int = 32
    rate: float = 5e-3


def transitions(method: str, count: int, dim: int, hidden: int) -> list[Transition]:
    """`count` transitions of one kind: householder, iaf or a key of REFINEMENTS."""
    if method == "householder":
        return [Householder(dim, dim if t else 1) for t in range(count)]
    if method == "iaf":
        return [IAF(dim, hidden=hidden, flip=t % 2 == 1) for t in range(count)]
    sigma, gate_bias = REFINEMENTS[method]
    kernels = {"hidden": hidden, "sigma": sigma, "gate_bias": gate_bias}
    return [Refinement(dim, **kernels) for _ in range(count)]


def posterior(method: str, count: int, scale: list[float], hidden: int, seed: int) -> Posterior:
    """A path of `count` transitions from the fixed q_0, initialised from `seed`."""
    with randomness.initialisation(seed):
        path = transitions(method, count, len(scale), hidden)
    return Posterior.unconditional(len(scale), scale, path)


def objective(name: str, count: int) -> Objective:
    """elbo; avo: every step is an AVO step; mixture: a random 20% are, as on images."""
    if name == "elbo":
        return Maximise()
    return AVO(count, rho={"avo": 1.0, "mixture": 0.2}[name])
