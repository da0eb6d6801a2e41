"""Seeds of the toy model side by side: T = 10 refinements in the plane under AVO."""

import torch

from annealed import energies, randomness
from annealed.replicas import Replicas
from reproduce import toy
from reproduce.benchmark.timing import Case

STEPS, HIDDEN, BATCH = 10, 32, 128  # T, units, points a step


def training(seeds: int, steps: int, device: torch.device, fast: bool = False) -> Case:
    """`steps` steps of `seeds` seeds side by side."""
    target, avo = energies.energy("d"), toy.objective("avo", STEPS)
    paths = [toy.posterior("hvi", STEPS, [2.0, 2.0], HIDDEN, seed) for seed in range(seeds)]
    replicas = Replicas([toy.Toy(target, path, avo).to(device) for path in paths], fast)
    adam = torch.optim.Adam(replicas.parameters(), 1e-3, fused=True)
    shape = (STEPS + 1, BATCH, 1, 2)

    def case() -> None:
        for step in range(steps):
            draws = [
                randomness.normal(shape, seed, "posterior", step, device=device)
                for seed in range(seeds)
            ]
            replicas.backward((torch.stack(draws),), 1.0)
            adam.step()

    return case
