"""The LightningModule every row shares: steps, the one final mean, the optimiser, beta."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor, nn

from annealed import randomness, schedules
from annealed.errors import Diverged
from annealed.likelihoods import bernoulli
from annealed.networks import gated_mlp
from annealed.objectives import Step, Terms, path_terms
from annealed.posteriors import GaussianHead, Posterior
from annealed.schema import Config
from annealed.targets import Joint
from annealed.transitions import Transition

CHECK_EVERY = 50  # steps between looks at the gradient norm and for values that are not finite


@dataclass
class Parts:
    """What a row composes its posterior from: the encoder, its width, the latent size."""

    encoder: nn.Module
    target: Joint
    context: int
    latent: int

    def posterior(self, transitions: list[Transition] = ()) -> Posterior:
        """A Gaussian start from the encoder, followed by `transitions`."""
        return Posterior(self.encoder, GaussianHead(self.context, self.latent), transitions)


class Method(pl.LightningModule):
    """A row of the table: a posterior and an objective over the shared generative model.

    A subclass defines `Options`, a dataclass of its own keys, and `compose`. Batches are uint8
    images (B, X); training binarises them afresh, so 0 and 255 stay what they are.
    """

    @dataclass
    class Options:
        """Keys under `method:` beside its name."""

    def __init__(self, config: Config, pixels: int):
        super().__init__()
        self.automatic_optimization = False  # an objective may want several backward passes
        self.config, self.pixels = config, pixels
        net = config.network
        # parts are keyed apart, so that all rows of a seed start from the same decoder and encoder
        with randomness.initialisation(config.seed, 0):
            decoder = gated_mlp(net.latent, net.hidden, net.layers)
            self.target = Joint(nn.Sequential(decoder, nn.Linear(net.hidden, pixels)), bernoulli)
        with randomness.initialisation(config.seed, 1):
            encoder = gated_mlp(pixels, net.hidden, net.layers)
        parts = Parts(encoder, self.target, net.hidden, net.latent)
        with randomness.initialisation(config.seed, 2):
            self.posterior, self.objective = self.compose(config.method_options, parts)

    def compose(self, options: Any, parts: Parts) -> tuple[Posterior, Any]:
        """The row's posterior and objective; see `annealed.methods`."""
        raise TypeError(f"{type(self).__name__} does not define compose")

    def noise(self, stream: str, samples: int, batch: int, *step: int) -> Tensor:
        """Noise (draws, samples, batch, latent) keyed by (seed, stream, step)."""
        shape = (self.posterior.draws, samples, batch, self.config.network.latent)
        seed = self.config.seed
        return randomness.normal(shape, seed, stream, *step, device=self.device, dtype=self.dtype)

    def losses(self, grey: Tensor, step: int) -> Iterator[tuple[Tensor, Terms]]:
        """What to minimise at `step` for a grey batch (B, X), one backward pass after another."""
        seed = self.config.seed
        pixels = randomness.uniform(grey.shape, seed, "binarise", step, device=self.device)
        x = randomness.binarise(grey, pixels).to(self.dtype)
        noise = self.noise("posterior", self.objective.samples, len(x), step)
        # keyed by the data seed: every seed takes its AVO steps at the same time
        coin = randomness.uniform((), self.config.data.seed, "objective", step).item()
        name = {"rate": "beta", "target": "temper"}[self.config.trainer.warmed_up]
        warmed_up = {name: self.warmup(step)}
        problem = Step(self.target, self.posterior, x, noise, coin=coin, **warmed_up)
        for value, terms in self.objective(problem):
            yield -value.mean(), terms

    def warmup(self, step: int) -> float:
        """The factor of the rate, or of the whole target, at an optimiser step."""
        o, steps_an_epoch = self.config.trainer, self.trainer.num_training_batches
        if o.warmup == "cyclical":
            return schedules.cyclical(step, o.epochs * steps_an_epoch, o.cycles, o.cycle_rise)
        return schedules.linear_warmup(step, o.warmup_epochs * steps_an_epoch)

    def learning_rate(self, step: int) -> float:
        """The learning rate at an optimiser step."""
        o = self.config.optimiser
        total = self.config.trainer.epochs * self.trainer.num_training_batches
        return o.learning_rate * schedules.piecewise(step, total, o.milestones, o.factors)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Adam, fused."""
        return torch.optim.Adam(self.parameters(), self.config.optimiser.learning_rate, fused=True)

    def on_train_epoch_start(self) -> None:
        """Start the epoch's means."""
        self.train_mean, self.gradient_mean = Mean(), Mean()

    def training_step(self, grey: Tensor, batch_idx: int) -> None:
        """One optimiser step; raises Diverged when a gradient is no longer finite."""
        optimiser, step = self.optimizers(), self.global_step
        for group in optimiser.param_groups:
            group["lr"] = self.learning_rate(step)
        optimiser.zero_grad()
        for loss, terms in self.losses(grey, step):  # noqa: B007 - the last terms are the ELBO's
            self.manual_backward(loss)
        clip, check = self.config.optimiser.clip_norm, batch_idx % CHECK_EVERY == 0
        if clip or check:
            norm = nn.utils.clip_grad_norm_(self.parameters(), clip or torch.inf)
        if check:
            self.gradient_mean.add(norm)
            if not torch.isfinite(norm):
                raise Diverged(f"the gradient is not finite at step {step}")
        optimiser.step()
        self.train_mean.add(_summary(terms))

    def on_validation_epoch_start(self) -> None:
        """Start the validation means."""
        self.validation_mean = Mean()

    def validation_step(self, x: Tensor, batch_idx: int) -> None:
        """The ELBO at beta = 1 with one sample, on the same noise at every epoch."""
        x = x.to(self.dtype) / 255
        noise = self.noise("validate", 1, len(x), batch_idx)
        terms = path_terms(self.target, x, self.posterior(x, noise))
        self.validation_mean.add(_summary(terms), len(x))

    def on_validation_epoch_end(self) -> None:
        """Log the validation bound; raises Diverged when it is not finite."""
        means = self.validation_mean.value
        if not torch.isfinite(means).all():
            raise Diverged(f"the validation bound is not finite at step {self.global_step}")
        self._log("val", means)

    def on_train_epoch_end(self) -> None:
        """Log the epoch's means."""
        self._log("train", self.train_mean.value)
        self.log("train/gradient_norm", self.gradient_mean.value)
        self.log("warmup", self.warmup(self.global_step - 1))
        self.log("learning_rate", self.learning_rate(self.global_step - 1))

    def _log(self, prefix: str, means: Tensor) -> None:
        names = ("elbo", "log_likelihood", "rate")
        self.log_dict({f"{prefix}/{n}": m for n, m in zip(names, means, strict=True)})


def _summary(terms: Terms) -> Tensor:
    """Means over samples and examples of the bound at beta = 1, the log-likelihood, the rate."""
    likelihood, rate = terms.log_likelihood.mean(), terms.rate.mean()
    return torch.stack([likelihood - rate, likelihood, rate]).detach()


class Mean:
    """A running mean that stays on the device."""

    def __init__(self):
        self.total, self.count = 0.0, 0

    def add(self, value: Tensor, weight: int = 1) -> None:
        """Take in `value`, the mean of `weight` items."""
        self.total, self.count = self.total + weight * value, self.count + weight

    @property
    def value(self) -> Tensor:
        """The mean so far."""
        return self.total / self.count
