"""An autoregressive decoder of binary images, by locally masked convolutions."""

import itertools
from collections.abc import Iterable, Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from annealed.nn.gated import GatedDense


def pixel_order(name: str, side: int) -> Tensor:
    """The place in the order of generation of every pixel of a square image, (side * side,).

    `raster`: row by row; `s_curve`: row by row, every second row backwards, so that a pixel touches
    the one before it (Jain, Abbeel, Pathak 2020, arXiv 2006.12486). Raises ValueError for another.
    """
    if name not in ("raster", "s_curve"):
        raise ValueError(f"unknown pixel order {name!r}; accepted: raster, s_curve")
    places = torch.arange(side * side).reshape(side, side)
    if name == "s_curve":
        places[1::2] = places[1::2].flip(1)
    return places.flatten()


Window = tuple[slice, slice]  # rows and columns of an image
WHOLE = (slice(None), slice(None))


class LocallyMaskedConv(nn.Module):
    """A convolution whose mask differs by location, for any order of generation.

    A location reads those of its neighbours that come before it and, unless `strict`, itself
    (Jain, Abbeel, Pathak 2020, arXiv 2006.12486, section 4). In raster order it is the masked
    convolution of PixelCNN (van den Oord et al. 2016, arXiv 1601.06759). `order` is that of
    `pixel_order`.
    """

    def __init__(
        self, channels_in: int, channels_out: int, order: Tensor, kernel: int, strict: bool
    ):
        super().__init__()
        side, self.radius = round(len(order) ** 0.5), kernel // 2
        places = order.reshape(side, side, 1)
        # outside the image comes after every pixel
        neighbours = dict(
            self._shifted(places, itertools.product(range(kernel), repeat=2), 1 << 30)
        )
        masks = {tap: n < places if strict else n <= places for tap, n in neighbours.items()}
        self.taps = [tap for tap, mask in masks.items() if mask.any()]
        self.register_buffer("mask", torch.stack([masks[tap] for tap in self.taps]).float())
        self.linear = nn.Linear(channels_in * len(self.taps), channels_out)

    def _shifted(
        self, square: Tensor, taps: Iterable[tuple[int, int]], outside: float = 0.0
    ) -> Iterator[tuple[tuple[int, int], Tensor]]:
        """Each tap (row, column) with the values (..., h, w, C) that every location reads there."""
        padded = F.pad(square, (0, 0, *[self.radius] * 4), value=outside)
        for row, column in taps:
            height, width = square.shape[-3:-1]
            yield (row, column), padded[..., row : row + height, column : column + width, :]

    def forward(self, x: Tensor, window: Window = WHOLE) -> Tensor:
        """(..., h, w, channels_in) -> (..., h, w, channels_out), x at `window` of the image."""
        shifted = self._shifted(x, self.taps)
        masks = self.mask[(slice(None), *window)]
        return self.linear(torch.cat([n * m for (_, n), m in zip(shifted, masks, strict=True)], -1))


class MaskedBlock(nn.Module):
    """A gated residual step over what comes before and at each pixel."""

    def __init__(self, channels: int, order: Tensor, kernel: int):
        super().__init__()
        self.conv = LocallyMaskedConv(channels, 2 * channels, order, kernel, strict=False)

    def forward(self, h: Tensor, window: Window = WHOLE) -> Tensor:
        """(..., h, w, C) -> (..., h, w, C)."""
        return h + F.glu(self.conv(F.relu(h), window))


class AutoregressiveDecoder(nn.Module):
    """p(x | z) = prod_i p(x_i | x before i, z) for binary images of `pixels` pixels.

    Masked convolutions read x, a dense layer spreads z over the image, and a gated layer at each
    pixel joins them: the part that grows with samples is small. With `blocks` steps of a kernel of
    width k a pixel sees (k - 1) / 2 * (blocks + 1) pixels around it.
    """

    def __init__(
        self,
        latent: int,
        pixels: int,
        channels: int = 16,
        blocks: int = 3,
        kernel: int = 5,
        order: str = "raster",
    ):
        super().__init__()
        self.side = round(pixels**0.5)
        self.places = pixel_order(order, self.side)
        self.channels, self.reach = channels, kernel // 2 * (blocks + 1)
        self.first = LocallyMaskedConv(1, channels, self.places, kernel, strict=True)
        self.blocks = nn.ModuleList(
            MaskedBlock(channels, self.places, kernel) for _ in range(blocks)
        )
        self.spread = nn.Linear(latent, channels * pixels)
        self.join = nn.Sequential(GatedDense(channels, channels), nn.Linear(channels, 1))

    def pixel_features(self, x: Tensor, window: Window = WHOLE) -> Tensor:
        """The features of each pixel that come from the pixels before it.

        x (B, h, w) of 0 and 1 at `window` of the image -> (B, h, w, C).
        """
        h = self.first(2.0 * x[..., None] - 1.0, window)
        for block in self.blocks:
            h = block(h, window)
        return h

    def latent_features(self, z: Tensor) -> Tensor:
        """The features of each pixel that come from z: (..., D) -> (..., X, C)."""
        return self.spread(z).unflatten(-1, (-1, self.channels))

    def forward(self, z: Tensor, x: Tensor) -> Tensor:
        """z (..., B, D), x (B, X) of 0 and 1 -> logits (..., B, X)."""
        features = self.pixel_features(x.unflatten(-1, (self.side, self.side))).flatten(-3, -2)
        return self.join(F.relu(features + self.latent_features(z))).squeeze(-1)

    @torch.no_grad()
    def draw(self, z: Tensor, uniforms: Tensor) -> Tensor:
        """Draws of x given z (N, D), pixel by pixel, by uniforms (N, X): (N, X) of 0 and 1.

        Only the pixels within reach are read: every order goes row by row.
        """
        from_z, x = self.latent_features(z), torch.zeros_like(uniforms)
        square = x.unflatten(-1, (self.side, self.side))  # the same memory
        for pixel in self.places.argsort().tolist():
            row, column = divmod(pixel, self.side)
            top, left = max(row - self.reach, 0), max(column - self.reach, 0)
            window = slice(top, row + 1), slice(left, column + self.reach + 1)
            before = self.pixel_features(square[(slice(None), *window)], window)
            from_x = before[:, row - top, column - left]
            logits = self.join(F.relu(from_x + from_z[:, pixel])).squeeze(-1)
            x[:, pixel] = (uniforms[:, pixel] < torch.sigmoid(logits)).to(x.dtype)
        return x
