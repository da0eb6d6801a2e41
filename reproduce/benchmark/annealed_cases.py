"""Training and scoring by this package as cases, the Lightning loop included."""

import operator
from collections.abc import Callable

import pytorch_lightning as pl
import torch
from torch import Tensor

from annealed import config as configuration
from annealed.compute import onednn
from annealed.compute.compiling import compiled
from annealed.compute.precision import multiplying
from annealed.config.registry import method_class
from annealed.config.schema import Config
from annealed.data.images import Images
from annealed.evaluation.annealed_score import row_start
from annealed.inference.annealing import AnnealedEstimate, Annealing
from annealed.inference.importance import Estimate, log_marginal, path_log_weight
from annealed.inference.tempering import AnnealingOptions
from annealed.methods.base import Method
from annealed.training.datamodule import ImageData
from annealed.training.module import Training


def configurations(row: str, seeds: int, *overrides: str) -> list[Config]:
    """The configuration of each of `seeds` seeds."""
    return [configuration.load(row, [f"seed={s}", *overrides]) for s in range(seeds)]


def trainer(device: torch.device, epochs: int = 1) -> pl.Trainer:
    """A Lightning trainer as `annealed.fit` makes it, less validation and the record."""
    return pl.Trainer(
        accelerator="gpu" if device.type == "cuda" else "cpu",
        devices=1,
        max_epochs=epochs,
        limit_val_batches=0,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
    )


def methods(
    row: str, seeds: int, pixels: int, device: torch.device, *overrides: str
) -> list[Method]:
    """The row as each of `seeds` seeds starts it."""
    configs = configurations(row, seeds, *overrides)
    kind = method_class(configs[0].method)
    return [kind(config, pixels).to(device) for config in configs]


def training(
    row: str, train: Tensor, device: torch.device, seeds: int = 1, *overrides: str
) -> Callable[[], None]:
    """An epoch over `train`, uint8 (N, X), by `seeds` seeds side by side, as a case."""
    replicas = methods(row, seeds, train.shape[1], device, *overrides)
    return fitting(replicas, Images(train, train[:1], train[:1], (1, 28, 28)))


def fitting(replicas: list[Method], images: Images, epochs: int = 1) -> Callable[[], None]:
    """`epochs` epochs of `replicas` side by side on the training images, as a case."""
    config, device = replicas[0].config, replicas[0].device
    data = ImageData(images, config.data.batch_size, config.trainer.steps_per_call, device)
    module = Training(replicas, config, data.steps_an_epoch)
    by = onednn.resolve(config.trainer.products, device)

    def case() -> None:
        with onednn.multiplying(by), multiplying(config.trainer.precision):
            trainer(device, epochs).fit(module, data)

    return case


def scoring(
    row: str, x: Tensor, samples: int, fast: bool = False, *overrides: str
) -> Callable[[], Estimate]:
    """log p of the batch x (B, X) with `samples` importance samples, as a case."""
    (method,) = methods(row, 1, x.shape[1], x.device, *overrides)
    return importance(method, x, samples, fast)


def importance(
    method: Method, x: Tensor, samples: int, fast: bool = False
) -> Callable[[], Estimate]:
    """log p of the batch x (B, X) by `method` with `samples` importance samples, as a case."""
    config = method.config
    by = onednn.resolve(config.trainer.products, x.device)
    weigh = (compiled(path_log_weight, x.device, by) if fast else None) or path_log_weight
    settings = (config.network.latent, samples, 0, 0, config.evaluate.memory_mb, weigh)

    def case() -> Estimate:
        with onednn.multiplying(by):
            return log_marginal(method.target, method.posterior, x, *settings)

    return case


class Annealed:
    """Annealed importance sampling of log p of a batch x (B, X) by the decoder of `method`.

    It starts near q(z | x), as `annealed.evaluate --estimator ais` does. The step sizes are found
    when it is made.
    """

    def __init__(
        self,
        method: Method,
        x: Tensor,
        options: AnnealingOptions,
        fast: bool = False,
        batch_index: int = 0,
    ):
        self.products = onednn.resolve(method.config.trainer.products, x.device)

        def log_joint(x: Tensor, z: Tensor) -> Tensor:
            return operator.add(*method.target(x, z))

        with torch.no_grad(), onednn.multiplying(self.products):
            start = row_start(method, x, batch_index)
            key = method.config.seed, batch_index
            self.annealing = Annealing(log_joint, start, x, options, *key, fast, self.products)

    def __call__(self) -> AnnealedEstimate:
        """The estimate by chains from the start, as a case."""
        with onednn.multiplying(self.products):
            return self.annealing.forward()
