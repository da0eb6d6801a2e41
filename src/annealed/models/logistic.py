"""Logistic likelihoods of pixels on 256 levels (Salimans et al. 2017, arXiv 1701.05517)."""

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from annealed.models.likelihoods import Likelihood

LEVELS = 256
# Log-scales on pixels from -1 to 1. At the floor a bin is 8.6 scales wide: a narrower density gains
# nothing on 256 levels and only sharpens gradients. The ceiling is beyond any use.
FLOOR, CEILING = -7.0, 7.0


def level_log_prob(loc: Tensor, raw: Tensor, x: Tensor) -> Tensor:
    """Log probabilities of levels under a discretised logistic, in nats, one a value.

    Location `loc` and log-scale `raw` (see `log_scale`) are those of pixels from -1 to 1; x from 0
    to 1 is level / 255; all broadcast together. A level has the mass of its bin, of width 2 / 255;
    the lowest and the highest have the tails too (Salimans et al. 2017, section 2.1; Kingma et al.
    2016, arXiv 1606.04934). For a bin from b to a in scales, sigmoid(a) - sigmoid(b) is
    sigmoid(a) sigmoid(-b) (1 - exp(b - a)): no difference is taken, so nothing cancels.
    """
    inverse = (-log_scale(raw)).exp()
    centred, half = 2.0 * x - 1.0 - loc, 1.0 / (LEVELS - 1)
    below = F.logsigmoid((centred + half) * inverse)
    above = F.logsigmoid((half - centred) * inverse)
    width = (-torch.expm1(-2.0 * half * inverse)).log()
    lowest, highest = x < 0.5 * half, x > 1.0 - 0.5 * half
    inside = torch.where(lowest | highest, 0.0, width)
    return torch.where(highest, 0.0, below) + torch.where(lowest, 0.0, above) + inside


def log_scale(raw: Tensor) -> Tensor:
    """The log-scale of a decoder's output: softly above FLOOR, where its gradient stays alive."""
    return (FLOOR + F.softplus(raw - FLOOR)).clamp(max=CEILING)


def nearest_level(pixel: Tensor) -> Tensor:
    """Pixels from -1 to 1, or beyond, to the nearest level / 255."""
    return ((pixel + 1.0) / 2.0 * (LEVELS - 1)).round().clamp(0, LEVELS - 1) / (LEVELS - 1)


class DiscretisedLogistic(Likelihood):
    """256 levels under a logistic with a location and a log-scale for each pixel and channel.

    The scale is each pixel's own, since z determines a face better than its background; a
    density would collapse onto single pixels, the mass of a bin is at most one.
    """

    levels, parameters, terms = LEVELS, 2, 12

    def read(self, grey: Tensor, uniforms: Tensor) -> Tensor:
        """Level / 255; of the uniforms the type alone is used."""
        return grey.to(uniforms.dtype) / (LEVELS - 1)

    def __call__(self, outputs: Tensor, x: Tensor) -> Tensor:
        """Log p(x | z) in nats: outputs (S, B, 2 * X), x (B, X) -> (S, B)."""
        loc, raw = whole(outputs).chunk(2, -1)
        return level_log_prob(loc, raw, x).sum(-1)

    def mean(self, outputs: Tensor) -> Tensor:
        """The location, cut to 0 to 1: outputs (N, 2 * X) -> (N, X)."""
        loc, _ = whole(outputs).chunk(2, -1)
        return ((loc + 1.0) / 2.0).clamp(0.0, 1.0)

    def draw(self, outputs: Tensor, uniforms: Tensor) -> Tensor:
        """A level / 255 by inversion: outputs (N, 2 * X), uniforms (N, X) -> (N, X)."""
        loc, raw = whole(outputs).chunk(2, -1)
        return nearest_level(loc + log_scale(raw).exp() * logit(uniforms))

    def bias(self) -> list[float]:
        """Grey, with a scale of a third of the range: wide enough for any pixel."""
        return [0.0, -1.0]


class LogisticMixture(DiscretisedLogistic):
    """256 levels under a mixture of K discretised logistics, each pixel and channel on its own."""

    def __init__(self, components: int):
        self.components, self.parameters = components, 3 * components
        self.terms = 14 * components

    def split(self, outputs: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Log-weights, locations and raw log-scales: (..., 3 K * X) -> three of (..., K, X)."""
        logits, loc, raw = whole(outputs).unflatten(-1, (3, self.components, -1)).unbind(-3)
        return logits.log_softmax(-2), loc, raw

    def __call__(self, outputs: Tensor, x: Tensor) -> Tensor:
        """Log p(x | z) in nats: outputs (S, B, 3 K * X), x (B, X) -> (S, B)."""
        log_weights, loc, raw = self.split(outputs)
        each = log_weights + level_log_prob(loc, raw, x.unsqueeze(-2))
        return each.logsumexp(-2).sum(-1)

    def mean(self, outputs: Tensor) -> Tensor:
        """The weighted locations, cut to 0 to 1: outputs (N, 3 K * X) -> (N, X)."""
        log_weights, loc, _ = self.split(outputs)
        return (((log_weights.exp() * loc).sum(-2) + 1.0) / 2.0).clamp(0.0, 1.0)

    def draw(self, outputs: Tensor, uniforms: Tensor) -> Tensor:
        """A level / 255 by uniforms (N, X): outputs (N, 3 K * X) -> (N, X).

        What is left of a uniform after the choice of a component is uniform again and inverts it.
        """
        log_weights, loc, raw = self.split(outputs)
        weights, u = log_weights.exp(), uniforms.unsqueeze(-2)
        ends = weights.cumsum(-2)
        component = (u >= ends).sum(-2, keepdim=True).clamp(max=self.components - 1)
        weight, end = weights.gather(-2, component), ends.gather(-2, component)
        rest = ((u - (end - weight)) / weight).clamp(0.0, 1.0)
        loc, raw = loc.gather(-2, component), raw.gather(-2, component)
        return nearest_level(loc + log_scale(raw).exp() * logit(rest)).squeeze(-2)

    def bias(self) -> list[float]:
        """Equal weights, locations spread over the range, scales of about their distance."""
        k = self.components
        locations = [(2 * i + 1) / k - 1.0 for i in range(k)]
        return [0.0] * k + locations + [-math.log(k) - 1.0] * k


def whole(outputs: Tensor) -> Tensor:
    """Outputs of half precision as float32: 256 levels are finer than its steps."""
    return outputs.float() if outputs.dtype in (torch.bfloat16, torch.float16) else outputs


def logit(uniforms: Tensor) -> Tensor:
    """The logistic quantile, finite at 0 and 1."""
    return torch.logit(uniforms, eps=1e-7)
