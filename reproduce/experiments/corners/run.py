"""The cells as tasks: how each is trained and scored."""

import time
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch

from annealed.inference.avo import AVO
from annealed.inference.divergence import divergences, energy_distance, histogram, sample
from annealed.inference.fitting import fit_posterior
from annealed.inference.marginal_kl import marginal_kl
from annealed.utils.files import replace
from reproduce.experiments import paths
from reproduce.experiments.corners.design import Setting
from reproduce.experiments.corners.targets import Target, target
from reproduce.scheduling.tasks import Task

BINS = 80  # of the figures' histograms, a side


@dataclass(frozen=True)
class Budget(paths.Budget):
    """And what a sample is scored by: points of it, particles that average its density."""

    points: int = 3000
    particles: int = 10_000
    hidden: int = 64


SIZES = {
    "quick": Budget(steps=200, seeds=2, draws=10_000, points=500, particles=500),
    "full": Budget(steps=2000),
}


def name(cell: Setting) -> str:
    """What a person calls a cell."""
    kind = "" if cell.alphas == "linear" and cell.first is None else f", {cell.alphas} {cell.first}"
    phases = ", then ".join(f"rho {rho:g} for {share:g}" for rho, share in cell.phases)
    return f"{cell.target}, T={cell.count}, {phases}{kind}"


def folder(runs: Path, preset: str, cell: Setting) -> Path:
    """<runs>/corners/<preset>/<target>/T<count>/<phases and alphas>."""
    parts = [f"rho{rho:g}x{share:g}" for rho, share in cell.phases] + [cell.alphas]
    parts += [] if cell.first is None else [f"{cell.first:g}"]
    place = "".join(c if c.isalnum() else "-" for c in cell.target)
    return Path(runs, "corners", preset, place, f"T{cell.count}", "-".join(parts))


def setup(cell: Setting, size: Budget) -> dict:
    """All that decides a cell's numbers, apart from the seed."""
    phases = [[rho, round(share * size.steps)] for rho, share in cell.phases]
    numbers = {**asdict(cell), **asdict(size), "scale": target(cell.target).scale}
    return {key: value for key, value in numbers.items() if key != "seeds"} | {"phases": phases}


def objective(cell: Setting, rho: float) -> AVO:
    """AVO on a random share `rho` of the steps, the ELBO on the rest."""
    return AVO(cell.count, rho=rho, alphas=cell.alphas, first_alpha=cell.first)


def make(cell: Setting, size: Budget, place: Path, seeds: list[int]) -> dict[int, dict]:
    """Train a cell's seeds side by side and score them; densities go to .npz in `place`."""
    goal = target(cell.target)
    drawn = [paths.posterior("hvi", cell.count, goal.scale, size.hidden, seed) for seed in seeds]
    phases = [(objective(cell, rho), steps) for rho, steps in setup(cell, size)["phases"]]
    began = time.process_time()
    settings = {"samples": size.samples, "learning_rate": size.rate, "progress": False}
    curve = fit_posterior(goal.energy, drawn, phases, seed=seeds, **settings).tolist()
    cost = (time.process_time() - began) / len(seeds)
    results = {}
    for index, seed in enumerate(seeds):
        numbers, density = score(goal, drawn[index], size, seed)
        if density is not None:
            replace(place / f"seed{seed}.npz", lambda f, d=density: np.savez_compressed(f, d=d))
        bounds = [row[index] for row in curve]
        results[seed] = {
            **numbers,
            "training_cpu_seconds": round(cost, 2),
            "curve": [b if np.isfinite(b) else None for b in bounds],
        }
    return results


def score(goal: Target, posterior, size: Budget, seed: int) -> tuple[dict, np.ndarray | None]:
    """The numbers of one trained path, and its density in the plane of the figures (BINS, BINS)."""
    z, log_w = sample(goal.energy, posterior, size.draws, seed)
    numbers = divergences(log_w, goal.energy.log_z)
    if numbers["kl"] is None or not torch.isfinite(z).all():
        return {"status": "diverged", **numbers}, None
    sizes = size.points, size.particles
    numbers |= marginal_kl(goal.energy, posterior, goal.energy.log_z, *sizes, seed)
    truth, other = (goal.sample(size.points, seed, part) for part in (0, 1))
    numbers["energy_distance"] = energy_distance(z[: size.points], truth)
    numbers["noise_floor"] = energy_distance(other, truth)
    shares, masses = goal.shares(z), torch.tensor(goal.masses)
    numbers["shares"] = shares.tolist()
    gaps = shares - masses  # what is in no region is one more
    numbers["total_variation"] = 0.5 * (gaps.abs().sum() + gaps.sum().abs()).item()
    numbers["found"] = int((shares >= 0.1 * masses).sum())
    density = histogram(goal.view(z).contiguous(), goal.half_width, BINS).numpy()
    return {"status": "finished", **numbers}, density


def task(cell: Setting, size: Budget, runs: Path, preset: str) -> Task:
    """A cell as a task of the page."""
    place = folder(runs, preset, cell)
    return Task(name(cell), place, setup(cell, size), partial(make, cell, size, place))
