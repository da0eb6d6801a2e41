"""Fit and score what the page has on the ring and on toys; weigh the steps of MNIST's rows."""

from collections.abc import Hashable, Iterator
from dataclasses import asdict
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from annealed.evaluation.energy_score import bounds, marginal, quality
from annealed.inference.divergence import sample
from annealed.inference.fitting import fit_posterior
from annealed.inference.objectives import Objective, path_terms
from annealed.inference.posteriors import Posterior
from annealed.models import catalogue, energies
from annealed.models.targets import Energy
from annealed.utils import randomness
from annealed.utils.errors import Diverged
from reproduce.experiments import paths
from reproduce.experiments.nested import design as nested
from reproduce.experiments.nested.run import measures
from reproduce.experiments.successors import cost
from reproduce.experiments.successors.design import (
    ENERGIES,
    LEARNT_KERNELS,
    ROWS,
    TRANSITIONS,
    Budget,
    Cost,
    Ring,
    Steps,
    Toy,
    objective,
    rings,
    successor,
    toys,
)
from reproduce.experiments.units import Pairs, Place, Progress, Unit, of_one_setting


def setup(setting: Ring | Toy | Cost, budget: nested.Budget | paths.Budget | Steps) -> dict:
    """All that decides a setting's numbers, apart from the seed."""
    numbers = {**asdict(setting), **asdict(budget)}
    if isinstance(setting, Toy):
        dim = ENERGIES[setting.energy][1]
        scale = catalogue.toy(setting.energy, dim).scale
        numbers |= {"dim": dim, "count": TRANSITIONS, "scale": scale}
    if isinstance(setting, Cost):
        numbers["data"] = "random images of 784 pixels"
    return {name: value for name, value in numbers.items() if name != "seeds"}


def fit_ring(
    setting: Ring, budget: nested.Budget, seeds: list[int], progress: Progress
) -> dict[int, dict]:
    """Train a setting's seeds side by side as the nested page does, and score them as it does."""
    target, transitions = energies.ring(), setting.count - 1
    size = transitions, target, 2, nested.SCALE, budget.hidden
    posteriors = [successor(setting.method, *size, seed) for seed in seeds]
    samples = budget.samples // setting.count
    maximised = objective(setting.method, transitions, samples)
    train(target, posteriors, maximised, budget, samples, seeds, progress)
    pairs = zip(seeds, posteriors, strict=True)
    return {seed: score_ring(budget, target, q, seed) for seed, q in pairs}


@torch.no_grad()
def score_ring(budget: nested.Budget, target: Energy, posterior: Posterior, seed: int) -> dict:
    """What `nested.run.score` gives of a path without resampling, by the same noise."""
    shape = (posterior.num_draws, budget.paths, budget.batches, 2)
    x = torch.ones(budget.batches, 1)
    path = posterior(x, randomness.normal(shape, seed, "evaluate", 0))
    alphas = posterior.alphas() if posterior.annealed else torch.ones(1)
    return measures(path_terms(target, x, path).log_weight(), path.z[-1], alphas)


def fit_toy(
    setting: Toy, budget: paths.Budget, seeds: list[int], progress: Progress
) -> dict[int, dict]:
    """Train a setting's seeds side by side as the toy page does, and score them."""
    toy = catalogue.toy(setting.energy, ENERGIES[setting.energy][1])
    posteriors = [start(setting, toy, budget.hidden, seed) for seed in seeds]
    maximised = objective(setting.method, TRANSITIONS, budget.samples)
    train(toy.energy, posteriors, maximised, budget, budget.samples, seeds, progress)
    pairs = zip(seeds, posteriors, strict=True)
    return {seed: score_toy(toy, q, budget.draws, seed) for seed, q in pairs}


def start(setting: Toy, toy: catalogue.Toy, hidden: int, seed: int) -> Posterior:
    """The path that a setting starts with; HVI's kernels are those of the toy page."""
    dim = ENERGIES[setting.energy][1]
    if setting.method in LEARNT_KERNELS:
        return paths.posterior("hvi", TRANSITIONS, [toy.scale] * dim, hidden, seed)
    size = TRANSITIONS, toy.energy, dim, toy.scale, hidden
    return successor(setting.method, *size, seed)


def score_toy(toy: catalogue.Toy, posterior: Posterior, draws: int, seed: int) -> dict:
    """What a run of `data.name=toy` is scored by."""
    z, log_w = sample(toy.energy, posterior, draws, seed)
    if not z.isfinite().all():
        return {"status": "diverged"}
    try:
        numbers = bounds(toy, log_w)
    except Diverged:
        return {"status": "diverged"}
    numbers |= marginal(posterior, toy, numbers, draws, seed) | quality(toy, z, seed)
    if toy.modes:
        gaps = torch.tensor(numbers["mode_masses"]) - torch.tensor(toy.masses)
        numbers["total_variation"] = 0.5 * gaps.abs().sum().item()
    return {"status": "finished", **numbers}


def train(
    target: Energy,
    posteriors: list[Posterior],
    maximised: Objective,
    budget: nested.Budget | paths.Budget,
    samples: int,
    seeds: list[int],
    progress: Progress,
) -> Tensor:
    """Train the posteriors of `seeds` side by side; returns the curve."""
    sizes = {"samples": samples, "learning_rate": budget.rate, "seed": seeds}
    return fit_posterior(target, posteriors, maximised, budget.steps, **sizes, progress=progress)


def weigh(budget: Steps, missing: Pairs, progress: Progress) -> Iterator[dict]:
    """The cost of each pair's row, all rows measured in turns once a seed."""
    seeds = list(dict.fromkeys(seed for _, seed in missing))
    measured = {}
    for done, seed in enumerate(seeds):
        measured[seed] = cost.measure(ROWS, budget, seed)
        progress(done + 1, len(seeds))
    yield from ({"status": "finished", **measured[seed][s.row]} for s, seed in missing)


def units(budget: Budget, runs: Path, preset: str) -> list[Unit]:
    """Every unit of the page: a setting each, but of the costs all together."""
    root, made = Path(runs, "successors", preset), []
    for setting in rings():
        folder = root / "ring" / setting.method / f"K{setting.count}"
        made.append(unit(setting, budget.ring, folder, fit_ring))
    for setting in toys():
        made.append(unit(setting, budget.toys, root / setting.energy / setting.method, fit_toy))
    rows: dict[Hashable, Place] = {
        Cost(row): Place(root / "cost" / row, setup(Cost(row), budget.cost)) for row in ROWS
    }
    return [*made, Unit("cost", root / "cost", rows, partial(weigh, budget.cost))]


def unit(setting: Ring | Toy, budget: nested.Budget | paths.Budget, folder: Path, fit) -> Unit:
    """The unit of a setting, whose results are in `folder`."""
    place = Place(folder, setup(setting, budget))
    return of_one_setting(setting.name, setting, place, partial(fit, setting, budget))
