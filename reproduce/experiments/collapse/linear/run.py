"""The section's cells: one row each, at every noise and seed side by side."""

from dataclasses import asdict
from functools import partial
from pathlib import Path

from annealed.inference.fitting import fit_posterior
from annealed.utils.files import sha256
from reproduce.experiments.collapse.linear.design import (
    CYCLES,
    LATENT,
    ROWS,
    TRANSITIONS,
    WARM_UP,
    Budget,
    beta,
    data,
    member,
    variances,
)
from reproduce.experiments.collapse.linear.optimum import optimum, spectrum
from reproduce.experiments.collapse.linear.score import scored
from reproduce.scheduling.tasks import Task


def noises(size: Budget) -> list[float]:
    """The noise variances of the section."""
    return variances(spectrum(data()), size.active)


def make(row: str, size: Budget, seeds: list[int]) -> dict[int, dict]:
    """Train a row at every noise, all seeds and noises side by side, and score it."""
    x, levels = data(), noises(size)
    pairs = [(variance, seed) for variance in levels for seed in seeds]
    members = [member(row, size, seed, variance, x.shape[1]) for variance, seed in pairs]
    fit_posterior(
        [one.target for one in members],
        [one.posterior for one in members],
        members[0].objective,
        size.steps,
        x=x.float(),
        samples=size.samples(row),
        batch_size=size.batch,
        learning_rate=size.rate,
        beta=beta(row, size.steps),
        seed=[seed for _, seed in pairs],
        progress=False,
    )
    found = {seed: {"status": "finished", "points": []} for seed in seeds}
    best = {v: optimum(spectrum(x), v, LATENT) for v in levels}
    for one, (variance, seed) in zip(members, pairs, strict=True):
        point = scored(one, x, size, seed, variance)
        exact = {"rates": best[variance].rates.tolist(), "log_p": best[variance].log_p}
        found[seed]["points"].append(point | {"optimum": exact})
    return found


def tasks(size: Budget, runs: Path, preset: str) -> dict[str, Task]:
    """Every cell by its row."""
    setup = {name: value for name, value in asdict(size).items() if name != "seeds"}
    setup |= {"active": list(size.active), "latent": LATENT, "transitions": TRANSITIONS}
    setup |= {"warm_up": WARM_UP, "cycles": CYCLES, "data": sha256(data().numpy().tobytes())}
    found = {}
    for row in ROWS:
        place = Path(runs, "collapse", preset, "linear", row.replace(", ", "-"))
        found[row] = Task(f"linear, {row}", place, {"row": row, **setup}, partial(make, row, size))
    return found
