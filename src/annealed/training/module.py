"""The LightningModule that trains one seed, or several side by side."""

import pytorch_lightning as pl
import torch
from torch import Tensor

from annealed.compute.compiled_step import whole_steps
from annealed.compute.machine import Machine, resolve
from annealed.compute.replicas import Replicas
from annealed.config.schema import Config
from annealed.inference import schedules
from annealed.methods.base import METRIC_NAMES, Method
from annealed.training.running_mean import Mean, pooled, sums_of
from annealed.utils import randomness
from annealed.utils.errors import Diverged, UsageError

CHECK_EVERY = 50  # steps between checks of the gradient norm and for values that are not finite


class Training(pl.LightningModule):
    """Trains methods of one row, one a seed; each is trained as it would be alone.

    Batches are lists of uint8 images (R, B, X), one entry an optimiser step; training binarises
    them afresh, so 0 and 255 stay what they are. `config` is that of any of the seeds. Each process
    of the run is handed the whole batch and computes the gradient of its share; `machine` is by
    default one process on the methods' device.
    """

    def __init__(
        self,
        methods: list[Method],
        config: Config,
        steps_an_epoch: int,
        machine: Machine | None = None,
    ):
        super().__init__()
        machine = machine or resolve(config, device=methods[0].device)
        self.ranks = machine.ranks
        self.automatic_optimization = False  # an objective may want several backward passes
        self.config, self.steps_an_epoch = config, steps_an_epoch
        products, fast = machine.products, config.trainer.compile
        several = self.ranks.world > 1  # gradients are summed between backward pass and Adam
        self.replicas = Replicas(methods, fast and several, products)
        self.whole = whole_steps(self.replicas, products) if fast and not several else None
        self.diverged: dict[int, str] = {}  # the reason, by seed

    @property
    def methods(self) -> tuple[Method, ...]:
        """The methods in training."""
        return self.replicas.members

    @property
    def seeds(self) -> list[int]:
        """The seeds in training."""
        return [method.config.seed for method in self.methods]

    def select(self, seeds: list[int]) -> None:
        """Go on with these seeds alone; the others keep their weights."""
        optimiser = self.optimizers().optimizer if self._trainer else None
        self.replicas.select([self.seeds.index(seed) for seed in seeds], optimiser)

    def warmup(self, step: int) -> float:
        """The factor of the rate, or of the whole target, at an optimiser step."""
        options = self.config.trainer
        if options.warmup == "cyclical":
            total = options.epochs * self.steps_an_epoch
            return schedules.cyclical(step, total, options.cycles, options.cycle_rise)
        return schedules.linear_warmup(step, options.warmup_epochs * self.steps_an_epoch)

    def learning_rate(self, step: int) -> float:
        """The learning rate at an optimiser step."""
        options = self.config.optimiser
        total = self.config.trainer.epochs * self.steps_an_epoch
        factor = schedules.piecewise(step, total, options.milestones, options.factors)
        return options.learning_rate * factor

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Adam, fused, over all replicas at once; each group learns at `factor` times the rate."""
        options = self.config.optimiser
        groups: dict[float, list] = {}
        for name, p in self.replicas.named_parameters():
            on_path = name.startswith("posterior/transitions/")
            groups.setdefault(options.transitions if on_path else 1.0, []).append(p)
        param_groups = [{"params": ps, "factor": factor} for factor, ps in groups.items()]
        return torch.optim.Adam(param_groups, options.learning_rate, fused=True)

    def on_train_epoch_start(self) -> None:
        """Start the epoch's means."""
        self.train_mean, self.gradient_mean = Mean(), Mean()

    def training_step(self, batches: list[Tensor], batch_idx: int) -> None:
        """One optimiser step for each of `batches`; raises Diverged when no seed is finite."""
        for grey in batches:
            self.optimise(grey)

    def optimise(self, grey: Tensor) -> None:
        """One optimiser step on grey (R, B, X), every replica on its own batch and noise."""
        step = self.global_step
        check = step % self.steps_an_epoch % CHECK_EVERY == 0
        metrics, norms = self.update(self.optimizers(), grey, step, check)
        self.train_mean.add(metrics)
        if check:
            self.gradient_mean.add(norms)
            self.check(norms, f"the gradient is not finite at step {step}")

    def update(
        self, optimiser: torch.optim.Adam, grey: Tensor, step: int, check: bool = True
    ) -> tuple[Tensor, Tensor | None]:
        """Take `step`: the means of METRIC_NAMES, (R, 3), and the gradients' norms, (R,).

        Norms that neither `check` nor clipping asks for may be None.
        """
        rate, clip = self.learning_rate(step), self.config.optimiser.clip_norm
        for group in optimiser.param_groups:
            group["lr"] = group["factor"] * rate
        if self.whole:
            metrics, norms = self.whole.take(optimiser, rate, *self.inputs(grey, step), clip)
        else:
            metrics = self.backward(grey, step)
            norms = self.replicas.gradient_norms() if clip or check else None
            if clip:
                self.replicas.clip(norms, clip)
        optimiser.step()  # with what is in .grad: after a whole step, nothing
        return metrics, norms

    def inputs(self, grey: Tensor, step: int) -> tuple[tuple[Tensor, ...], tuple]:
        """The inputs of each replica's loss at `step`, (R, ...), and those common to all."""
        objective, (_, batch, pixels) = self.methods[0].objective, grey.shape
        width = pixels if self.methods[0].target.binarises else 0
        uniforms, noise = [], []
        for method in self.methods:
            key = (method.config.seed, "binarise", step)
            uniforms.append(randomness.uniform((batch, width), *key, device=grey.device))
            sizes, extra = (objective.samples, batch, step), objective.extra_draws
            noise.append(method.noise("posterior", *sizes, extra_draws=extra))
        # keyed by the data seed: every seed takes its AVO steps at the same time
        uniform = randomness.uniform((), self.config.data.seed, "objective", step).item()
        warmed_up = self.config.trainer.warmed_up
        factors = [self.warmup(step) if warmed_up == name else 1.0 for name in ("rate", "target")]
        weights = [torch.full((), f, dtype=noise[0].dtype, device=grey.device) for f in factors]
        per_replica = (grey, torch.stack(uniforms), torch.stack(noise))
        return per_replica, (objective.draw_mode(uniform), *weights)

    def backward(self, grey: Tensor, step: int) -> Tensor:
        """The gradients of `step`; returns the means of METRIC_NAMES, (R, 3)."""
        (grey, uniforms, noise), common = self.inputs(grey, step)
        part, weight = self.ranks.share(grey.shape[1])
        per_replica = (grey[:, part], uniforms[:, part], noise[:, :, :, part])
        metrics = self.replicas.backward(per_replica, *common)
        if self.ranks.world > 1:
            reached = [p for p in self.replicas.stacks if p.grad is not None]
            *gradients, metrics = self.ranks.mean([*(p.grad for p in reached), metrics], weight)
            for p, gradient in zip(reached, gradients, strict=True):
                p.grad = gradient
        return metrics

    def check(self, values: Tensor, reason: str) -> None:
        """Note the replicas whose value, (R,), is not finite; raises Diverged if none is."""
        for seed, finite in zip(self.seeds, torch.isfinite(values).tolist(), strict=True):
            if not finite:
                self.diverged.setdefault(seed, reason)
        if self.diverged.keys() >= set(self.seeds):
            raise Diverged(reason)

    def on_validation_epoch_start(self) -> None:
        """Start the validation means."""
        self.validation_means = [{} for _ in self.methods]

    def validation_step(self, x: Tensor, batch_idx: int) -> None:
        """The bounds at beta = 1 with one sample, on the same noise at every epoch."""
        if not self.ranks.takes(batch_idx):
            return
        x = x.to(self.methods[0].dtype) / 255
        for method, means in zip(self.methods, self.validation_means, strict=True):
            noise = method.noise("validate", 1, len(x), batch_idx)
            for name, value in method.validate(x, noise).items():
                means.setdefault(name, Mean()).add(value, len(x))

    def on_validation_epoch_end(self) -> None:
        """Check that the validation bounds are finite; raises Diverged when none is."""
        if self.ranks.world > 1:
            by_rank = self.ranks.gather([sums_of(means) for means in self.validation_means])
            self.validation_means = [pooled(sums) for sums in zip(*by_rank, strict=True)]
        bounds = torch.stack([means["elbo"].value for means in self.validation_means])
        self.check(bounds, f"the validation bound is not finite at step {self.global_step}")

    def metrics(self) -> list[dict[str, float]]:
        """The epoch's means of each replica, by name."""
        last = self.global_step - 1
        common = {"warmup": self.warmup(last), "learning_rate": self.learning_rate(last)}
        by_replica = []
        for i, means in enumerate(self.validation_means):
            train = zip(METRIC_NAMES, self.train_mean.value[i].tolist(), strict=True)
            metrics = {f"train/{name}": value for name, value in train}
            metrics["train/gradient_norm"] = self.gradient_mean.value[i].item()
            metrics |= {f"val/{name}": mean.value.item() for name, mean in means.items()}
            by_replica.append({**metrics, **common})
        return by_replica

    def on_save_checkpoint(self, checkpoint: dict) -> None:
        """Store which seeds the stacked weights are of."""
        checkpoint["seeds"] = self.seeds

    def on_load_checkpoint(self, checkpoint: dict) -> None:
        """Go on with the checkpoint's seeds; raises UsageError where it is of another model."""
        self.replicas.select([self.seeds.index(seed) for seed in checkpoint["seeds"]])
        shapes = {name: value.shape for name, value in self.state_dict().items()}
        if shapes != {name: value.shape for name, value in checkpoint["state_dict"].items()}:
            raise UsageError(
                f"the last checkpoint of {self.config.row} holds the weights of another model than "
                "the configuration beside it describes."
            )
