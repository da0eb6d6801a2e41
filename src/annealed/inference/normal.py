"""The diagonal Gaussian, sampled by noise that the caller hands in."""

import math
from typing import NamedTuple

from torch import Tensor

LOG_2PI = math.log(2.0 * math.pi)


class Normal(NamedTuple):
    """Independent Gaussians over the last dimension; noise comes from the caller.

    `torch.distributions.Normal` draws from the global generator, which the randomness rule forbids.
    """

    loc: Tensor  # (..., D)
    scale: Tensor  # (..., D), positive

    def rsample(self, noise: Tensor) -> Tensor:
        """The point loc + scale * noise; differentiable in loc and scale."""
        return self.loc + self.scale * noise

    def log_prob(self, value: Tensor) -> Tensor:
        """Log density in nats, summed over the last dimension: (..., D) -> (...)."""
        standardised = (value - self.loc) / self.scale
        return standard_log_prob(standardised) - self.scale.to(value.dtype).log().sum(-1)

    def detach(self) -> "Normal":
        """The same distribution, held fixed."""
        return Normal(self.loc.detach(), self.scale.detach())


def standard_log_prob(value: Tensor) -> Tensor:
    """Log density of N(0, I) in nats: (..., D) -> (...)."""
    return -0.5 * (value.square().sum(-1) + value.shape[-1] * LOG_2PI)
