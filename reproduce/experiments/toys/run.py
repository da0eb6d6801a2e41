"""Train and score the toy page's cells that have no result yet; one JSON a seed."""

import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch

from annealed.inference.divergence import divergences, energy_distance, histogram, sample
from annealed.inference.fitting import fit_posterior
from annealed.inference.marginal_kl import marginal_kl
from annealed.models import energies, grid_sampler
from annealed.utils import randomness
from annealed.utils.files import replace, replace_json
from reproduce.experiments import paths
from reproduce.experiments.toys.choice import Choice
from reproduce.experiments.toys.design import MASSES, MODES, TARGETS, Family, Setting
from reproduce.scheduling.tasks import read

BINS = 80  # of the histograms, a side
STREAMED = 20_000  # draws of each q_t in the figure of marginals


@dataclass(frozen=True)
class Budget(paths.Budget):
    """And what a sample is scored by: points of it, particles that average its density."""

    points: int = 4000
    particles: int = 10_000


SIZES = {
    "quick": Budget(steps=100, seeds=2, draws=10_000, points=1000, particles=1000),
    "full": Budget(steps=3000),
}


def folder(runs: Path, preset: str, cell: Setting) -> Path:
    """<runs>/toys/<preset>/<energy>/<method>-<T>/<objective>."""
    f = cell.family
    return Path(runs, "toys", preset, cell.target, f"{f.method}-{f.count}", f.objective)


def setup(cell: Setting, size: Budget) -> dict:
    """All that decides a cell's numbers, apart from the seed."""
    numbers = {"target": cell.target, **asdict(cell.family), **asdict(size), "scale": cell.scale()}
    return {name: value for name, value in numbers.items() if name != "seeds"}


def run_family(
    family: Family,
    targets: list[str],
    size: Budget,
    runs: Path,
    preset: str,
    seeds: list[int],
    code: dict,
) -> dict[Setting, list[dict]]:
    """The results of `targets` and `seeds`; those without one are trained side by side.

    `code` is the provenance that is written with them. Forty paths side by side keep a core busy
    without compiling, which takes minutes a graph. Raises UsageError where a result was made by
    another setup.
    """
    known, missing = {}, []
    for cell in (Setting(target, family) for target in targets):
        for seed in seeds:
            path = folder(runs, preset, cell) / f"seed{seed}.json"
            if path.exists():
                known[cell, seed] = read(path, setup(cell, size))
            else:
                missing.append((cell, seed))
    if missing:
        began = time.monotonic()
        drawn = [
            paths.posterior(family.method, family.count, cell.scale(), size.hidden, seed)
            for cell, seed in missing
        ]
        curve = fit_posterior(
            [Choice(cell.target) for cell, _ in missing],
            drawn,
            paths.objective(family.objective.lower(), family.count),
            size.steps,
            samples=size.samples,
            learning_rate=size.rate,
            seed=[seed for _, seed in missing],
            progress=False,
        ).tolist()
        seconds = round(time.monotonic() - began, 1)
        beside = {"seconds": seconds, "trained_beside": len(missing), "provenance": code}
        for index, (cell, seed) in enumerate(missing):
            bounds = [row[index] for row in curve]
            place = folder(runs, preset, cell)
            place.mkdir(parents=True, exist_ok=True)
            known[cell, seed] = {
                **score(cell, size, place, drawn[index], seed),
                "curve": [b if np.isfinite(b) else None for b in bounds],
                **beside,
            }
            replace_json(place / f"seed{seed}.json", known[cell, seed])
    return {c: [known[c, s] for s in seeds] for c in (Setting(t, family) for t in targets)}


@torch.no_grad()
def score(cell: Setting, size: Budget, place: Path, posterior, seed: int) -> dict:
    """The numbers of one trained path; its densities are written to `place`."""
    target = cell.energy()
    _, half, reach, _ = TARGETS[cell.target]
    z, log_w = sample(target, posterior, size.draws, seed)
    numbers = divergences(log_w, target.log_z)
    finite = torch.isfinite(z).all().item()
    numbers["kl_marginal"] = numbers["kl"]  # of a path whose steps are all invertible
    if finite and cell.family.method == "hvi":
        sizes = size.points, size.particles
        numbers |= marginal_kl(target, posterior, target.log_z, *sizes, seed)
    if finite:
        truth, other = (
            grid_sampler.sample(target, reach, size.points, seed, part) for part in (0, 1)
        )
        numbers["energy_distance"] = energy_distance(z[: size.points], truth)
        numbers["noise_floor"] = energy_distance(other, truth)
        if cell.target in MODES:
            masses = energies.mode_masses(z, MODES[cell.target])
            numbers["masses"] = masses.tolist()
            gaps = masses - torch.tensor(MASSES[cell.target])
            numbers["total_variation"] = 0.5 * gaps.abs().sum().item()
    noise = randomness.normal((posterior.num_draws, STREAMED, 1, 2), seed, "pictures", 0)
    path = posterior(torch.ones(1, 1), noise)
    arrays = {
        "d": histogram(z, half, BINS).numpy(),
        "stages": np.stack([histogram(p[:, 0], half, BINS).numpy() for p in path.z]),
    }
    replace(place / f"seed{seed}.npz", lambda f: np.savez_compressed(f, **arrays))
    ended = numbers["kl"] is not None and finite
    status = "finished" if ended else "diverged"
    return {"status": status, "seed": seed, "setup": setup(cell, size), **numbers}
