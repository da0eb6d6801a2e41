"""A row of the table: a target, a posterior and an objective."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from annealed.config.schema import Config
from annealed.inference.annealed_path import AnnealedPosterior, AnnealedTransition
from annealed.inference.objectives import ObjectiveInputs, Terms, path_terms, total_loss
from annealed.inference.posteriors import Posterior
from annealed.inference.transitions import Transition
from annealed.models import build
from annealed.models.targets import Energy, Joint
from annealed.utils import randomness
from annealed.utils.errors import UsageError

METRIC_NAMES = ("elbo", "log_likelihood", "rate")


@dataclass
class PosteriorBuilder:
    """What a row composes its posterior from; `config` decides where q_0 starts."""

    encoder: nn.Module
    target: Joint | Energy
    context: int  # the encoder's width
    latent: int
    config: Config

    def posterior(self, transitions: list[Transition] = ()) -> Posterior:
        """A Gaussian start from the encoder, followed by `transitions`."""
        return Posterior(self.encoder, build.head(self.config, self.context), transitions)

    def annealed_posterior(
        self,
        transitions: list[AnnealedTransition],
        alphas: str = "linear",
        first_alpha: float | None = None,
    ) -> AnnealedPosterior:
        """The same start, then transitions that are given the row's target, annealed.

        `alphas` and `first_alpha`: see `AnnealedPosterior`.
        """
        start = (self.encoder, build.head(self.config, self.context))
        return AnnealedPosterior(*start, transitions, self.target, alphas, first_alpha)


class Method(nn.Module):
    """A row of the table: a posterior and an objective over the shared target.

    A subclass defines `Options`, a dataclass of its own keys, and `compose`. How it is trained,
    alone or beside other seeds, is `annealed.training.module`'s.
    """

    needs_x = False  # whether the posterior cannot do without an x, and so not with an energy

    @dataclass
    class Options:
        """Keys under `method:` beside its name."""

    def __init__(self, config: Config, pixels: int):
        super().__init__()
        self.config, self.pixels = config, pixels
        # parts are keyed apart, so that all rows of a seed start from the same decoder and encoder
        with randomness.initialisation(config.seed, 0):
            self.target = build.target(config, pixels)
        with randomness.initialisation(config.seed, 1):
            encoder, context = build.encoder(config, pixels)
        builder = PosteriorBuilder(encoder, self.target, context, config.network.latent, config)
        with randomness.initialisation(config.seed, 2):
            self.posterior, self.objective = self.compose(config.method_options, builder)
        if config.posterior.start == "prior" and not len(self.posterior.transitions):
            raise UsageError(
                f"posterior.start is 'prior' and {config.row} has no transitions from there; "
                "accepted: learnt, or a row with transitions."
            )
        if next(self.parameters(), None) is None:
            raise UsageError(
                f"data.learn_start is false and {config.row} has nothing else to train; accepted: "
                "true, or a row with transitions that learn."
            )

    def compose(self, options: Any, builder: PosteriorBuilder) -> tuple[Posterior, Any]:
        """The row's posterior and objective; `annealed.methods.rows` has examples."""
        raise TypeError(f"{type(self).__name__} does not define compose")

    @property
    def device(self) -> torch.device:
        """The device of the parameters."""
        return next(self.parameters()).device

    @property
    def dtype(self) -> torch.dtype:
        """The type of the parameters."""
        return next(self.parameters()).dtype

    def noise(
        self, stream: str, samples: int, batch: int, *step: int, extra_draws: int = 0
    ) -> Tensor:
        """Noise, (num_draws + extra_draws, samples, batch, D), keyed by (seed, stream, step)."""
        draws = self.posterior.num_draws + extra_draws
        shape = (draws, samples, batch, self.config.network.latent)
        seed = self.config.seed
        return randomness.normal(shape, seed, stream, *step, device=self.device, dtype=self.dtype)

    def forward(
        self,
        grey: Tensor,
        uniforms: Tensor,
        noise: Tensor,
        mode: float,
        beta: Tensor,
        temper: Tensor,
        each: Callable[[Tensor], None] | None = None,
    ) -> tuple[Tensor, Tensor]:
        """The loss of a batch, and the means of METRIC_NAMES, (3,), at beta = 1.

        grey (B, X) uint8 and uniforms, (B, X) or (B, 0), make x (`Joint.read`); noise is
        (num_draws + the objective's extra_draws, S, B, D); `mode` is the objective's (see
        `ObjectiveInputs`); `each`: see `total_loss`.
        """
        x = self.target.read(grey, uniforms).to(noise.dtype)
        inputs = ObjectiveInputs(self.target, self.posterior, x, noise, beta, temper, mode)

        def each_unrounded(loss: Tensor) -> None:
            with self.rounded(False):
                each(loss)

        with self.rounded():
            loss, terms = total_loss(self.objective, inputs, each_unrounded if each else None)
        return loss, summary(terms)

    def rounded(self, on: bool = True) -> AbstractContextManager:
        """The context of the loss: under `trainer.precision` bf16 networks multiply in bfloat16.

        Parameters, gradients, densities and what comes out of the loss stay as they are.
        """
        if self.config.trainer.precision != "bf16":
            return nullcontext()
        # without the cache: a cast made under a transform of torch.func must not outlive it
        kind = self.device.type
        return torch.autocast(kind, torch.bfloat16, enabled=on, cache_enabled=False)

    def validate(self, x: Tensor, noise: Tensor) -> dict[str, Tensor]:
        """Means over a batch x (B, X) at beta = 1, by name; noise (num_draws, 1, B, D)."""
        terms = path_terms(self.target, x, self.posterior(x, noise))
        return dict(zip(METRIC_NAMES, summary(terms), strict=True))


def summary(terms: Terms) -> Tensor:
    """Means of METRIC_NAMES over samples and examples, at beta = 1: (3,)."""
    # not `terms.rate`: torch 2.6 does not trace properties of a NamedTuple, nor its _replace
    likelihood, rate = terms.log_likelihood.mean(), (terms.log_q - terms.log_prior).mean()
    return torch.stack([likelihood - rate, likelihood, rate]).detach()
