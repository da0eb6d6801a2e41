"""The toy cells as tasks: how each is trained and scored."""

import re
from dataclasses import asdict
from functools import partial
from pathlib import Path

import numpy as np

from annealed import energies
from annealed.files import replace
from annealed.replicas import Replicas
from reproduce import toy, toy_score
from reproduce.invertible.grid import OBJECTIVES, WINDOWS, ToyCell
from reproduce.tasks import Task
from reproduce.toy import Size

BINS = 80  # of the figures' histograms, a side


SIZES = {"quick": Size(steps=200, seeds=3, draws=20_000), "full": Size(steps=2000)}


def folder(runs: Path, preset: str, cell: ToyCell) -> Path:
    """<runs>/invertible/<preset>/<target>/<method>-<T>/<objective>."""
    parts = [cell.target, f"{cell.method}-{cell.count}", cell.objective]
    return Path(runs, "invertible", preset, *(re.sub(r"\W+", "-", p).strip("-") for p in parts))


def setup(cell: ToyCell, size: Size) -> dict:
    """All that decides a cell's numbers, apart from the seed."""
    phases = [[name, round(share * size.steps)] for name, share in OBJECTIVES[cell.objective]]
    numbers = {**asdict(cell), **asdict(size), "scale": cell.scale(), "phases": phases}
    return {name: value for name, value in numbers.items() if name != "seeds"}


def make(cell: ToyCell, size: Size, place: Path, seeds: list[int]) -> dict[int, dict]:
    """Train a cell's seeds side by side and score them; densities go to .npz in `place`."""
    target, scale = cell.energy(), cell.scale()
    drawn = [toy.posterior(cell.method, cell.count, scale, size.hidden, seed) for seed in seeds]
    replicas = Replicas([toy.Toy(target, posterior) for posterior in drawn])
    goals = setup(cell, size)["phases"]
    phases = [(toy.objective(name, cell.count), length) for name, length in goals]
    curve = toy.train(replicas, phases, seeds, size.samples, size.rate)
    results = {}
    for index, seed in enumerate(seeds):
        z, log_w = toy_score.draw(target, drawn[index], len(scale), size.draws, seed)
        numbers = toy_score.divergences(log_w, target.log_z)
        if cell.target.startswith("four modes"):
            masses = energies.mode_masses(z)
            numbers["masses"] = masses.tolist()
            numbers["total_variation"] = toy_score.total_variation(masses)
        if cell.target in WINDOWS:
            density = toy_score.histogram(z, WINDOWS[cell.target], BINS).numpy()
            replace(place / f"seed{seed}.npz", lambda f, d=density: np.savez_compressed(f, d=d))
        bounds = [row[index] for row in curve]
        results[seed] = {
            "status": "finished" if numbers["kl"] is not None else "diverged",
            **numbers,
            "curve": [b if np.isfinite(b) else None for b in bounds],
        }
    return results


def task(cell: ToyCell, size: Size, runs: Path, preset: str) -> Task:
    """A cell as a task of the page."""
    place = folder(runs, preset, cell)
    return Task(cell.name, place, setup(cell, size), partial(make, cell, size, place))
