"""The annealed variational objective of Huang et al. 2018 (arXiv 1809.01818)."""

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from annealed.inference import schedules
from annealed.inference.objectives import Maximise, Objective, ObjectiveInputs, Terms, elbo, frozen
from annealed.inference.posteriors import Posterior

DECODER = {True: "last", False: "never"}  # the stages that a bool says train the decoder


def avo_stages(
    target: nn.Module,
    x: Tensor,
    posterior: Posterior,
    noise: Tensor,
    alphas: list[float],
    anchor: str = "q0",
    train_decoder: str = "never",
    train_encoder: bool = False,
) -> Iterator[Terms]:
    """The T stages of the annealed variational objective (Huang et al. 2018, arXiv 1809.01818).

    Stage t scores transition t against f_t = f_0^(1 - alpha_t) p(x, .)^alpha_t, with everything
    before it held fixed. The intractable log q_{t-1}(z_{t-1}), constant for stage t, is replaced by
    the path's log q_0 + sum_{s<t} log_ratio_s: the gradient is the same and the value is the ELBO
    of the path cut at t, a lower bound of log Z_t. The last stage's terms are those of the ELBO.
    Under a `temper` of the terms p(x, .)^temper is in the place of p(x, .), and f_0 stays.

    x (B, X), noise (num_draws, S, B, D). `alphas` has one entry a transition and ends in 1.
    `anchor` is f_0: `q0` or `prior`. `train_decoder` names the stages that reach the target's
    parameters, `never`, the `last` or `every` one; `train_encoder` lets every stage reach the
    encoder through the context. A stage's graph reaches no other stage's, so it can be
    back-propagated and freed before the next is built.

    Raises ValueError when `alphas` does not fit the posterior, its transitions follow the target
    themselves or `anchor` is unknown.
    """
    if posterior.annealed:
        raise ValueError("AVO takes transitions that are not given an annealed target themselves")
    if len(alphas) != len(posterior.transitions) or not alphas or alphas[-1] != 1.0:
        raise ValueError(
            f"AVO needs one alpha for each of the {len(posterior.transitions)} transitions (at "
            f"least one), the last of them 1; got {alphas}"
        )
    if anchor not in ("q0", "prior"):
        raise ValueError(f"unknown anchor {anchor!r}; accepted: q0, prior")
    if train_decoder not in ("last", "every", "never"):
        raise ValueError(f"unknown train_decoder {train_decoder!r}; accepted: last, every, never")
    fixed_target = frozen(target)
    start_noise, noise = noise[: posterior.num_start_draws], noise[posterior.num_start_draws :]
    stages = zip(posterior.with_noise(noise), alphas, strict=True)
    for t, ((transition, eps), alpha) in enumerate(stages):
        if t == 0 or train_encoder:
            with torch.set_grad_enabled(train_encoder):
                base, context = posterior.start(x, start_noise)
            for update in posterior.context_updates[:t]:
                context = frozen(update)(context)
            base = base.detach()
        if t == 0:
            z = base.rsample(noise[0])
            log_path = base.log_prob(z)
        new_context = transition.next_context(context)
        z_new, log_ratio = transition(z, new_context, eps)
        trains = train_decoder == "every" or (train_decoder == "last" and t == len(alphas) - 1)
        stage_target = target if trains else fixed_target
        log_likelihood, log_prior = stage_target(x, z_new)
        log_anchor = base.log_prob(z_new) if anchor == "q0" else log_prior
        annealed = alpha * log_likelihood, alpha * log_prior
        yield Terms(*annealed, log_path + log_ratio, (1.0 - alpha) * log_anchor)
        z, log_path = z_new.detach(), log_path + log_ratio.detach()
        context = context if new_context is context else new_context.detach()


class AVO(Objective):
    """AVO mixed with the ELBO, which is what trains q_0 and the encoder (Huang et al. 2018).

    `mixing` is "random", where a share `rho` of the steps are AVO steps and the others ELBO steps,
    or "convex", where every step maximises rho AVO + (1 - rho) ELBO. `alphas` and `first_alpha`:
    see `schedules.alphas`; `anchor`, `train_decoder` (true is last, false never) and
    `train_encoder`: see `avo_stages`. Without `warm_up` stages take no part in a warm-up of beta.
    `stagewise` hands stages on one after another, so that memory does not grow with T. Raises
    ValueError for what is not accepted.
    """

    elbo_samples: int | None = None  # the first so many of S, that steps by the ELBO take

    def __init__(
        self,
        transitions: int,
        samples: int = 1,
        *,
        mixing: str = "random",
        rho: float = 0.2,
        anchor: str = "q0",
        alphas: str = "linear",
        first_alpha: float | None = None,
        train_decoder: str | bool = "last",
        train_encoder: bool = False,
        warm_up: bool = True,
        stagewise: bool = False,
    ):
        if mixing not in ("random", "convex"):
            raise ValueError(f"unknown mixing {mixing!r}; accepted: random, convex")
        if not 0.0 <= rho <= 1.0:
            raise ValueError(f"rho is {rho}; accepted: a number from 0 to 1")
        if transitions < 1:
            raise ValueError(f"AVO takes a path of at least one transition; got {transitions}")
        self.mixing, self.rho, self.samples = mixing, rho, samples
        self.alphas = schedules.alphas(alphas, transitions, first_alpha)
        self.stage_options = {
            "anchor": anchor,
            "train_decoder": DECODER.get(train_decoder, train_decoder),
            "train_encoder": train_encoder,
        }
        self.warm_up, self.stagewise = warm_up, stagewise
        self.elbo = Maximise(elbo, samples)

    def draw_mode(self, uniform: float) -> float:
        """The weight of AVO in a step: 1 where the uniform is below rho, or always rho."""
        return self.rho if self.mixing == "convex" else float(uniform < self.rho)

    def stages(self, inputs: ObjectiveInputs) -> Iterator[tuple[Tensor, Terms]]:
        """Yields the value of each stage, (B,), with its terms."""
        problem = (inputs.target, inputs.x, inputs.posterior, inputs.noise, self.alphas)
        for terms in avo_stages(*problem, **self.stage_options):
            yield elbo(terms.log_weight(*self.annealed(inputs))), terms

    def annealed(self, inputs: ObjectiveInputs) -> tuple[Tensor | float, Tensor | float]:
        """The weight of a stage's rate and the exponent of its target."""
        return (inputs.beta, inputs.temper) if self.warm_up else (1.0, 1.0)

    def __call__(self, inputs: ObjectiveInputs) -> Iterator[tuple[Tensor, Terms]]:
        """Yields AVO's value, or each stage's with `stagewise`, then the ELBO's share; (B,)."""
        weight = inputs.mode
        if weight > 0.0:
            total = 0.0
            for stage, terms in self.stages(inputs):
                value = weight * stage
                if self.stagewise:
                    yield value, terms
                else:
                    total = total + value
            if not self.stagewise:
                yield total, terms
        if weight < 1.0:
            of_path = inputs.noise[: len(inputs.noise) - self.extra_draws, : self.elbo_samples]
            target, q, x, _, *weights = inputs
            for value, terms in self.elbo(ObjectiveInputs(target, q, x, of_path, *weights)):
                yield (1.0 - weight) * value, terms
