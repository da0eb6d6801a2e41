"""Training and scoring by this package as cases, the Lightning loop included."""

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
from annealed.inference.importance import log_marginal, path_log_weight
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
    config = replicas[0].config
    images = Images(train, train[:1], train[:1], (1, 28, 28))
    data = ImageData(images, config.data.batch_size, config.trainer.steps_per_call, device)
    module = Training(replicas, config, data.steps_an_epoch)
    by = onednn.resolve(config.trainer.products, device)

    def case() -> None:
        with onednn.multiplying(by), multiplying(config.trainer.precision):
            trainer(device).fit(module, data)

    return case


def scoring(
    row: str, x: Tensor, samples: int, fast: bool = False, *overrides: str
) -> Callable[[], None]:
    """log p of the batch x (B, X) with `samples` importance samples, as a case."""
    (method,) = methods(row, 1, x.shape[1], x.device, *overrides)
    config = method.config
    by = onednn.resolve(config.trainer.products, x.device)
    weigh = (compiled(path_log_weight, x.device, by) if fast else None) or path_log_weight
    settings = (config.network.latent, samples, 0, 0, config.evaluate.memory_mb, weigh)

    def case() -> None:
        with onednn.multiplying(by):
            log_marginal(method.target, method.posterior, x, *settings)

    return case
