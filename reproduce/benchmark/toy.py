"""Seeds of the toy model side by side: T = 10 refinements in the plane under AVO."""

import torch

from annealed.inference.bound import Bound
from annealed.inference.fitting import PosteriorFit
from annealed.models import energies
from reproduce.experiments import paths
from reproduce.results.timing import Case

TRANSITIONS, HIDDEN, BATCH = 10, 32, 128  # T, units, points a step


def training(seeds: int, steps: int, device: torch.device, fast: bool = False) -> Case:
    """`steps` steps of `seeds` seeds side by side."""
    target, avo = energies.energy("d"), paths.objective("avo", TRANSITIONS)
    drawn = [paths.posterior("hvi", TRANSITIONS, [2.0, 2.0], HIDDEN, s) for s in range(seeds)]
    bounds = [Bound(target, path).to(device) for path in drawn]
    fit = PosteriorFit(bounds, list(range(seeds)), samples=BATCH, compile=fast)

    def case() -> None:
        fit.run([(avo, steps)], progress=False)

    return case
