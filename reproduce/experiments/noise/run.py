"""The exact maximum-likelihood estimate, and each row fitted and scored, seeds side by side."""

from dataclasses import asdict
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from annealed.evaluation import score
from annealed.inference.bound import Bound
from annealed.inference.fitting import fit_posterior
from annealed.inference.importance import joined, log_marginal as importance
from annealed.inference.posteriors import Posterior
from annealed.utils import randomness
from annealed.utils.errors import Diverged
from annealed.utils.files import replace
from reproduce.experiments.noise import exact
from reproduce.experiments.noise.design import CONTROLS, ROWS, SIGMA, TRANSITIONS, Budget, member
from reproduce.experiments.noise.model import DIM, Parameters, draw, truth
from reproduce.experiments.units import Place, Progress, Unit, of_one_setting

MLE = "exact MLE"
LATENTS = ((1.5, 1.5), (1.5, 0.0), (0.0, 1.5), (0.3, 0.3))  # whose A |z| the figure conditions on
SHOWN = 2000  # draws of the figure, an x
COUNTED, BATCH = 200, 100  # test points whose quadrants are counted; examples at a time
CHECK = 96  # nodes by which every quadrature is checked


def data(budget: Budget, seed: int) -> tuple[Tensor, Tensor]:
    """A seed's data set and its test set, (count, 2) in float64."""
    return draw(budget.count, seed, 0), draw(budget.count, seed, 1)


def shown_points() -> Tensor:
    """The x that the figure conditions on, (4, 2) in float64."""
    return torch.tensor(LATENTS, dtype=torch.float64) @ truth().weight.T


def exact_numbers(parameters: Parameters, budget: Budget, seed: int) -> dict:
    """Mean log p(x) of the data and of the test set, nats a point, and how exact they are."""
    numbers, error = {}, 0.0
    for name, x in zip(("train", "test"), data(budget, seed), strict=True):
        log_p = exact.log_marginal(x, parameters)
        numbers[f"log_p_{name}"] = log_p.mean().item()
        finer = exact.log_marginal(x, parameters, CHECK)
        error = max(error, (log_p - finer).abs().max().item())
    return numbers | {"quadrature_error": error}


def described(parameters: Parameters) -> dict:
    """Parameters for JSON."""
    return {"weight": parameters.weight.tolist(), "sigma": parameters.sigma.item()}


def fit_mle(budget: Budget, seeds: list[int], progress: Progress) -> dict[int, dict]:
    """The maximum-likelihood estimate of each seed's data set, beside the truth."""
    results = {}
    for index, seed in enumerate(seeds):
        progress(index, len(seeds))
        best, values = exact.maximum_likelihood(data(budget, seed)[0], seed, budget.starts)
        results[seed] = {
            "status": "finished",
            **described(best),
            **exact_numbers(best, budget, seed),
            "truth": {**described(truth()), **exact_numbers(truth(), budget, seed)},
            "log_p_from_each_start": values,
        }
    return results


@torch.no_grad()
def importance_numbers(bound: Bound, x: Tensor, draws: int, seed: int) -> dict:
    """The importance-sampled NLL of x (N, 2) by q, its k-hat, and the ELBO, nats a point."""
    parts = [
        importance(bound.target, bound.posterior, batch, DIM, draws, seed, index)
        for index, batch in enumerate(x.float().split(BATCH))
    ]
    return score.summary(joined(parts), draws)


@torch.no_grad()
def posterior_draws(posterior: Posterior, x: Tensor, draws: int, seed: int) -> Tensor:
    """`draws` end points of q(z | x) for each of x (N, 2): (draws, N, 2), keyed by the seed."""
    shape = (posterior.num_draws, draws, len(x), DIM)
    return posterior(x.float(), randomness.normal(shape, seed, "usage")).z[-1]


def quadrant_distance(z: Tensor) -> float:
    """Total variation of the shares in the four quadrants from a quarter each, mean over x.

    z (S, N, 2). Every posterior of the model has it 0, and a q on one quadrant 0.75.
    """
    place = 2 * (z[..., 0] > 0).long() + (z[..., 1] > 0).long()
    shares = torch.nn.functional.one_hot(place, 4).double().mean(0)
    return 0.5 * (shares - 0.25).abs().sum(-1).mean().item()


def sampler_distance(draws: int) -> float:
    """About what `quadrant_distance` is for an exact sampler with `draws` draws an x."""
    return 2.0 * (2.0 / np.pi * 0.25 * 0.75 / draws) ** 0.5


def scored(bound: Bound, budget: Budget, seed: int) -> dict:
    """A trained row's numbers on its seed's data and test set."""
    parameters, test = bound.target.values(), data(budget, seed)[1]
    try:
        sampled = importance_numbers(bound, test, budget.draws, seed)
    except Diverged:
        return {"status": "diverged"}
    numbers = described(parameters) | exact_numbers(parameters, budget, seed)
    z = posterior_draws(bound.posterior, test[:COUNTED], budget.draws, seed)
    return {
        "status": "finished",
        **numbers,
        **sampled,
        "gap": numbers["log_p_test"] - sampled["elbo"],
        "importance_error": -sampled["nll"] - numbers["log_p_test"],
        "quadrant_distance": quadrant_distance(z),
    }


def fit_row(
    row: str, budget: Budget, place: Place, seeds: list[int], progress: Progress
) -> dict[int, dict]:
    """Train a row on every seed's data set, side by side, and score it; draws go beside it."""
    members = [member(row, budget, seed) for seed in seeds]
    curve = fit_posterior(
        [bound.target for bound in members],
        [bound.posterior for bound in members],
        members[0].objective,
        budget.steps,
        x=torch.stack([data(budget, seed)[0] for seed in seeds]).float(),
        samples=budget.samples,
        batch_size=budget.batch,
        learning_rate=budget.rate,
        seed=seeds,
        progress=progress,
    ).tolist()
    results = {}
    for index, (bound, seed) in enumerate(zip(members, seeds, strict=True)):
        elbos = [row[index] for row in curve]
        results[seed] = {
            **scored(bound, budget, seed),
            "curve": [b if np.isfinite(b) else None for b in elbos],
        }
        z = posterior_draws(bound.posterior, shown_points(), SHOWN, seed).numpy()
        replace(place.arrays(seed), lambda f, z=z: np.savez_compressed(f, z=z))
    return results


def setup(row: str, budget: Budget) -> dict:
    """All that decides a row's numbers, apart from the seed."""
    numbers = {name: value for name, value in asdict(budget).items() if name != "seeds"}
    numbers |= {"row": row, "truth": described(truth()), "nodes": exact.NODES}
    return numbers | {"transitions": TRANSITIONS, "kernel_sigma": SIGMA}


def units(budget: Budget, runs: Path, preset: str) -> list[Unit]:
    """A unit a row, the exact estimate's first."""
    made = []
    for row in (MLE, *ROWS, *CONTROLS):
        folder = Path(runs, "noise", preset, row.replace(",", "").replace(" ", "-"))
        place = Place(folder, setup(row, budget), ("z",) if row in ROWS else ())
        fit = partial(fit_mle, budget) if row == MLE else partial(fit_row, row, budget, place)
        made.append(of_one_setting(row, row, place, fit))
    return made
