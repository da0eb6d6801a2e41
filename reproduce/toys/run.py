"""Train and score the toy page's cells that have no result yet; one JSON a seed."""

import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch

from annealed import energies, randomness
from annealed.files import replace, replace_json
from annealed.marginal import marginal_kl
from annealed.replicas import Replicas
from reproduce import exact, toy, toy_score
from reproduce.tasks import read
from reproduce.toys.choice import Choice
from reproduce.toys.grid import MASSES, MODES, TARGETS, Cell, Family

BINS = 80  # of the histograms, a side
STREAMED = 20_000  # draws of each q_t in the figure of marginals


@dataclass(frozen=True)
class Size(toy.Size):
    """And what a sample is scored by: points of it, particles that average its density."""

    points: int = 4000
    particles: int = 10_000


SIZES = {
    "quick": Size(steps=100, seeds=2, draws=10_000, points=1000, particles=1000),
    "full": Size(steps=3000),
}


def folder(runs: Path, preset: str, cell: Cell) -> Path:
    """<runs>/toys/<preset>/<energy>/<method>-<T>/<objective>."""
    f = cell.family
    return Path(runs, "toys", preset, cell.target, f"{f.method}-{f.count}", f.objective)


def setup(cell: Cell, size: Size) -> dict:
    """All that decides a cell's numbers, apart from the seed."""
    numbers = {"target": cell.target, **asdict(cell.family), **asdict(size), "scale": cell.scale()}
    return {name: value for name, value in numbers.items() if name != "seeds"}


def run_family(
    family: Family,
    targets: list[str],
    size: Size,
    runs: Path,
    preset: str,
    seeds: list[int],
    code: dict,
) -> dict[Cell, list[dict]]:
    """The results of `targets` and `seeds`; those without one are trained side by side.

    `code` is the provenance that is written with them. Forty paths side by side keep a core busy
    without compiling, which takes minutes a graph. Raises UsageError where a result was made by
    another setup.
    """
    known, missing = {}, []
    for cell in (Cell(target, family) for target in targets):
        for seed in seeds:
            path = folder(runs, preset, cell) / f"seed{seed}.json"
            if path.exists():
                known[cell, seed] = read(path, setup(cell, size))
            else:
                missing.append((cell, seed))
    if missing:
        began = time.monotonic()
        drawn = [
            toy.posterior(family.method, family.count, cell.scale(), size.hidden, seed)
            for cell, seed in missing
        ]
        toys = [toy.Toy(Choice(c.target), q) for (c, _), q in zip(missing, drawn, strict=True)]
        phases = [(toy.objective(family.objective.lower(), family.count), size.steps)]
        keys = [seed for _, seed in missing]
        curve = toy.train(Replicas(toys), phases, keys, size.samples, size.rate)
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
    return {c: [known[c, s] for s in seeds] for c in (Cell(t, family) for t in targets)}


@torch.no_grad()
def score(cell: Cell, size: Size, place: Path, posterior, seed: int) -> dict:
    """The numbers of one trained path; its densities are written to `place`."""
    target = cell.energy()
    _, half, reach, _ = TARGETS[cell.target]
    z, log_w = toy_score.draw(target, posterior, 2, size.draws, seed)
    numbers = toy_score.divergences(log_w, target.log_z)
    finite = torch.isfinite(z).all().item()
    numbers["kl_marginal"] = numbers["kl"]  # of a path whose steps are all invertible
    if finite and cell.family.method == "hvi":
        sizes = size.points, size.particles
        numbers |= marginal_kl(target, posterior, target.log_z, *sizes, seed)
    if finite:
        truth, other = (exact.sample(target, reach, size.points, seed, part) for part in (0, 1))
        numbers["energy_distance"] = exact.energy_distance(z[: size.points], truth)
        numbers["noise_floor"] = exact.energy_distance(other, truth)
        if cell.target in MODES:
            masses = energies.mode_masses(z, MODES[cell.target])
            numbers["masses"] = masses.tolist()
            gaps = masses - torch.tensor(MASSES[cell.target])
            numbers["total_variation"] = 0.5 * gaps.abs().sum().item()
    noise = randomness.normal((posterior.draws, STREAMED, 1, 2), seed, "pictures", 0)
    path = posterior(torch.ones(1, 1), noise)
    arrays = {
        "d": toy_score.histogram(z, half, BINS).numpy(),
        "stages": np.stack([toy_score.histogram(p[:, 0], half, BINS).numpy() for p in path.z]),
    }
    replace(place / f"seed{seed}.npz", lambda f: np.savez_compressed(f, **arrays))
    ended = numbers["kl"] is not None and finite
    status = "finished" if ended else "diverged"
    return {"status": status, "seed": seed, "setup": setup(cell, size), **numbers}
