"""The annealed variational objective of Huang et al. 2018 (arXiv 1809.01818)."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from annealed import schedules
from annealed.objectives import Maximise, Objective, Step, Terms, elbo
from annealed.options import choice, number
from annealed.posteriors import Posterior
from annealed.targets import held_fixed


def avo_stages(
    target: nn.Module,
    x: Tensor,
    posterior: Posterior,
    noise: Tensor,
    alphas: list[float],
    anchor: str = "q0",
    train_decoder: bool = False,
    train_encoder: bool = False,
) -> Iterator[Terms]:
    """The T stages of the annealed variational objective (Huang et al. 2018, arXiv 1809.01818).

    Stage t scores step t against f_t = f_0^(1 - alpha_t) p(x, .)^alpha_t, with everything before
    step t held fixed. The intractable log q_{t-1}(z_{t-1}), constant for stage t, is replaced by
    the path's log q_0 + sum_{s<t} log_ratio_s: the gradient is the same and the value is the ELBO
    of the path cut at t, a lower bound of log Z_t. The last stage's terms are those of the ELBO.

    x (B, X), noise (draws, S, B, D). `alphas` has one entry a transition and ends in 1. `anchor`
    is f_0: `q0` or `prior`. `train_decoder` lets the last stage reach the target's parameters,
    `train_encoder` lets every stage reach the encoder through the context. A stage's graph reaches
    no other stage's, so it can be back-propagated and freed before the next one is built.

    Raises ValueError when `alphas` does not fit the posterior or `anchor` is unknown.
    """
    if len(alphas) != len(posterior.transitions) or not alphas or alphas[-1] != 1.0:
        raise ValueError(
            f"AVO needs one alpha for each of the {len(posterior.transitions)} transitions (at "
            f"least one), the last of them 1; got {alphas}"
        )
    if anchor not in ("q0", "prior"):
        raise ValueError(f"unknown anchor {anchor!r}; accepted: q0, prior")
    fixed_target = held_fixed(target)
    lead, noise = noise[: posterior.start_draws], noise[posterior.start_draws :]
    for t, ((step, eps), alpha) in enumerate(zip(posterior.steps(noise), alphas, strict=True)):
        if t == 0 or train_encoder:
            with torch.set_grad_enabled(train_encoder):
                base, context = posterior.start(x, lead)
            for before in posterior.advances[:t]:
                context = held_fixed(before)(context)
            base = base.detach()
        if t == 0:
            z = base.rsample(noise[0])
            log_path = base.log_prob(z)
        own = step.advance(context)
        new, log_ratio = step(z, own, eps)
        score = target if train_decoder and t == len(alphas) - 1 else fixed_target
        log_likelihood, log_prior = score(x, new)
        log_anchor = base.log_prob(new) if anchor == "q0" else log_prior
        log_f = alpha * log_prior + (1.0 - alpha) * log_anchor  # f_t without its likelihood
        yield Terms(alpha * log_likelihood, log_f, log_path + log_ratio)
        z, log_path = new.detach(), log_path + log_ratio.detach()
        context = context if own is context else own.detach()


def avo(target, x, posterior, noise, alphas, beta: float = 1.0, **options) -> Tensor:
    """The sum of all stages' values, (B,) in nats; arguments as for `avo_stages`."""
    stages = avo_stages(target, x, posterior, noise, alphas, **options)
    return sum(elbo(terms.log_weight(beta)) for terms in stages)


@dataclass
class AVOOptions:
    """What the paper leaves open about AVO; defaults are argued in reports/assumptions.md."""

    mixing: str = choice(
        "random", "convex", default="random"
    )  # AVO on random steps, or in every step
    rho: float = number(0.2, low=0.0, high=1.0)  # share of AVO steps, or AVO's convex weight
    anchor: str = choice("q0", "prior", default="q0")  # f_0, held fixed
    alphas: str = choice("linear", "geometric", default="linear")  # spacing of alpha_1..alpha_T
    first_alpha: float | None = number(None, low=0.0, high=1.0, open_ends=True)  # alpha_1
    train_decoder: bool = True  # the last stage also trains the decoder
    train_encoder: bool = False  # stages train the encoder through the context
    warm_up: bool = True  # stages are warmed up as the ELBO is
    stagewise: bool = False  # one backward pass a stage: memory does not grow with T


class AVO(Objective):
    """AVO mixed with the ELBO, which is what trains q_0 and the encoder."""

    def __init__(self, options: AVOOptions, transitions: int, samples: int = 1):
        self.options = options
        self.samples = samples
        self.alphas = schedules.alphas(options.alphas, transitions, options.first_alpha)
        self.elbo = Maximise(elbo, samples)

    def choose(self, coin: float) -> float:
        """The weight of AVO in a step: 1 where the coin is below rho, or always rho."""
        o = self.options
        return o.rho if o.mixing == "convex" else float(coin < o.rho)

    def __call__(self, step: Step) -> Iterator[tuple[Tensor, Terms]]:
        """See `Step`."""
        o, weight = self.options, step.choice
        if weight > 0.0:
            stages = avo_stages(
                step.target,
                step.x,
                step.posterior,
                step.noise,
                self.alphas,
                o.anchor,
                o.train_decoder,
                o.train_encoder,
            )
            annealed = (step.beta, step.temper) if o.warm_up else (1.0, 1.0)
            total = 0.0
            for terms in stages:
                value = weight * elbo(terms.log_weight(*annealed))
                if o.stagewise:
                    yield value, terms
                else:
                    total = total + value
            if not o.stagewise:
                yield total, terms
        if weight < 1.0:
            for value, terms in self.elbo(step):
                yield (1.0 - weight) * value, terms
