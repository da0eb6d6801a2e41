"""Convolutional networks for images: residual blocks at every resolution, no state between calls.

Group normalisation (Wu & He 2018, arXiv 1803.08494) and nothing in place, so that parameters may be
stacked and mapped over.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Shape = tuple[int, int, int]  # C, H, W
OUTPUT_SCALE = 0.1  # of the last layer's weights at the start


class Norm(nn.Module):
    """Group normalisation, eight channels a group where they divide the width, and SiLU."""

    def __init__(self, width: int):
        super().__init__()
        size = math.gcd(width, 8)
        self.groups = nn.GroupNorm(width // size if size > 1 else 1, width)

    def forward(self, h: Tensor) -> Tensor:
        """(N, C, H, W) -> the same shape."""
        return F.silu(self.groups(h))


class ResidualBlock(nn.Module):
    """Two 3 x 3 convolutions beside the identity (He et al. 2016, arXiv 1603.05027).

    The second starts at zero, so the network begins as its resampling layers alone.
    """

    def __init__(self, width: int):
        super().__init__()
        self.first, self.second = Norm(width), Norm(width)
        self.conv = nn.Conv2d(width, width, 3, padding=1)
        self.last = nn.Conv2d(width, width, 3, padding=1)
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)

    def forward(self, h: Tensor) -> Tensor:
        """(N, C, H, W) -> the same shape."""
        return h + self.last(self.second(self.conv(self.first(h))))


class Upsample(nn.Module):
    """Each value to 2 x 2 of it, then a 3 x 3 convolution: no chequerboard (Odena et al. 2016)."""

    def __init__(self, width_in: int, width_out: int):
        super().__init__()
        self.conv = nn.Conv2d(width_in, width_out, 3, padding=1)

    def forward(self, h: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C', 2 H, 2 W)."""
        return self.conv(F.interpolate(h, scale_factor=2.0, mode="nearest"))


def sides(shape: Shape, widths: list[int]) -> list[int]:
    """The side at each resolution, finest first; raises ValueError where halving leaves a rest."""
    _, side, _ = shape
    if side % 2 ** (len(widths) - 1):
        raise ValueError(f"{side} pixels cannot be halved {len(widths) - 1} times")
    return [side // 2**i for i in range(len(widths))]


class ConvolutionalEncoder(nn.Module):
    """x to a context: `blocks` residual blocks at each of `widths`, the side halved in between."""

    def __init__(self, shape: Shape, widths: list[int], blocks: int, context: int):
        super().__init__()
        self.shape, (channels, _, _) = shape, shape
        side_at = sides(shape, widths)
        layers: list[nn.Module] = [nn.Conv2d(channels, widths[0], 3, padding=1)]
        for i, width in enumerate(widths):
            if i:
                layers.append(nn.Conv2d(widths[i - 1], width, 3, stride=2, padding=1))
            layers += [ResidualBlock(width) for _ in range(blocks)]
        self.layers = nn.Sequential(*layers, Norm(widths[-1]))
        self.linear = nn.Linear(widths[-1] * side_at[-1] ** 2, context)
        self.floats = max(4 * w * s**2 for w, s in zip(widths, side_at, strict=True))

    def forward(self, x: Tensor) -> Tensor:
        """x (B, X) from 0 to 1 -> context (B, H)."""
        h = self.layers((2.0 * x - 1.0).unflatten(-1, self.shape))
        return F.silu(self.linear(h.flatten(1)))


class ConvolutionalDecoder(nn.Module):
    """z to P numbers for each value of an image, by the encoder's layers the other way round.

    `bias` is where each of the P starts; with the last layer's weights small, so does every pixel.
    """

    def __init__(
        self,
        latent: int,
        shape: Shape,
        widths: list[int],
        blocks: int,
        bias: list[float],
    ):
        super().__init__()
        (channels, _, _), side_at = shape, sides(shape, widths)
        self.start = (widths[-1], side_at[-1], side_at[-1])
        self.linear = nn.Linear(latent, math.prod(self.start))
        layers: list[nn.Module] = []
        for i in reversed(range(len(widths))):
            layers += [ResidualBlock(widths[i]) for _ in range(blocks)]
            if i:
                layers.append(Upsample(widths[i], widths[i - 1]))
        self.layers = nn.Sequential(*layers, Norm(widths[0]))
        self.out = nn.Conv2d(widths[0], len(bias) * channels, 3, padding=1)
        with torch.no_grad():
            self.out.weight.mul_(OUTPUT_SCALE)
            self.out.bias.copy_(torch.tensor(bias).repeat_interleave(channels))
        # a block holds four of its maps; Upsample three of its finer input and one of its output
        maps = [max(4 * a, a + 3 * b) for a, b in zip(widths, [*widths[1:], 0], strict=True)]
        self.floats = max(m * s**2 for m, s in zip(maps, side_at, strict=True))

    def forward(self, z: Tensor) -> Tensor:
        """z (..., D) -> outputs (..., P * X), a block of X = C * H * W for each of the P."""
        h = self.linear(z.reshape(-1, z.shape[-1])).unflatten(-1, self.start)
        h = self.layers(h)
        with torch.autocast(
            h.device.type, enabled=False
        ):  # half precision is coarser than 256 levels
            h = self.out(h.to(self.out.weight.dtype))
        return h.reshape(*z.shape[:-1], -1)
