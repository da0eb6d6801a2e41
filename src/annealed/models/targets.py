"""Targets: what a posterior approximates, as a likelihood part and a prior part."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from annealed.inference.normal import standard_log_prob
from annealed.models.likelihoods import Likelihood


class Joint(nn.Module):
    """p(x, z) = p(x | z) N(z; 0, I), with log p(x | z) = likelihood(decoder(z), x)."""

    def __init__(self, decoder: nn.Module, likelihood: Likelihood):
        super().__init__()
        self.decoder = decoder
        self.likelihood = likelihood

    @property
    def terms(self) -> int:
        """Temporaries of a sample's likelihood, as many of the size of an image."""
        return self.likelihood.terms

    @property
    def binarises(self) -> bool:
        """Whether `read` takes a uniform a pixel."""
        return self.likelihood.binarises

    def read(self, grey: Tensor, uniforms: Tensor) -> Tensor:
        """The model's x (B, X) for images uint8 (B, X), by `Likelihood.read`."""
        return self.likelihood.read(grey, uniforms)

    def forward(self, x: Tensor, z: Tensor) -> tuple[Tensor, Tensor]:
        """x (B, X), z (S, B, D) -> log p(x | z) and log p(z), each (S, B) in nats."""
        return self.likelihood(self.decoder(z).to(z.dtype), x), standard_log_prob(z)

    def show(self, z: Tensor, uniforms: Tensor) -> Tensor:
        """Pixel means of p(x | z) at z (N, D): (N, X); `uniforms` are not used."""
        return self.likelihood.mean(self.decoder(z))

    def draw(self, z: Tensor, uniforms: Tensor) -> Tensor:
        """Images drawn from p(x | z): z (N, D), uniforms (N, X) -> (N, X) from 0 to 1."""
        return self.likelihood.draw(self.decoder(z), uniforms)


class AutoregressiveJoint(Joint):
    """A Joint whose decoder reads x too: log p(x | z) = sum_i log p(x_i | x before i, z)."""

    def forward(self, x: Tensor, z: Tensor) -> tuple[Tensor, Tensor]:
        """x (B, X), z (S, B, D) -> log p(x | z) and log p(z), each (S, B) in nats."""
        return self.likelihood(self.decoder(z, x).to(z.dtype), x), standard_log_prob(z)

    def show(self, z: Tensor, uniforms: Tensor) -> Tensor:
        """A draw of p(x | z), whose means have no closed form; arguments as for `draw`."""
        return self.draw(z, uniforms)

    def draw(self, z: Tensor, uniforms: Tensor) -> Tensor:
        """Binary images drawn from p(x | z): z (N, D), uniforms (N, X) -> (N, X) of 0 and 1."""
        return self.decoder.draw(z, uniforms)


class Energy(nn.Module):
    """An unnormalised log density over z alone, with its log Z where that is known.

    `log_density` maps z (S, B, D) to log f(z), (S, B) in nats. There is no x and no prior.
    """

    binarises = False

    def __init__(self, log_density: Callable[[Tensor], Tensor], log_z: float | None = None):
        super().__init__()
        self.log_density, self.log_z = log_density, log_z

    def read(self, grey: Tensor, uniforms: Tensor) -> Tensor:
        """The constant x of a target without one: ones (B, X), of the type of `uniforms`."""
        return torch.ones_like(grey, dtype=uniforms.dtype)

    def forward(self, x: Tensor, z: Tensor) -> tuple[Tensor, Tensor]:
        """x (B, any), z (S, B, D) -> log f(z) and zeros, each (S, B) in nats."""
        log_f = self.log_density(z)
        return log_f, torch.zeros_like(log_f)


class LinearGaussian(nn.Module):
    """x = W z + b + noise_scale * eps, z ~ N(0, I): log p(x) and the posterior are exact."""

    def __init__(self, weight: Tensor, bias: Tensor, noise_scale: float):
        super().__init__()
        self.weight = nn.Parameter(weight)  # (X, D)
        self.bias = nn.Parameter(bias)  # (X,)
        # a buffer, so that models side by side may differ in it
        self.register_buffer("noise_scale", torch.as_tensor(noise_scale, dtype=weight.dtype))

    def forward(self, x: Tensor, z: Tensor) -> tuple[Tensor, Tensor]:
        """x (B, X), z (S, B, D) -> log p(x | z) and log p(z), each (S, B) in nats."""
        residual = (x - z @ self.weight.T - self.bias) / self.noise_scale
        log_scale = x.shape[-1] * self.noise_scale.log()
        return standard_log_prob(residual) - log_scale, standard_log_prob(z)

    def log_marginal(self, x: Tensor) -> Tensor:
        """Exact log p(x) in nats: (B, X) -> (B,)."""
        noise = self.noise_scale**2 * torch.eye(len(self.bias), dtype=x.dtype)
        covariance = self.weight @ self.weight.T + noise
        return torch.distributions.MultivariateNormal(self.bias, covariance).log_prob(x)
