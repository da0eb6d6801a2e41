"""x = A |z| + sigma * eps in the plane: a model whose posterior has up to four modes."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from annealed.inference.normal import LOG_2PI, standard_log_prob
from annealed.utils import randomness

DIM = 2  # of x and of z


class Parameters(NamedTuple):
    """What is learned: the map A (2, 2), one column a latent, and sigma, a positive scalar."""

    weight: Tensor
    sigma: Tensor


class FoldedLinear(nn.Module):
    """z ~ N(0, I), x ~ N(A |z|, sigma^2 I) with |.| elementwise; A and sigma are parameters.

    The likelihood and the prior are even in each z_i, so every quadrant of z holds exactly a
    quarter of every posterior. |z| is never negative, so the sign of a column of A is identified;
    the order of the columns is not.
    """

    def __init__(self, weight: Tensor, sigma: float):
        super().__init__()
        self.weight = nn.Parameter(weight.clone())  # (2, 2)
        self.log_sigma = nn.Parameter(torch.full_like(weight[0, 0], sigma).log())

    def values(self) -> Parameters:
        """A and sigma in float64, detached."""
        return Parameters(self.weight.detach().double(), self.log_sigma.detach().double().exp())

    def forward(self, x: Tensor, z: Tensor) -> tuple[Tensor, Tensor]:
        """x (B, 2), z (S, B, 2) -> log p(x | z) and log p(z), each (S, B) in nats."""
        residual = x - z.abs() @ self.weight.T
        scaled = residual.square().sum(-1) * (-2.0 * self.log_sigma).exp()
        log_likelihood = -0.5 * (scaled + DIM * LOG_2PI) - DIM * self.log_sigma
        return log_likelihood, standard_log_prob(z)


def truth() -> Parameters:
    """The parameters that the data are drawn from, in float64."""
    weight = torch.tensor([[1.5, 0.5], [-0.5, 1.0]], dtype=torch.float64)
    return Parameters(weight, torch.tensor(0.5, dtype=torch.float64))


def draw(count: int, seed: int, part: int) -> Tensor:
    """`count` points x (count, 2) from the truth in float64, keyed by (seed, part)."""
    true = truth()
    z, eps = randomness.normal((2, count, DIM), seed, "split", part, dtype=torch.float64)
    return z.abs() @ true.weight.T + true.sigma * eps


def initial(seed: int) -> FoldedLinear:
    """Where learning starts: A with N(0, 1) entries, keyed by the seed, and sigma = 1."""
    weight = randomness.normal((DIM, DIM), seed, "init", 0)
    return FoldedLinear(weight, 1.0)


def right() -> FoldedLinear:
    """The true model in float32, for the rows whose learning starts there."""
    return FoldedLinear(truth().weight.float(), truth().sigma.item())


def align(weight: Tensor, to: Tensor) -> list[int]:
    """The order of the columns of `weight` (2, 2) that is nearest to those of `to`."""
    orders = [[0, 1], [1, 0]]
    return min(orders, key=lambda order: (weight[:, order] - to).square().sum().item())
