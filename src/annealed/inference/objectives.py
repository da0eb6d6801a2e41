"""Bounds, per example and maximised: log-weights, ELBO, IWAE, Renyi.

Shapes: S samples, B examples. Nothing here reduces over B: that one mean is the caller's.
"""

import math
from collections.abc import Callable, Iterator
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.func import functional_call, vjp

from annealed.inference.posteriors import Path, Posterior


def frozen(module: nn.Module) -> Callable:
    """`module` as a function whose gradient reaches its arguments but none of its parameters."""
    fixed = {name: p.detach() for name, p in module.named_parameters()}
    return lambda *arguments: functional_call(module, fixed, arguments)


class Terms(NamedTuple):
    """The parts of a log-weight, each (S, B) in nats."""

    log_likelihood: Tensor  # log p(x | z_T)
    log_prior: Tensor  # log p(z_T)
    log_q: Tensor  # the path's log q_0 + sum_t (log q_t - log r_t)
    log_anchor: Tensor | float = 0.0  # what f_t has of f_0, which no temper is an exponent of

    @property
    def rate(self) -> Tensor:
        """A sample of KL(q || p(z)), or of an upper bound of it where T > 0: (S, B)."""
        return self.log_q - self.log_prior

    def log_weight(self, beta: float = 1.0, temper: float = 1.0) -> Tensor:
        """log w, (S, B): `beta` weights the rate, `temper` is an exponent of the whole target."""
        log_prior = temper * self.log_prior + self.log_anchor
        return temper * self.log_likelihood - beta * (self.log_q - log_prior)


def path_terms(target: nn.Module, x: Tensor, path: Path) -> Terms:
    """The terms of a whole path under p(x, z_T)."""
    return Terms(*path.end_scores(target, x), path.log_prob())


def log_weight(target: nn.Module, x: Tensor, path: Path, beta: float = 1.0) -> Tensor:
    """Unreduced importance log-weights of a path, (S, B) in nats."""
    return path_terms(target, x, path).log_weight(beta)


def elbo(log_w: Tensor) -> Tensor:
    """Evidence lower bound, the mean over S (Kingma & Welling 2013, arXiv 1312.6114): -> (B,)."""
    return log_w.mean(0)


def iwae(log_w: Tensor) -> Tensor:
    """Importance-weighted bound, log-mean-exp over S (Burda et al. 2015, arXiv 1509.00519)."""
    return torch.logsumexp(log_w, 0) - math.log(log_w.shape[0])


def renyi(log_w: Tensor, alpha: float) -> Tensor:
    """Renyi bound L_alpha = log mean_s w^(1 - alpha) / (1 - alpha), over S: (S, B) -> (B,).

    Li & Turner 2016 (arXiv 1602.02311, equation 6). alpha -> 1 is the ELBO, alpha = 0 the IWAE
    bound; a negative alpha gives an upper bound in the limit of S. Within 1e-5 of 1 it is taken for
    1: the digits of float32 end there.
    """
    if abs(alpha - 1.0) < 1e-5:
        return elbo(log_w)
    return iwae((1.0 - alpha) * log_w) / (1.0 - alpha)


class ObjectiveInputs(NamedTuple):
    """Everything that an objective needs for one optimiser step.

    An objective is called with it and yields parts to maximise one after another, each (B,), with
    the terms of the path so far; the last part's terms are those of the ELBO.
    """

    target: nn.Module
    posterior: Posterior
    x: Tensor  # (B, X)
    noise: Tensor  # (num_draws + the objective's extra_draws, S, B, D)
    beta: Tensor | float = 1.0  # the weight of the rate
    temper: Tensor | float = 1.0  # the exponent of the target
    mode: float = 0.0  # what the objective's `draw_mode` made of this step's uniform


class Objective:
    """What a row maximises; a subclass defines `__call__`, as `ObjectiveInputs` describes it."""

    samples = 1  # S, samples an example in training
    extra_draws = 0  # Gaussian draws that it takes beside those of the path, after them

    def draw_mode(self, uniform: float) -> float:
        """The kind of a step, one of a few values, from a number uniform on [0, 1)."""
        return 0.0


def total_loss(
    objective: Objective,
    inputs: ObjectiveInputs,
    each: Callable[[Tensor], None] | None = None,
) -> tuple[Tensor, Terms]:
    """The loss, minus the mean over B of all parts of `objective`, and the terms of the last part.

    With `each`, every part's loss is handed to it as soon as it is there, as to `Tensor.backward`,
    and what comes back is detached: a part's graph is freed before the next is built.
    """
    total = 0.0
    for value, terms in objective(inputs):  # noqa: B007 - the last part's terms are the ELBO's
        loss = -value.mean()
        if each is not None:
            each(loss)
            loss = loss.detach()
        total = total + loss
    return total, terms


class Maximise(Objective):
    """The objective that maximises `bound` of the path's log-weights, `samples` an example."""

    def __init__(self, bound: Callable[[Tensor], Tensor] = elbo, samples: int = 1):
        self.bound, self.samples = bound, samples

    def __call__(self, inputs: ObjectiveInputs) -> Iterator[tuple[Tensor, Terms]]:
        """Yields one part, the bound (B,), and the path's terms."""
        terms = path_terms(inputs.target, inputs.x, inputs.posterior(inputs.x, inputs.noise))
        yield self.bound(terms.log_weight(inputs.beta, inputs.temper)), terms


class DoublyReparameterised(Objective):
    """IWAE with the DReG gradient for q_0 (Tucker et al. 2018, arXiv 1810.04152, equation 8).

    The encoder's gradient leaves out the score term, whose share of the noise grows with S; the
    target's gradient is IWAE's own. With beta below 1 the weight w^2 of the published estimator
    becomes w (1 - beta (1 - w)), by the same identity. For posteriors without transitions.
    """

    def __init__(self, samples: int):
        self.samples = samples

    def __call__(self, inputs: ObjectiveInputs) -> Iterator[tuple[Tensor, Terms]]:
        """Yields one part, whose value is the IWAE bound (B,), and the path's terms.

        Raises ValueError for a posterior with transitions.
        """
        if len(inputs.posterior.transitions):
            raise ValueError("the doubly reparameterised gradient takes a posterior without steps")
        *start_noise, noise = inputs.noise
        q, _ = inputs.posterior.start(inputs.x, start_noise)
        z, fixed = q.rsample(noise), q.detach()

        def score(point: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
            parts = *inputs.target(inputs.x, point), fixed.log_prob(point)
            return Terms(*parts).log_weight(inputs.beta, inputs.temper), parts

        log_w, pullback, parts = vjp(score, z.detach(), has_aux=True)
        weight = log_w.detach().softmax(0)
        (slope,) = pullback(torch.ones_like(log_w))  # d log w_s / d z_s
        coefficient = weight * (1.0 - inputs.beta * (1.0 - weight))
        encoder = ((coefficient[..., None] * slope).detach() * z).sum((0, -1))
        yield iwae(log_w) + encoder - encoder.detach(), Terms(*parts)
