"""Exact numbers of the folded model by quadrature over z: log p(x), the posterior, the MLE."""

import math

import numpy as np
import torch
from torch import Tensor

from annealed.inference.normal import standard_log_prob
from annealed.utils import randomness
from reproduce.experiments.noise.model import DIM, FoldedLinear, Parameters, truth

EDGE = 8.0  # a standard normal has 1e-15 of its mass beyond
NODES = 64  # on [0, EDGE], a dimension
CHUNK = 250  # examples at a time


def half_line(nodes: int) -> tuple[Tensor, Tensor]:
    """Gauss-Legendre nodes and weights on [0, EDGE], (nodes,) each, in float64."""
    at, weight = np.polynomial.legendre.leggauss(nodes)
    return torch.from_numpy(EDGE * (at + 1) / 2), torch.from_numpy(EDGE * weight / 2)


def log_marginal(x: Tensor, parameters: Parameters, nodes: int = NODES) -> Tensor:
    """log p(x) in nats of x (N, 2) float64: (N,); differentiable in the parameters.

    p(x) = 4 * integral over z >= 0 of N(z; 0, I) N(x; A z, sigma^2 I), since |.| folds the four
    quadrants into one, where the integrand is smooth; Gauss-Legendre in each coordinate.
    """
    at, weight = half_line(nodes)
    z = torch.cartesian_prod(at, at)
    log_mass = math.log(4.0) + torch.cartesian_prod(weight, weight).log().sum(-1)
    log_mass = log_mass + standard_log_prob(z)
    mean = z @ parameters.weight.T / parameters.sigma
    parts = []
    for some in (x / parameters.sigma).split(CHUNK):
        # |x - mean|^2 without the (N, nodes^2, 2) differences
        cross = some @ mean.T + (log_mass - 0.5 * mean.square().sum(-1))
        parts.append(cross.logsumexp(-1) + standard_log_prob(some))
    return torch.cat(parts) - DIM * parameters.sigma.log()


def log_posterior(x: Tensor, parameters: Parameters, z: Tensor) -> Tensor:
    """log p(z | x) in nats of one x (2,) at points z (M, 2): (M,), normalised by quadrature."""
    model = FoldedLinear(parameters.weight, parameters.sigma.item())
    log_likelihood, log_prior = model(x[None], z[:, None])
    joint = (log_likelihood + log_prior)[:, 0].detach()
    return joint - log_marginal(x[None], parameters)


def maximise(x: Tensor, start: Parameters, nodes: int = NODES) -> tuple[Parameters, float]:
    """A local maximum of mean log p(x) from `start`, by L-BFGS: parameters and value in nats."""
    weight = start.weight.clone().requires_grad_()
    log_sigma = start.sigma.log().clone().requires_grad_()
    lbfgs = torch.optim.LBFGS(
        [weight, log_sigma],
        max_iter=200,
        tolerance_grad=1e-8,
        tolerance_change=1e-13,
        line_search_fn="strong_wolfe",
    )

    def loss() -> Tensor:
        lbfgs.zero_grad()
        value = -log_marginal(x, Parameters(weight, log_sigma.exp()), nodes).mean()
        value.backward()
        return value

    lbfgs.step(loss)
    best = Parameters(weight.detach(), log_sigma.detach().exp())
    with torch.no_grad():
        return best, log_marginal(x, best, nodes).mean().item()


def maximum_likelihood(x: Tensor, seed: int, random_starts: int) -> tuple[Parameters, list[float]]:
    """The best of the maxima from the truth and from `random_starts` points, for x (N, 2) float64.

    A random start has N(0, 1) entries in A and sigma = 1, keyed by (seed, start). Returns the
    parameters and the mean log p(x) that each start reached, the truth's first, in nats.
    """
    starts = [truth()]
    for index in range(random_starts):
        shape, one = (DIM, DIM), torch.ones((), dtype=torch.float64)
        weight = randomness.normal(shape, seed, "init", 1, index, dtype=torch.float64)
        starts.append(Parameters(weight, one))
    maxima = [maximise(x, start) for start in starts]
    best, _ = max(maxima, key=lambda pair: pair[1])
    return best, [value for _, value in maxima]
