"""Nested variational inference: stages that weigh their samples, and paths of targets that learn.

Zimmermann, Wu, Esmaeili, van de Meent 2021 (arXiv 2106.11302).
"""

from collections.abc import Callable, Iterator
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from typing_extensions import override

from annealed.inference.avo import AVO
from annealed.inference.objectives import ObjectiveInputs, Terms, frozen, iwae
from annealed.inference.posteriors import Posterior


class LearntAlphas(nn.Module):
    """alpha_1 < ... < alpha_T = 1 as running sums of a softmax; they start evenly spaced.

    Adam moves every parameter by about its learning rate a step. With `rate` below 1 the path
    learns so many times slower than the kernels, which otherwise it may outrun.
    """

    def __init__(self, transitions: int, rate: float = 1.0):
        super().__init__()
        self.logits, self.rate = nn.Parameter(torch.zeros(transitions)), rate

    def forward(self) -> Tensor:
        """The alphas, (T,)."""
        return (self.rate * self.logits).softmax(0).cumsum(0)


class Level(NamedTuple):
    """Weighted samples of the annealed target of one level, held fixed."""

    z: Tensor  # (S, B, D)
    log_w: Tensor  # (S, B): log-weights, whose mean estimates the target's Z
    log_target: Tensor  # (S, B): log p(x, z)
    log_anchor: Tensor  # (S, B): log q_0(z)

    def log_gamma(self, alpha: Tensor) -> Tensor:
        """The log density at the samples of the target annealed to `alpha`, (S, B)."""
        return alpha * self.log_target + (1.0 - alpha) * self.log_anchor

    def resampled(self, uniform: Tensor) -> "Level":
        """Samples drawn by their weights, systematically, with uniform (B,); equal weights."""
        index = systematic(self.log_w.softmax(0), uniform)
        z = self.z.gather(0, index[..., None].expand_as(self.z))
        densities = (value.gather(0, index) for value in (self.log_target, self.log_anchor))
        return Level(z, iwae(self.log_w).expand_as(self.log_w), *densities)


def systematic(weights: Tensor, uniform: Tensor) -> Tensor:
    """Systematic resampling: weights (S, B) that sum to 1, uniform (B,) -> indices (S, B)."""
    count = len(weights)
    points = (torch.arange(count, device=weights.device)[:, None] + uniform) / count
    below = weights.cumsum(0)[None] < points[:, None]  # (S points, S weights, B)
    return below.sum(1).clamp_max(count - 1)


