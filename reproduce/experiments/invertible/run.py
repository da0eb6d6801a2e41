"""The toy cells as tasks: how each is trained and scored."""

import re
from dataclasses import asdict
from functools import partial
from pathlib import Path

import numpy as np
import torch

from annealed.inference.divergence import divergences, histogram, sample
from annealed.inference.fitting import fit_posterior
from annealed.models import energies
from annealed.utils.files import replace
from reproduce.experiments import paths
from reproduce.experiments.invertible.design import OBJECTIVES, WINDOWS, Setting
from reproduce.experiments.paths import Budget
from reproduce.scheduling.tasks import Task

BINS = 80  # of the figures' histograms, a side


SIZES = {"quick": Budget(steps=200, seeds=3, draws=20_000), "full": Budget(steps=2000)}


def folder(runs: Path, preset: str, cell: Setting) -> Path:
    """<runs>/invertible/<preset>/<target>/<method>-<T>/<objective>."""
    parts = [cell.target, f"{cell.method}-{cell.count}", cell.objective]
    return Path(runs, "invertible", preset, *(re.sub(r"\W+", "-", p).strip("-") for p in parts))


def setup(cell: Setting, size: Budget) -> dict:
    """All that decides a cell's numbers, apart from the seed."""
    phases = [[name, round(share * size.steps)] for name, share in OBJECTIVES[cell.objective]]
    numbers = {**asdict(cell), **asdict(size), "scale": cell.scale(), "phases": phases}
    return {name: value for name, value in numbers.items() if name != "seeds"}


def make(cell: Setting, size: Budget, place: Path, seeds: list[int]) -> dict[int, dict]:
    """Train a cell's seeds side by side and score them; densities go to .npz in `place`."""
    target, scale = cell.energy(), cell.scale()
    drawn = [paths.posterior(cell.method, cell.count, scale, size.hidden, seed) for seed in seeds]
    goals = setup(cell, size)["phases"]
    phases = [(paths.objective(name, cell.count), length) for name, length in goals]
    settings = {"samples": size.samples, "learning_rate": size.rate, "progress": False}
    curve = fit_posterior(target, drawn, phases, seed=seeds, **settings).tolist()
    results = {}
    for index, seed in enumerate(seeds):
        z, log_w = sample(target, drawn[index], size.draws, seed)
        numbers = divergences(log_w, target.log_z)
        if cell.target.startswith("four modes"):
            masses = energies.mode_masses(z)
            numbers["masses"] = masses.tolist()
            numbers["total_variation"] = (
                0.5 * (masses - torch.tensor(energies.MASSES)).abs().sum().item()
            )
        if cell.target in WINDOWS:
            density = histogram(z, WINDOWS[cell.target], BINS).numpy()
            replace(place / f"seed{seed}.npz", lambda f, d=density: np.savez_compressed(f, d=d))
        bounds = [row[index] for row in curve]
        results[seed] = {
            "status": "finished" if numbers["kl"] is not None else "diverged",
            **numbers,
            "curve": [b if np.isfinite(b) else None for b in bounds],
        }
    return results


def task(cell: Setting, size: Budget, runs: Path, preset: str) -> Task:
    """A cell as a task of the page."""
    place = folder(runs, preset, cell)
    return Task(cell.name, place, setup(cell, size), partial(make, cell, size, place))
