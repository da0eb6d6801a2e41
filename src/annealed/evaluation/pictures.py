"""What a trained row draws: samples, reconstructions, traversals, interpolations."""

from collections.abc import Callable

import torch
from PIL import Image
from torch import Tensor
from torchvision.transforms.functional import to_pil_image
from torchvision.utils import make_grid

from annealed.evaluation.latents import moment_kl
from annealed.methods.base import Method
from annealed.nn.gated import image_shape
from annealed.utils import randomness

COLUMNS = 8
REACH = 3.0  # standard deviations of the prior to each side of a traversal
DRAWS = 20  # posterior samples behind a posterior mean


@torch.no_grad()
def samples(method: Method, count: int = 64) -> Tensor:
    """Images (`Joint.show`) at draws of the prior: (count, X)."""
    return _show(method, method.noise("pictures", 1, count, 1)[0, 0])


@torch.no_grad()
def reconstructions(method: Method, images: Tensor) -> Tensor:
    """Images uint8 (N, X) and below each the one at a posterior sample: (2N, X).

    Rows of COLUMNS images alternate with rows of their reconstructions; N is cut to whole rows, or
    is one short row.
    """
    x = _whole_rows(images).to(method.device, method.dtype) / 255
    z = method.posterior(x, method.noise("pictures", 1, len(x), 0)).z[-1][0]
    pairs = zip(x.split(COLUMNS), _show(method, z).split(COLUMNS), strict=True)
    return torch.cat([part for pair in pairs for part in pair])


@torch.no_grad()
def traversals(method: Method, images: Tensor, latents: int = 8) -> Tensor:
    """Images along one latent, the others fixed: (latents * COLUMNS, X).

    The others stay at the posterior mean of the first of `images`, uint8 (N, X). A row is a latent,
    the one of the highest KL over the images first (`latents.moment_kl`), from -REACH to REACH.
    """
    x = images.to(method.device, method.dtype) / 255
    z = method.posterior(x, method.noise("pictures", DRAWS, len(x), 2)).z[-1]
    order = moment_kl(z).mean(0).argsort(descending=True)[:latents]
    points = z.mean(0)[0].repeat(len(order), COLUMNS, 1)
    reach = torch.linspace(-REACH, REACH, COLUMNS, device=z.device, dtype=z.dtype)
    for row, latent in enumerate(order):
        points[row, :, latent] = reach
    return _show(method, points.flatten(0, 1))


@torch.no_grad()
def interpolations(method: Method, images: Tensor) -> Tensor:
    """From one image to another in latent space: images uint8 (2N, X) -> (N * COLUMNS, X).

    Row n goes from a posterior sample of image 2n to one of image 2n + 1 along the great circle
    (White 2016, arXiv 1609.04468): halfway along the straight line the norm would fall out of the
    prior's.
    """
    x = images[: len(images) // 2 * 2].to(method.device, method.dtype) / 255
    z = method.posterior(x, method.noise("pictures", 1, len(x), 4)).z[-1][0]
    first, last = z[0::2, None], z[1::2, None]
    cosine = torch.cosine_similarity(first, last, dim=-1).clamp(-0.9999, 0.9999)
    angle = cosine.acos()[..., None]
    along = torch.linspace(0.0, 1.0, COLUMNS, device=z.device, dtype=z.dtype)[:, None]
    points = ((1 - along) * angle).sin() * first + (along * angle).sin() * last
    return _show(method, (points / angle.sin()).flatten(0, 1))


def _show(method: Method, z: Tensor) -> Tensor:
    shape, key = (len(z), method.pixels), (method.config.seed, "pictures", 3)
    return method.target.show(z, randomness.uniform(shape, *key, device=z.device))


def picture(images: Tensor, scale: int = 1) -> Image.Image:
    """Square images (N, X) from 0 to 1 as one grid of COLUMNS, each pixel `scale` wide.

    They are grey, or of three channels in the order (C, H, W).
    """
    square = images.reshape(-1, *image_shape(images.shape[1])).repeat_interleave(scale, 2)
    square = square.repeat_interleave(scale, 3)
    grid = make_grid(square, nrow=COLUMNS, padding=1, pad_value=1.0)
    return to_pil_image(grid.float().cpu())


def draw_pictures(
    method: Method, part: Callable[[int], Tensor], count: int = 64
) -> dict[str, Tensor]:
    """Samples, reconstructions and traversals, by name.

    `part` takes how many images are wanted, up to `count`, and gives uint8 (N, X) that stand for
    what is scored.
    """
    return {
        "samples": samples(method, count),
        "reconstructions": reconstructions(method, part(count // 2)),
        "traversals": traversals(method, part(count)),
    }


def _whole_rows(images: Tensor) -> Tensor:
    return images[: max(len(images) // COLUMNS * COLUMNS, min(len(images), COLUMNS))]
