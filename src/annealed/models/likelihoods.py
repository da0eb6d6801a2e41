"""The interface of a likelihood p(x | z), and that of binary pixels."""

import torch
from torch import Tensor
from torch.nn import functional as F

from annealed.utils import randomness


class Likelihood:
    """How pixels become x, and the distribution of x given the decoder's outputs.

    The decoder's outputs are (..., P * X) for images of X values: P = `parameters` numbers for
    each value, a block of X for each of them.
    """

    levels: int  # values that x takes: level / (levels - 1)
    binarises = False  # whether `read` takes a uniform a pixel
    parameters = 1
    terms = 4  # temporaries of log p(x | z), each of the size of an image

    def read(self, grey: Tensor, uniforms: Tensor) -> Tensor:
        """The x, (B, X) from 0 to 1, of images uint8 (B, X).

        It is binarised by uniforms (B, X) if `binarises`; of others it has the type of `uniforms`,
        which may be empty.
        """
        raise NotImplementedError

    def __call__(self, outputs: Tensor, x: Tensor) -> Tensor:
        """Log p(x | z) in nats: outputs (S, B, P * X), x (B, X) -> (S, B)."""
        raise NotImplementedError

    def mean(self, outputs: Tensor) -> Tensor:
        """The means of p(x | z): outputs (N, P * X) -> (N, X) from 0 to 1."""
        raise NotImplementedError

    def draw(self, outputs: Tensor, uniforms: Tensor) -> Tensor:
        """A draw of p(x | z) by uniforms (N, X): outputs (N, P * X) -> x (N, X)."""
        raise NotImplementedError

    def bias(self) -> list[float] | None:
        """The initial value of each of the P outputs; None: as its layer initialises it."""
        return None


FACTORS = 64  # the largest product of log_partition is 2^64, well within float32


def log_partition(logits: Tensor) -> Tensor:
    """The sum of log(1 + e^logit) over the last dimension: (..., X) -> (...).

    Without gradients a logarithm is taken of products of factors 1 + e^-|logit|, which lie between
    1 and 2: it is the logarithm of each that takes a third of the time of scoring.
    """
    if torch.is_grad_enabled():
        return F.softplus(logits).sum(-1)
    factors, count = logits.abs().neg_().exp_().add_(1), 1
    while count < FACTORS and factors.shape[-1] % 2 == 0:
        first, second = factors.chunk(2, dim=-1)
        factors, count = first * second, 2 * count
    return logits.relu().sum(-1) + factors.log().sum(-1)


class Bernoulli(Likelihood):
    """Binary pixels; the decoder returns logits."""

    levels, binarises = 2, True

    def read(self, grey: Tensor, uniforms: Tensor) -> Tensor:
        """Grey pixels, binarised afresh by the uniforms."""
        return randomness.binarise(grey, uniforms)

    def __call__(self, outputs: Tensor, x: Tensor) -> Tensor:
        """Log p(x | z) in nats: logits (S, B, X), x (B, X) of 0 and 1 -> (S, B)."""
        return (outputs * x).sum(-1) - log_partition(outputs)

    def mean(self, outputs: Tensor) -> Tensor:
        """Logits (N, X) -> probabilities of 1, (N, X)."""
        return outputs.sigmoid()

    def draw(self, outputs: Tensor, uniforms: Tensor) -> Tensor:
        """Logits and uniforms (N, X) -> (N, X) of 0 and 1."""
        return (uniforms < outputs.sigmoid()).to(outputs.dtype)


bernoulli = Bernoulli()
