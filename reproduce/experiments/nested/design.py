"""What the page fits on the ring: which objective, by how many targets, and what was published."""

from dataclasses import dataclass
from itertools import product

from annealed.inference.avo import AVO
from annealed.inference.nested import NVI, LearntAlphas
from annealed.inference.objectives import Maximise, Objective
from annealed.inference.posteriors import Posterior
from annealed.inference.transitions import ResidualRefinement
from annealed.utils import randomness

SCALE = 5.0  # of q_0 = N(0, 25 I), which is f_0 too
PATH_RATE = 0.1  # of learnt alphas, times the kernels'; at 1 they outrun the kernels


@dataclass(frozen=True)
class Budget:
    """How long a path is trained, by how many seeds, and what scores it."""

    steps: int
    seeds: int = 10
    samples: int = 288  # of one step, shared among the targets
    batches: int = 100  # of the evaluation, ...
    paths: int = 100  # ... and the paths of each
    hidden: int = 50
    rate: float = 1e-3


BUDGETS = {"quick": Budget(steps=150, seeds=2, batches=10), "full": Budget(steps=20_000)}


@dataclass(frozen=True)
class Kind:
    """What sets an objective of the table apart, and its published log Z and ESS by K."""

    objective: str  # elbo, avo, nvi
    published: tuple[tuple[float, float], ...]
    resample: bool = False
    learnt_path: bool = False


COUNTS = (2, 4, 6, 8)  # K, the annealed targets, f_0 and f among them: K - 1 transitions
# log Z and ESS of 100 at each K: Zimmermann et al. 2021 (arXiv 2106.11302), table 1
KINDS = {
    "HVI": Kind("elbo", ((1.86, 51), (1.89, 47), (1.92, 32), (1.72, 25))),
    "AVO": Kind("avo", ((1.86, 51), (1.96, 44), (2.01, 46), (2.05, 46))),
    "NVI": Kind("nvi", ((1.86, 51), (1.97, 45), (2.03, 45), (2.06, 41))),
    "NVIR": Kind("nvi", ((1.86, 51), (1.98, 99), (2.04, 98), (2.06, 97)), resample=True),
    "NVI*": Kind("nvi", ((1.86, 51), (2.06, 51), (2.07, 54), (2.07, 54)), learnt_path=True),
    "NVIR*": Kind("nvi", ((1.86, 51), (2.06, 95), (2.07, 96), (2.08, 97)), True, True),
}


@dataclass(frozen=True)
class Setting:
    """An objective of KINDS, and K."""

    kind: str
    count: int

    @property
    def name(self) -> str:
        """What a person calls it."""
        return f"{self.kind}, K = {self.count}"

    @property
    def published(self) -> tuple[float, float]:
        """The published log Z and ESS."""
        return KINDS[self.kind].published[COUNTS.index(self.count)]

    def posterior(self, hidden: int, seed: int) -> Posterior:
        """The path that it starts with."""
        transitions = self.count - 1
        with randomness.initialisation(seed):
            steps = [ResidualRefinement(2, hidden=hidden) for _ in range(transitions)]
        posterior = Posterior.unconditional(2, SCALE, steps)
        if KINDS[self.kind].learnt_path:
            posterior.alphas = LearntAlphas(transitions, PATH_RATE)
        return posterior

    def objective(self, samples: int) -> Objective:
        """What it maximises, by `samples` draws a step."""
        kind, transitions = KINDS[self.kind], self.count - 1
        if kind.objective == "elbo":
            return Maximise()
        if kind.objective == "avo":
            return AVO(transitions, samples, rho=1.0)
        return NVI(transitions, samples, rho=1.0, resample=kind.resample)


def settings() -> list[Setting]:
    """Every setting of the page; at K = 2 all have one gradient, so HVI alone."""
    pairs = product(KINDS, COUNTS)
    return [Setting(kind, count) for kind, count in pairs if count > 2 or kind == "HVI"]
