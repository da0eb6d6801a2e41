"""Fit and score a family of the toy page: every energy and seed side by side."""

import time
from collections.abc import Iterator
from dataclasses import asdict
from functools import partial
from pathlib import Path

import numpy as np
import torch

from annealed.inference.divergence import divergences, energy_distance, histogram, sample
from annealed.inference.fitting import fit_posterior
from annealed.inference.marginal_kl import marginal_kl
from annealed.inference.posteriors import Posterior
from annealed.models import energies, grid_sampler
from annealed.utils import randomness
from annealed.utils.files import replace
from reproduce.experiments import paths
from reproduce.experiments.toys.choice import Choice
from reproduce.experiments.toys.design import (
    MARGINALS,
    MASSES,
    MODES,
    TARGETS,
    Budget,
    Family,
    Setting,
    families,
)
from reproduce.experiments.units import Pairs, Place, Progress, Unit

BINS = 80  # of the histograms, a side
STREAMED = 20_000  # draws of each q_t in the figure of marginals


def folder(runs: Path, preset: str, setting: Setting) -> Path:
    """<runs>/toys/<preset>/<energy>/<method>-<T>/<objective>."""
    f = setting.family
    return Path(runs, "toys", preset, setting.target, f"{f.method}-{f.count}", f.objective)


def setup(setting: Setting, budget: Budget) -> dict:
    """All that decides a setting's numbers, apart from the seed."""
    numbers = {"target": setting.target, **asdict(setting.family), **asdict(budget)}
    numbers["scale"] = setting.scale()
    return {name: value for name, value in numbers.items() if name != "seeds"}


def shown(setting: Setting) -> tuple[str, ...]:
    """The arrays that figures show: a setting's density, and of a few settings every marginal."""
    of_marginals = setting.target == MARGINALS[setting.family.method]
    return ("d", "stages") if of_marginals else ("d",)


def units(
    budget: Budget, runs: Path, preset: str, targets: tuple[str, ...] = tuple(TARGETS)
) -> list[Unit]:
    """A unit a family; its log is in <runs>/toys/<preset>/<method>-<T>/<objective>."""
    made = []
    for family in families():
        settings = [Setting(target, family) for target in targets]
        places = {s: Place(folder(runs, preset, s), setup(s, budget), shown(s)) for s in settings}
        log = Path(runs, "toys", preset, f"{family.method}-{family.count}", family.objective)
        made.append(Unit(family.label, log, places, partial(fit, family, budget, places)))
    return made


def fit(
    family: Family,
    budget: Budget,
    places: dict[Setting, Place],
    missing: Pairs,
    progress: Progress,
) -> Iterator[dict]:
    """Train the missing pairs of a setting and a seed side by side, then score each.

    Forty paths side by side keep a core busy without compiling, which takes minutes a graph.
    """
    began = time.monotonic()
    posteriors = [
        paths.posterior(family.method, family.count, setting.scale(), budget.hidden, seed)
        for setting, seed in missing
    ]
    curve = fit_posterior(
        [Choice(setting.target) for setting, _ in missing],
        posteriors,
        paths.objective(family.objective.lower(), family.count),
        budget.steps,
        samples=budget.samples,
        learning_rate=budget.rate,
        seed=[seed for _, seed in missing],
        progress=progress,
    ).tolist()
    seconds = round(time.monotonic() - began, 1)
    for index, (setting, seed) in enumerate(missing):
        bounds = [row[index] for row in curve]
        yield {
            **score(setting, budget, places[setting], posteriors[index], seed),
            "curve": [b if np.isfinite(b) else None for b in bounds],
            "seconds": seconds,
            "trained_beside": len(missing),
        }


@torch.no_grad()
def score(setting: Setting, budget: Budget, place: Place, posterior: Posterior, seed: int) -> dict:
    """The numbers of one trained path; its densities are written beside them."""
    target = setting.energy()
    _, half, reach, _ = TARGETS[setting.target]
    z, log_w = sample(target, posterior, budget.draws, seed)
    numbers = divergences(log_w, target.log_z)
    finite = torch.isfinite(z).all().item()
    numbers["kl_marginal"] = numbers["kl"]  # of a path whose steps are all invertible
    if finite and setting.family.method in paths.REFINEMENTS:
        counts = budget.points, budget.particles
        numbers |= marginal_kl(target, posterior, target.log_z, *counts, seed)
    if finite:
        truth, other = (
            grid_sampler.sample(target, reach, budget.points, seed, part) for part in (0, 1)
        )
        numbers["energy_distance"] = energy_distance(z[: budget.points], truth)
        numbers["noise_floor"] = energy_distance(other, truth)
        if setting.target in MODES:
            masses = energies.mode_masses(z, MODES[setting.target])
            numbers["masses"] = masses.tolist()
            gaps = masses - torch.tensor(MASSES[setting.target])
            numbers["total_variation"] = 0.5 * gaps.abs().sum().item()
    noise = randomness.normal((posterior.num_draws, STREAMED, 1, 2), seed, "pictures", 0)
    path = posterior(torch.ones(1, 1), noise)
    arrays = {
        "d": histogram(z, half, BINS).numpy(),
        "stages": np.stack([histogram(p[:, 0], half, BINS).numpy() for p in path.z]),
    }
    replace(place.arrays(seed), lambda f: np.savez_compressed(f, **arrays))
    ended = numbers["kl"] is not None and finite
    return {"status": "finished" if ended else "diverged", **numbers}