def nested_stages(
    target: nn.Module,
    x: Tensor,
    posterior: Posterior,
    noise: Tensor,
    path: Callable[[], Tensor],
    uniforms: Tensor | None = None,
    train_decoder: bool = False,
) -> Iterator[tuple[Tensor, Terms]]:
    """The T levels of nested variational inference: the value to maximise, (B,), and the terms.

    Level t minimises the exclusive KL from pi_{t-1}(z_{t-1}) q_t(z_t | z_{t-1}) to pi_t(z_t)
    r_t(z_{t-1} | z_t), where pi_t is f_0^(1 - alpha_t) p(x, .)^alpha_t normalised and f_0 is q_0,
    held fixed. Samples of pi_{t-1} are those of the level before, by their normalised weights, or
    drawn again by them where there are `uniforms`, (T - 1, B). With one sample the gradient of the
    kernels is AVO's.

    x (B, X), noise (num_draws, S, B, D). `path` makes the alphas, (T,), the last of them 1, anew at
    each level, so that a level's graph reaches no other's; what they are made of gets the gradient
    of the same divergences, in which pi_t is a target and then a proposal. The value is a level's
    estimate of log Z_t so far. `train_decoder` lets the last level reach the target's parameters.
    The last level's terms are those of the weights of whole paths. Raises ValueError where alphas
    and transitions are not of one number, or transitions follow the target themselves.
    """
    if posterior.annealed:
        raise ValueError("NVI takes transitions that are not given an annealed target themselves")
    count, last = len(path()), len(posterior.transitions) - 1
    if count != last + 1:
        raise ValueError(f"{count} alphas for {last + 1} transitions")
    fixed_target = frozen(target)
    start_noise, noise = noise[: posterior.num_start_draws], noise[posterior.num_start_draws :]
    with torch.no_grad():
        base, context = posterior.start(x, start_noise)
        z = base.rsample(noise[0])
        log_q0 = base.log_prob(z)
        level = Level(z, torch.zeros_like(log_q0), log_q0, log_q0)
    for t, (transition, eps) in enumerate(posterior.with_noise(noise)):
        before, alpha = F.pad(path(), (1, 0))[t : t + 2]
        context = transition.next_context(context)
        z_new, log_ratio = transition(level.z, context, eps)
        context = context.detach()
        stage_target = target if train_decoder and t == last else fixed_target
        log_likelihood, log_prior = stage_target(x, z_new)
        log_target, log_anchor = log_likelihood + log_prior, base.log_prob(z_new)
        log_gamma = alpha * log_target + (1.0 - alpha) * log_anchor
        log_gamma_before = level.log_gamma(before)
        log_v = log_gamma - log_gamma_before.detach() - log_ratio
        weights = level.log_w.softmax(0)
        value = (weights * log_v).sum(0) + iwae(level.log_w)
        new = (level.log_w + log_v, log_target, log_anchor)
        after = Level(z_new.detach(), *(v.detach() for v in new))
        # of the alphas alone: what else the terms are made of is held fixed
        surplus = log_v.detach() - (weights * log_v.detach()).sum(0)
        as_proposal = (weights * surplus * log_gamma_before).sum(0)
        log_normaliser = (after.log_w.softmax(0) * after.log_gamma(alpha)).sum(0)
        gradient_alone = as_proposal - log_normaliser
        value = value + (gradient_alone - gradient_alone.detach())
        log_path = log_gamma_before.detach() - level.log_w + log_ratio
        annealed = alpha * log_likelihood
        yield value, Terms(annealed, log_gamma - annealed, log_path)
        level = after if uniforms is None or t == last else after.resampled(uniforms[t])


class NVI(AVO):
    """Nested variational inference in place of AVO's stages, mixed with the ELBO as AVO is.

    `samples` is S, from 2: the weights of one sample say nothing. With `resample` samples are drawn
    again by their weights between levels. A posterior with `alphas` (`LearntAlphas`) learns its
    path. Other arguments: see `AVO`; `anchor` is q0, the encoder learns by the ELBO alone, and
    levels take no part in a warm-up; `train_decoder` is last or never. Steps by the ELBO take the
    first `elbo_samples` of S, by default all.
    """

    def __init__(
        self,
        transitions: int,
        samples: int,
        *,
        resample: bool = False,
        elbo_samples: int | None = None,
        **options,
    ):
        super().__init__(transitions, samples, **{"warm_up": False, **options})
        for name, value in {"anchor": "q0", "train_encoder": False, "warm_up": False}.items():
            if options.get(name, value) != value:
                raise ValueError(f"NVI takes {name}={value} alone; got {options[name]}")
        if self.stage_options["train_decoder"] == "every":
            raise ValueError("NVI takes train_decoder last or never; got every")
        if samples < 2:
            raise ValueError(f"NVI weighs its samples against each other: from 2; got {samples}")
        self.resample, self.elbo_samples = resample, elbo_samples
        self.extra_draws = (transitions - 1) * resample

    @override
    def stages(self, inputs: ObjectiveInputs) -> Iterator[tuple[Tensor, Terms]]:
        """Yields the value of each level, (B,), with its terms."""
        noise, uniforms = inputs.noise, None
        if self.resample:
            noise, extra = noise.split([len(noise) - self.extra_draws, self.extra_draws])
            uniforms = torch.special.ndtr(extra[:, 0, :, 0])
        yield from nested_stages(
            inputs.target,
            inputs.x,
            inputs.posterior,
            noise,
            partial(path_of, inputs.posterior, self.alphas, noise),
            uniforms,
            self.stage_options["train_decoder"] == "last",
        )


def path_of(posterior: Posterior, alphas: list[float], like: Tensor) -> Tensor:
    """The alphas that a posterior learns, or those given: (T,)."""
    learnt = getattr(posterior, "alphas", None)
    return like.new_tensor(alphas) if learnt is None else learnt()
