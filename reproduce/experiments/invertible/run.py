"""Fit and score a toy setting of the page, its seeds side by side."""

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
from reproduce.experiments.invertible.design import OBJECTIVES, WINDOWS, Setting, settings
from reproduce.experiments.paths import Budget
from reproduce.experiments.units import Place, Progress, Unit, of_one_setting

BINS = 80  # of the figures' histograms, a side


def folder(runs: Path, preset: str, setting: Setting) -> Path:
    """<runs>/invertible/<preset>/<target>/<method>-<T>/<objective>."""
    parts = [setting.target, f"{setting.method}-{setting.count}", setting.objective]
    return Path(runs, "invertible", preset, *(re.sub(r"\W+", "-", p).strip("-") for p in parts))


def setup(setting: Setting, budget: Budget) -> dict:
    """All that decides a setting's numbers, apart from the seed."""
    phases = [[name, round(share * budget.steps)] for name, share in OBJECTIVES[setting.objective]]
    numbers = {**asdict(setting), **asdict(budget), "scale": setting.scale(), "phases": phases}
    return {name: value for name, value in numbers.items() if name != "seeds"}


def fit(
    setting: Setting, budget: Budget, place: Place, seeds: list[int], progress: Progress
) -> dict[int, dict]:
    """Train a setting's seeds side by side and score them; densities go beside the results."""
    target, scale = setting.energy(), setting.scale()
    posteriors = [
        paths.posterior(setting.method, setting.count, scale, budget.hidden, seed) for seed in seeds
    ]
    phases = [
        (paths.objective(name, setting.count), steps) for name, steps in place.setup["phases"]
    ]
    options = {"samples": budget.samples, "learning_rate": budget.rate, "progress": progress}
    curve = fit_posterior(target, posteriors, phases, seed=seeds, **options).tolist()
    results = {}
    for index, seed in enumerate(seeds):
        z, log_w = sample(target, posteriors[index], budget.draws, seed)
        numbers = divergences(log_w, target.log_z)
        if setting.target.startswith("four modes"):
            masses = energies.mode_masses(z)
            numbers["masses"] = masses.tolist()
            numbers["total_variation"] = (
                0.5 * (masses - torch.tensor(energies.MASSES)).abs().sum().item()
            )
        if setting.target in WINDOWS:
            density = histogram(z, WINDOWS[setting.target], BINS).numpy()
            replace(place.arrays(seed), lambda f, d=density: np.savez_compressed(f, d=d))
        bounds = [row[index] for row in curve]
        results[seed] = {
            "status": "finished" if numbers["kl"] is not None else "diverged",
            **numbers,
            "curve": [b if np.isfinite(b) else None for b in bounds],
        }
    return results


def unit(setting: Setting, budget: Budget, runs: Path, preset: str) -> Unit:
    """A setting as a unit of the page."""
    place = Place(
        folder(runs, preset, setting),
        setup(setting, budget),
        ("d",) if setting.target in WINDOWS else (),
    )
    return of_one_setting(setting.name, setting, place, partial(fit, setting, budget, place))


def units(budget: Budget, runs: Path, preset: str) -> list[Unit]:
    """Every unit of the page."""
    return [unit(setting, budget, runs, preset) for setting in settings()]
