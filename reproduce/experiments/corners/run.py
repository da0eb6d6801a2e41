"""Fit and score a setting of the page, its seeds side by side."""

import time
from dataclasses import asdict
from functools import partial
from pathlib import Path

import numpy as np
import torch

from annealed.inference.avo import AVO
from annealed.inference.divergence import divergences, energy_distance, histogram, sample
from annealed.inference.fitting import fit_posterior
from annealed.inference.marginal_kl import marginal_kl
from annealed.inference.posteriors import Posterior
from annealed.utils.files import replace
from reproduce.experiments import paths
from reproduce.experiments.corners.design import Budget, Setting, settings
from reproduce.experiments.corners.targets import Target, target
from reproduce.experiments.units import Place, Progress, Unit, of_one_setting

BINS = 80  # of the figures' histograms, a side


def folder(runs: Path, preset: str, setting: Setting) -> Path:
    """<runs>/corners/<preset>/<target>/T<count>/<phases and alphas>."""
    parts = [f"rho{rho:g}x{share:g}" for rho, share in setting.phases] + [setting.alphas]
    parts += [] if setting.first is None else [f"{setting.first:g}"]
    slug = "".join(c if c.isalnum() else "-" for c in setting.target)
    return Path(runs, "corners", preset, slug, f"T{setting.count}", "-".join(parts))


def setup(setting: Setting, budget: Budget) -> dict:
    """All that decides a setting's numbers, apart from the seed."""
    phases = [[rho, round(share * budget.steps)] for rho, share in setting.phases]
    numbers = {**asdict(setting), **asdict(budget), "scale": target(setting.target).scale}
    return {key: value for key, value in numbers.items() if key != "seeds"} | {"phases": phases}


def objective(setting: Setting, rho: float) -> AVO:
    """AVO on a random share `rho` of the steps, the ELBO on the rest."""
    return AVO(setting.count, rho=rho, alphas=setting.alphas, first_alpha=setting.first)


def fit(
    setting: Setting, budget: Budget, place: Place, seeds: list[int], progress: Progress
) -> dict[int, dict]:
    """Train a setting's seeds side by side and score them; densities go beside the results."""
    goal = target(setting.target)
    posteriors = [
        paths.posterior("hvi", setting.count, goal.scale, budget.hidden, seed) for seed in seeds
    ]
    phases = [(objective(setting, rho), steps) for rho, steps in place.setup["phases"]]
    began = time.process_time()
    options = {"samples": budget.samples, "learning_rate": budget.rate, "progress": progress}
    curve = fit_posterior(goal.energy, posteriors, phases, seed=seeds, **options).tolist()
    cost = (time.process_time() - began) / len(seeds)
    results = {}
    for index, seed in enumerate(seeds):
        numbers, density = score(goal, posteriors[index], budget, seed)
        if density is not None:
            replace(place.arrays(seed), lambda f, d=density: np.savez_compressed(f, d=d))
        bounds = [row[index] for row in curve]
        results[seed] = {
            **numbers,
            "training_cpu_seconds": round(cost, 2),
            "curve": [b if np.isfinite(b) else None for b in bounds],
        }
    return results


def score(
    goal: Target, posterior: Posterior, budget: Budget, seed: int
) -> tuple[dict, np.ndarray | None]:
    """The numbers of one trained path, and its density in the plane of the figures (BINS, BINS)."""
    z, log_w = sample(goal.energy, posterior, budget.draws, seed)
    numbers = divergences(log_w, goal.energy.log_z)
    if numbers["kl"] is None or not torch.isfinite(z).all():
        return {"status": "diverged", **numbers}, None
    counts = budget.points, budget.particles
    numbers |= marginal_kl(goal.energy, posterior, goal.energy.log_z, *counts, seed)
    truth, other = (goal.sample(budget.points, seed, part) for part in (0, 1))
    numbers["energy_distance"] = energy_distance(z[: budget.points], truth)
    numbers["noise_floor"] = energy_distance(other, truth)
    shares, masses = goal.shares(z), torch.tensor(goal.masses)
    numbers["shares"] = shares.tolist()
    gaps = shares - masses  # what is in no region is one more
    numbers["total_variation"] = 0.5 * (gaps.abs().sum() + gaps.sum().abs()).item()
    numbers["found"] = int((shares >= 0.1 * masses).sum())
    density = histogram(goal.view(z).contiguous(), goal.half_width, BINS).numpy()
    return {"status": "finished", **numbers}, density


def unit(setting: Setting, budget: Budget, runs: Path, preset: str) -> Unit:
    """A setting as a unit of the page."""
    place = Place(folder(runs, preset, setting), setup(setting, budget), ("d",))
    return of_one_setting(setting.name, setting, place, partial(fit, setting, budget, place))


def units(budget: Budget, runs: Path, preset: str) -> list[Unit]:
    """Every unit of the page."""
    return [unit(setting, budget, runs, preset) for setting in settings()]
