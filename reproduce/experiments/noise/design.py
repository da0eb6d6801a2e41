"""The rows of the page: a posterior and an objective each, learned together with A and sigma."""

from dataclasses import dataclass

from annealed.inference.avo import AVO
from annealed.inference.bound import Bound
from annealed.inference.objectives import Maximise, Objective, iwae
from annealed.inference.posteriors import GaussianHead, Posterior
from annealed.inference.transitions import Refinement
from annealed.nn.gated import gated_mlp
from annealed.utils import randomness
from reproduce.experiments.noise.model import DIM, initial, right

ROWS = ("VAE", "IWAE", "HVI", "HVI-AVO")
FROM_TRUTH = ", from the truth"
CONTROLS = tuple(row + FROM_TRUTH for row in ROWS)  # the same rows with A and sigma begun right
TRANSITIONS = 5  # of HVI and HVI-AVO
SIGMA = 0.3  # the noise that every kernel starts with


@dataclass(frozen=True)
class Budget:
    """How many data sets (a seed is one), how large, how long and how wide."""

    seeds: int
    steps: int
    count: int = 1000  # points of a data set, and of its test set
    batch: int = 100
    samples: int = 10  # S a training step
    draws: int = 1000  # S of the evaluation
    hidden: int = 32
    rate: float = 5e-3
    starts: int = 3  # random starts of the maximum-likelihood search


BUDGETS = {
    "quick": Budget(seeds=3, steps=1000, count=500, draws=200),
    "full": Budget(10, steps=10_000),
}


def objective(row: str, samples: int) -> Objective:
    """What a row maximises; every row draws the same number of samples."""
    kind = row.removesuffix(FROM_TRUTH)
    if kind == "HVI-AVO":
        return AVO(TRANSITIONS, samples)
    return Maximise(iwae, samples) if kind == "IWAE" else Maximise(samples=samples)


def posterior(row: str, hidden: int, seed: int) -> Posterior:
    """q(z | x): a Gaussian, and for HVI TRANSITIONS refinements of it.

    All rows of a seed start from the same encoder and q_0.
    """
    with randomness.initialisation(seed, 1):
        encoder, head = gated_mlp(DIM, hidden), GaussianHead(hidden, DIM)
    with randomness.initialisation(seed, 2):
        count = TRANSITIONS if row.startswith("HVI") else 0
        steps = [Refinement(DIM, hidden, hidden, sigma=SIGMA) for _ in range(count)]
    return Posterior(encoder, head, steps)


def member(row: str, budget: Budget, seed: int) -> Bound:
    """A row of one seed before training."""
    parts = posterior(row, budget.hidden, seed), objective(row, budget.samples)
    return Bound(right() if row.endswith(FROM_TRUTH) else initial(seed), *parts)
