"""Seeds of the toy model side by side: T = 10 refinements in the plane under AVO."""

import torch

from annealed import energies, randomness
from annealed.replicas import Replicas
from annealed.whole_step import whole_steps
from reproduce import toy
from reproduce.benchmark.timing import Case

STEPS, HIDDEN, BATCH = 10, 32, 128  # T, units, points a step
RATE = 1e-3


def training(seeds: int, steps: int, device: torch.device, fast: bool = False) -> Case:
    """`steps` steps of `seeds` seeds side by side."""
    target, avo = energies.energy("d"), toy.objective("avo", STEPS)
    paths = [toy.posterior("hvi", STEPS, [2.0, 2.0], HIDDEN, seed) for seed in range(seeds)]
    replicas = Replicas([toy.Toy(target, path, avo).to(device) for path in paths])
    whole = whole_steps(replicas) if fast else None
    adam = torch.optim.Adam(replicas.parameters(), RATE, fused=True)
    shape = (STEPS + 1, BATCH, 1, 2)

    def case() -> None:
        for step in range(steps):
            draws = [
                randomness.normal(shape, seed, "posterior", step, device=device)
                for seed in range(seeds)
            ]
            own = (torch.stack(draws),)
            if whole:
                whole.take(adam, RATE, own, (1.0,))
            else:
                replicas.backward(own, 1.0)
                adam.step()

    return case
