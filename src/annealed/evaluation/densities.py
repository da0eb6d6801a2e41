"""The density of an energy beside that of the posterior fitted to it, as a picture."""

import torch
from PIL import Image
from torch import Tensor

from annealed.evaluation.pictures import picture
from annealed.inference.divergence import histogram, sample
from annealed.methods.base import Method
from annealed.models.catalogue import Toy

BINS = 80  # a side
DRAWS = 20_000
SCALE = 4  # pixels a bin
COVERED = 0.995  # share of draws inside a window that the energy does not say


@torch.no_grad()
def densities(method: Method, toy: Toy) -> list[Tensor]:
    """The target's density and that of the posterior's draws on one window, (BINS, BINS) each.

    Of more than two dimensions it is the density of the first two coordinates, and the target's is
    left out where it has no exact samples. The first axis is z1; of one dimension the second axis
    repeats the density. The window is the energy's, or holds nearly all draws.
    """
    z, _ = sample(toy.energy, method.posterior, DRAWS, method.config.seed)
    half_width = toy.half_width or 1.2 * z[:, :2].abs().flatten().quantile(COVERED).item()
    dim = z.shape[1]
    if dim == 1:
        counts = torch.histc(z[:, 0].float(), BINS, -half_width, half_width) / len(z)
        drawn = (counts / (2.0 * half_width / BINS))[:, None].expand(-1, BINS)
    else:
        drawn = histogram(z[:, :2].contiguous(), half_width, BINS)
    if dim <= 2:
        return [grid_density(toy, dim, half_width).to(drawn), drawn]
    if toy.sample is None:
        return [drawn]
    exact = toy.sample(DRAWS, method.config.seed, 0)
    return [histogram(exact[:, :2].contiguous(), half_width, BINS), drawn]


def grid_density(toy: Toy, dim: int, half_width: float) -> Tensor:
    """The energy's density at bin centres, (BINS, BINS), normalised over them; see `densities`."""
    width = 2.0 * half_width / BINS
    axis = (torch.arange(BINS, dtype=torch.float64) + 0.5) * width - half_width
    points = torch.cartesian_prod(*[axis] * dim).reshape(-1, 1, dim)
    mass = toy.energy.log_density(points.float()).double().flatten().softmax(0)
    return (mass / width**dim).reshape(BINS, -1).expand(-1, BINS)


def density_picture(method: Method, toy: Toy) -> Image.Image:
    """`densities` side by side, the target first: z1 to the right, z2 upwards.

    White is the target's highest value, and the posterior is cut there.
    """
    both = densities(method, toy)
    shades = [(d / both[0].max()).clamp(0.0, 1.0).T.flip(0).flatten() for d in both]
    return picture(torch.stack(shades), SCALE)
