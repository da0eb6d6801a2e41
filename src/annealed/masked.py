"""An autoregressive decoder of binary images, by locally masked convolutions."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from annealed.networks import GatedDense


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
        self.side, self.kernel = round(len(order) ** 0.5), kernel
        self.linear = nn.Linear(channels_in * kernel**2, channels_out)
        self.register_buffer("mask", self._mask(order, strict).repeat(channels_in, 1))

    def _mask(self, order: Tensor, strict: bool) -> Tensor:
        """Which taps each location reads: (kernel^2, side^2) of 0 and 1."""
        last = torch.full((), len(order))  # outside the image comes after every pixel
        places = F.pad(
            order.reshape(1, 1, self.side, self.side).float(), [self.kernel // 2] * 4, value=last
        )
        neighbours = F.unfold(places, self.kernel)[0]
        return ((neighbours < order) if strict else (neighbours <= order)).float()

    def forward(self, x: Tensor) -> Tensor:
        """(B, channels_in, side^2) -> (B, channels_out, side^2)."""
        square = x.unflatten(-1, (self.side, self.side))
        taps = F.unfold(square, self.kernel, padding=self.kernel // 2) * self.mask
        return self.linear(taps.mT).mT


class MaskedBlock(nn.Module):
    """A gated residual step over what comes before and at each pixel."""

    def __init__(self, channels: int, order: Tensor, kernel: int):
        super().__init__()
        self.conv = LocallyMaskedConv(channels, 2 * channels, order, kernel, strict=False)

    def forward(self, h: Tensor) -> Tensor:
        """(B, C, L) -> (B, C, L)."""
        return h + F.glu(self.conv(F.elu(h)), dim=-2)


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
        self.places = pixel_order(order, round(pixels**0.5))
        self.channels = channels
        self.first = LocallyMaskedConv(1, channels, self.places, kernel, strict=True)
        self.blocks = nn.Sequential(
            *(MaskedBlock(channels, self.places, kernel) for _ in range(blocks))
        )
        self.spread = nn.Linear(latent, channels * pixels)
        self.join = nn.Sequential(GatedDense(channels, channels), nn.Linear(channels, 1))

    def forward(self, z: Tensor, x: Tensor) -> Tensor:
        """z (..., B, D), x (B, X) of 0 and 1 -> logits (..., B, X)."""
        seen = self.blocks(self.first(2.0 * x[:, None] - 1.0)).mT  # (B, X, C)
        told = self.spread(z).unflatten(-1, (-1, self.channels))
        return self.join(F.elu(seen + told)).squeeze(-1)

    @torch.no_grad()
    def draw(self, z: Tensor, uniforms: Tensor) -> Tensor:
        """Draws of x given z (N, D), pixel by pixel, by uniforms (N, X): (N, X) of 0 and 1."""
        x = torch.zeros_like(uniforms)
        for pixel in self.places.argsort().tolist():
            x[:, pixel] = (uniforms[:, pixel] < torch.sigmoid(self(z, x)[:, pixel])).to(x.dtype)
        return x
