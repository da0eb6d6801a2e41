"""Fit and score a row of the section, at every noise and seed side by side."""

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
from reproduce.experiments.units import Place, Progress, Unit, of_one_setting


def noises(budget: Budget) -> list[float]:
    """The noise variances of the section."""
    return variances(spectrum(data()), budget.active)


def fit(row: str, budget: Budget, seeds: list[int], progress: Progress) -> dict[int, dict]:
    """Train a row at every noise, all seeds and noises side by side, and score it."""
    x, levels = data(), noises(budget)
    pairs = [(variance, seed) for variance in levels for seed in seeds]
    members = [member(row, budget, seed, variance, x.shape[1]) for variance, seed in pairs]
    fit_posterior(
        [bound.target for bound in members],
        [bound.posterior for bound in members],
        members[0].objective,
        budget.steps,
        x=x.float(),
        samples=budget.samples(row),
        batch_size=budget.batch,
        learning_rate=budget.rate,
        beta=beta(row, budget.steps),
        seed=[seed for _, seed in pairs],
        progress=progress,
    )
    results = {seed: {"status": "finished", "points": []} for seed in seeds}
    best = {v: optimum(spectrum(x), v, LATENT) for v in levels}
    for bound, (variance, seed) in zip(members, pairs, strict=True):
        point = scored(bound, x, budget, seed, variance)
        exact = {"rates": best[variance].rates.tolist(), "log_p": best[variance].log_p}
        results[seed]["points"].append(point | {"optimum": exact})
    return results


def setup(budget: Budget) -> dict:
    """All that decides the numbers of every row, apart from the seed."""
    numbers = {name: value for name, value in asdict(budget).items() if name != "seeds"}
    numbers |= {"active": list(budget.active), "latent": LATENT, "transitions": TRANSITIONS}
    numbers |= {"warm_up": WARM_UP, "cycles": CYCLES}
    return numbers | {"data": sha256(data().numpy().tobytes())}


def units(budget: Budget, runs: Path, preset: str) -> list[Unit]:
    """A unit a row."""
    common, made = setup(budget), []
    for row in ROWS:
        folder = Path(runs, "collapse", preset, "linear", row.replace(", ", "-"))
        place = Place(folder, {"row": row, **common})
        made.append(of_one_setting(f"linear, {row}", row, place, partial(fit, row, budget)))
    return made
