"""The page's cells: the exact maximum-likelihood estimate, and each row trained and scored."""

from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from annealed.evaluation import score
from annealed.inference.fitting import Bound, fit_posterior
from annealed.inference.importance import joined, log_marginal as importance
from annealed.inference.posteriors import Posterior
from annealed.utils import randomness
from annealed.utils.errors import Diverged
from annealed.utils.files import replace
from reproduce.experiments.noise import exact
from reproduce.experiments.noise.design import CONTROLS, ROWS, SIGMA, TRANSITIONS, Budget, member
from reproduce.experiments.noise.model import DIM, Parameters, draw, truth
from reproduce.scheduling.tasks import Task

MLE = "exact MLE"
LATENTS = ((1.5, 1.5), (1.5, 0.0), (0.0, 1.5), (0.3, 0.3))  # whose A |z| the figure conditions on
SHOWN = 2000  # draws of the figure, an x
COUNTED, BATCH = 200, 100  # test points whose quadrants are counted; examples at a time
CHECK = 96  # nodes by which every quadrature is checked


def data(size: Budget, seed: int) -> tuple[Tensor, Tensor]:
    """A seed's data set and its test set, (count, 2) in float64."""
    return draw(size.count, seed, 0), draw(size.count, seed, 1)


def shown_points() -> Tensor:
    """The x that the figure conditions on, (4, 2) in float64."""
    return torch.tensor(LATENTS, dtype=torch.float64) @ truth().weight.T


def exact_numbers(parameters: Parameters, size: Budget, seed: int) -> dict:
    """Mean log p(x) of the data and of the test set, nats a point, and how exact they are."""
    found, error = {}, 0.0
    for name, x in zip(("train", "test"), data(size, seed), strict=True):
        log_p = exact.log_marginal(x, parameters)
        found[f"log_p_{name}"] = log_p.mean().item()
        finer = exact.log_marginal(x, parameters, CHECK)
        error = max(error, (log_p - finer).abs().max().item())
    return found | {"quadrature_error": error}


def described(parameters: Parameters) -> dict:
    """Parameters for JSON."""
    return {"weight": parameters.weight.tolist(), "sigma": parameters.sigma.item()}


def make_mle(size: Budget, seeds: list[int]) -> dict[int, dict]:
    """The maximum-likelihood estimate of each seed's data set, beside the truth."""
    found = {}
    for seed in seeds:
        best, values = exact.maximum_likelihood(data(size, seed)[0], seed, size.starts)
        found[seed] = {
            "status": "finished",
            **described(best),
            **exact_numbers(best, size, seed),
            "truth": {**described(truth()), **exact_numbers(truth(), size, seed)},
            "log_p_from_each_start": values,
        }
    return found


@torch.no_grad()
def importance_numbers(one: Bound, x: Tensor, draws: int, seed: int) -> dict:
    """The importance-sampled NLL of x (N, 2) by q, its k-hat, and the ELBO, nats a point."""
    parts = [
        importance(one.target, one.posterior, batch, DIM, draws, seed, index)
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


def scored(one: Bound, size: Budget, seed: int) -> dict:
    """A trained row's numbers on its seed's data and test set."""
    parameters = one.target.values()
    try:
        sampled = importance_numbers(one, data(size, seed)[1], size.draws, seed)
    except Diverged:
        return {"status": "diverged"}
    found = described(parameters) | exact_numbers(parameters, size, seed)
    z = posterior_draws(one.posterior, data(size, seed)[1][:COUNTED], size.draws, seed)
    return {
        "status": "finished",
        **found,
        **sampled,
        "gap": found["log_p_test"] - sampled["elbo"],
        "importance_error": -sampled["nll"] - found["log_p_test"],
        "quadrant_distance": quadrant_distance(z),
    }


def make_row(row: str, size: Budget, place: Path, seeds: list[int]) -> dict[int, dict]:
    """Train a row on every seed's data set, side by side, and score it; draws go to .npz."""
    members = [member(row, size, seed) for seed in seeds]
    curve = fit_posterior(
        [one.target for one in members],
        [one.posterior for one in members],
        members[0].objective,
        size.steps,
        x=torch.stack([data(size, seed)[0] for seed in seeds]).float(),
        samples=size.samples,
        batch_size=size.batch,
        learning_rate=size.rate,
        seed=seeds,
        progress=False,
    ).tolist()
    found = {}
    for index, (one, seed) in enumerate(zip(members, seeds, strict=True)):
        found[seed] = scored(one, size, seed)
        bounds = [bound[index] for bound in curve]
        found[seed]["curve"] = [b if np.isfinite(b) else None for b in bounds]
        z = posterior_draws(one.posterior, shown_points(), SHOWN, seed).numpy()
        replace(place / f"seed{seed}.npz", lambda f, z=z: np.savez_compressed(f, z=z))
    return found


def tasks(size: Budget, runs: Path, preset: str) -> dict[str, Task]:
    """Every cell by its row, the exact estimate's first."""
    true = described(truth())
    setup = {name: value for name, value in asdict(size).items() if name != "seeds"}
    makers: dict[str, Callable] = {MLE: partial(make_mle, size)}
    found = {}
    for row in (MLE, *ROWS, *CONTROLS):
        place = Path(runs, "noise", preset, row.replace(",", "").replace(" ", "-"))
        if row != MLE:
            makers[row] = partial(make_row, row, size, place)
        own = {"row": row, **setup, "truth": true, "nodes": exact.NODES}
        own |= {"transitions": TRANSITIONS, "kernel_sigma": SIGMA}
        found[row] = Task(row, place, own, makers[row])
    return found
