"""The rows of the section and the noises at which each is trained."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

from annealed.data import digits
from annealed.inference import schedules
from annealed.inference.avo import AVO
from annealed.inference.bound import Bound
from annealed.inference.normal import Normal
from annealed.inference.objectives import Maximise, Objective, iwae
from annealed.inference.posteriors import Posterior
from annealed.inference.transitions import Refinement
from annealed.models.targets import LinearGaussian
from annealed.utils import randomness
from reproduce.experiments.collapse.linear.optimum import Spectrum

ROWS = ("ELBO", "ELBO, warm-up", "ELBO, cyclical", "IWAE", "HVI", "HVI-AVO")
LATENT = 12
ACTIVE = (12, 10, 7, 5, 4, 3, 0)  # active latents at the optimum, a noise each
TRANSITIONS = 5  # of HVI and HVI-AVO
WARM_UP, CYCLES = 0.25, 4  # share of the steps; cycles over all steps


@dataclass(frozen=True)
class Budget:
    """How many seeds, how long, how wide, by how many draws scored."""

    seeds: int
    steps: int
    active: tuple[int, ...] = ACTIVE
    batch: int = 100
    iwae_samples: int = 5  # the other rows draw one
    draws: int = 200  # S of the evaluation
    counted: int = 500  # images of the evaluation
    hidden: int = 32  # of a refinement
    rate: float = 1e-2

    def samples(self, row: str) -> int:
        """S, draws an example and step."""
        return self.iwae_samples if row == "IWAE" else 1


BUDGETS = {
    "quick": Budget(seeds=2, steps=3000, active=(10, 4, 0)),
    "full": Budget(seeds=5, steps=12_000),
}


class LinearHead(nn.Module):
    """q(z | x) = N(V x + c, diag(s^2)) with one s for all x, as in Lucas et al. 2019."""

    def __init__(self, features: int, dim: int):
        super().__init__()
        self.mean = nn.Linear(features, dim)
        self.log_scale = nn.Parameter(torch.zeros(dim))

    def forward(self, context: Tensor) -> Normal:
        """(B, X) -> Normal with loc and scale (B, D)."""
        loc = self.mean(context)
        return Normal(loc, self.log_scale.exp().expand_as(loc))


def data() -> Tensor:
    """The pixels of the digits' training images, in [0, 1]: (1297, 64) in float64."""
    return digits.load(0)[0].double() / 255.0


def variances(spectrum: Spectrum, active: tuple[int, ...]) -> list[float]:
    """Noise variances at which the optimum has so many active latents.

    Halfway, in the logarithm, between eigenvalue k and the next; for k = 0 half again the first.
    """
    values = spectrum.values.tolist()
    return [(values[k - 1] * values[k]) ** 0.5 if k else 1.5 * values[0] for k in active]


def beta(row: str, steps: int) -> Callable[[int], float]:
    """The weight of the rate at each step of a row."""
    if row == "ELBO, warm-up":
        return partial(schedules.linear_warmup, warmup_steps=round(WARM_UP * steps))
    if row == "ELBO, cyclical":
        return partial(schedules.cyclical, total=steps, cycles=CYCLES)
    return lambda step: 1.0


def objective(row: str, samples: int) -> Objective:
    """What a row maximises."""
    if row == "HVI-AVO":
        return AVO(TRANSITIONS, samples)
    return Maximise(iwae, samples) if row == "IWAE" else Maximise(samples=samples)


def member(row: str, budget: Budget, seed: int, variance: float, features: int) -> Bound:
    """A row of one seed and noise before training; all rows of a seed start from the same model."""
    with randomness.initialisation(seed, 0):
        weight = nn.Linear(LATENT, features).weight.detach()
    with randomness.initialisation(seed, 1):
        head = LinearHead(features, LATENT)
    with randomness.initialisation(seed, 2):
        count = TRANSITIONS if row.startswith("HVI") else 0
        steps = [Refinement(LATENT, features, budget.hidden) for _ in range(count)]
    target = LinearGaussian(weight, torch.zeros(features), variance**0.5)
    q = Posterior(nn.Identity(), head, steps)
    return Bound(target, q, objective(row, budget.samples(row)))
