"""Probabilistic PCA: the linear VAE's optimum and stationary points, in closed form.

Tipping & Bishop (1999), "Probabilistic principal component analysis", J. R. Stat. Soc. B 61(3);
Lucas, Tucker, Grosse, Norouzi (2019), "Don't blame the ELBO!", arXiv 1911.02469.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

COLLAPSED = 0.01  # nats: a latent whose KL from the prior, mean over images, is below


@dataclass(frozen=True)
class Spectrum:
    """Mean and covariance's eigen-decomposition of data, in float64, largest eigenvalue first."""

    mean: Tensor  # (X,)
    values: Tensor  # (X,)
    vectors: Tensor  # (X, X), a column each


@dataclass(frozen=True)
class Point:
    """A stationary point of log p(x) with its exact posterior N(reading (x - bias), scale^2)."""

    weight: Tensor  # (X, D), orthogonal columns
    bias: Tensor  # (X,)
    reading: Tensor  # (D, X)
    scale: Tensor  # (D,)
    log_p: float  # mean log p(x) of the data, nats an image
    rates: Tensor  # (D,) KL of each latent's posterior from its prior, mean over the data, nats


def spectrum(x: Tensor) -> Spectrum:
    """The spectrum of data x (N, X), with the covariance that divides by N."""
    x = x.double()
    values, vectors = torch.linalg.eigh(x.T.cov(correction=0))
    return Spectrum(x.mean(0), values.flip(0), vectors.flip(1))


def stationary(spectrum: Spectrum, variance: float, kept: list[int], latent: int) -> Point:
    """The stationary point whose columns are u_i sqrt(lambda_i - sigma^2) for i in `kept`.

    The other of the `latent` columns are zero. Raises ValueError where a kept eigenvalue is not
    above `variance` or more are kept than there are latents.
    """
    values = spectrum.values[kept]
    if len(kept) > latent or not (values > variance).all():
        raise ValueError(f"cannot keep eigenvalues {kept} with {latent} latents at {variance}")
    weight = torch.zeros(len(spectrum.values), latent, dtype=torch.float64)
    weight[:, : len(kept)] = spectrum.vectors[:, kept] * (values - variance).sqrt()
    precision = 1.0 + weight.square().sum(0) / variance  # of each latent, given x
    left = spectrum.values.sum() - values.sum()
    size = len(spectrum.values)
    log_det = values.log().sum() + (size - len(kept)) * math.log(variance)
    log_p = -0.5 * (size * math.log(2 * math.pi) + log_det + len(kept) + left / variance)
    return Point(
        weight,
        spectrum.mean,
        weight.T / (variance * precision[:, None]),
        precision.rsqrt(),
        log_p.item(),
        0.5 * precision.log(),
    )


def optimum(spectrum: Spectrum, variance: float, latent: int) -> Point:
    """The global maximum of log p(x), and of the ELBO.

    Kept is every eigenvalue above `variance`, at most `latent` of them, the largest first. There
    KL_i = log(lambda_i / sigma^2) / 2, and a latent without an eigenvalue has collapsed.
    """
    kept = [i for i in range(latent) if spectrum.values[i] > variance]
    return stationary(spectrum, variance, kept, latent)


def collapsed(rates: Tensor) -> int:
    """How many latents have collapsed, by the KL of each, (D,) in nats."""
    return int((rates < COLLAPSED).sum())


def direction_rates(weight: Tensor, variance: float) -> Tensor:
    """What the decoder's own directions carry: log(1 + s_i^2 / sigma^2) / 2 nats, largest first.

    s_i are the singular values of `weight` (X, D), so no rotation of the latents matters. At the
    optimum these are the latents' KLs.
    """
    return 0.5 * (torch.linalg.svdvals(weight.double()).square() / variance).log1p()
