"""Fit a setting of the page, its seeds side by side, and weigh its paths."""

from dataclasses import asdict
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from annealed.inference.fitting import fit_posterior
from annealed.inference.importance import WeightStream
from annealed.inference.nested import nested_stages, path_of
from annealed.inference.posteriors import Posterior
from annealed.inference.schedules import alphas as spaced
from annealed.models import energies
from annealed.utils import randomness
from reproduce.experiments.nested.design import KINDS, PATH_RATE, Budget, Setting, settings
from reproduce.experiments.units import Place, Progress, Unit, of_one_setting


def folder(runs: Path, preset: str, setting: Setting) -> Path:
    """<runs>/nested/<preset>/<objective>/K<count>; a star is written out."""
    return Path(runs, "nested", preset, setting.kind.replace("*", "-star"), f"K{setting.count}")


def setup(setting: Setting, budget: Budget) -> dict:
    """All that decides a setting's numbers, apart from the seed."""
    kind = {k: v for k, v in asdict(KINDS[setting.kind]).items() if k != "published"}
    numbers = {**asdict(setting), **kind, **asdict(budget)}
    numbers |= {"path_rate": PATH_RATE} if KINDS[setting.kind].learnt_path else {}
    return {name: value for name, value in numbers.items() if name != "seeds"}


def fit(setting: Setting, budget: Budget, seeds: list[int], progress: Progress) -> dict[int, dict]:
    """Train a setting's seeds side by side and score them."""
    posteriors = [setting.posterior(budget.hidden, seed) for seed in seeds]
    samples = budget.samples // setting.count
    fit_posterior(
        energies.ring(),
        posteriors,
        setting.objective(samples),
        budget.steps,
        samples=samples,
        learning_rate=budget.rate,
        seed=seeds,
        progress=progress,
    )
    return {s: score(setting, budget, q, s) for s, q in zip(seeds, posteriors, strict=True)}


@torch.no_grad()
def score(setting: Setting, budget: Budget, posterior: Posterior, seed: int) -> dict:
    """log Z and ESS of a batch of paths, means over batches, and the masses of the modes.

    The ESS is that of the weights since the last resampling, as the published one is.
    """
    transitions, shape = setting.count - 1, (budget.paths, budget.batches)
    noise = randomness.normal((posterior.num_draws, *shape, 2), seed, "evaluate", 0)
    uniforms = None
    if KINDS[setting.kind].resample:
        uniforms = randomness.uniform((transitions - 1, budget.batches), seed, "evaluate", 1)
    alphas = path_of(posterior, spaced("linear", transitions), noise)
    target, x = energies.ring(), torch.ones(budget.batches, 1)
    *_, (_, terms) = nested_stages(target, x, posterior, noise, lambda: alphas, uniforms)
    return measures(terms.log_weight(), posterior(x, noise).z[-1], alphas)


def measures(log_w: Tensor, z: Tensor, alphas: Tensor) -> dict:
    """The result of paths by their log-weights (S, B) and end points (S, B, 2), B batches of S.

    It has the `alphas`, (T,), too; where a log Z is not finite it has no numbers.
    """
    stream = WeightStream(len(log_w))
    stream.add(log_w)
    estimate = stream.estimate()
    masses = energies.mode_masses(z.reshape(-1, 2), energies.RING_MODES).tolist()
    numbers = {
        "log_z": estimate.log_prob.mean().item(),
        "ess": estimate.ess.mean().item(),
        "rarest_mode": min(masses),
        "alphas": alphas.tolist(),
    }
    finite = estimate.log_prob.isfinite().all().item()
    return {"status": "finished" if finite else "diverged", **(numbers if finite else {})}


def units(budget: Budget, runs: Path, preset: str) -> list[Unit]:
    """Every unit of the page."""
    made = []
    for setting in settings():
        place = Place(folder(runs, preset, setting), setup(setting, budget))
        make = partial(fit, setting, budget)
        made.append(of_one_setting(setting.name, setting, place, make))
    return made
