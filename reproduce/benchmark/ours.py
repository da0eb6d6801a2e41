"""The package's own training and scoring as cases, the Lightning loop included."""

from collections.abc import Callable

import pytorch_lightning as pl
import torch
from torch import Tensor

from annealed import config as configuration, products
from annealed.compiling import compiled
from annealed.data.images import ImageData, Images
from annealed.importance import log_marginal, walk_log_weight
from annealed.registry import method_class
from annealed.schema import Config
from annealed.training import Training


def cells(row: str, seeds: int, *overrides: str) -> list[Config]:
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


def training(
    row: str, train: Tensor, device: torch.device, seeds: int = 1, *overrides: str
) -> Callable[[], None]:
    """An epoch over `train`, uint8 (N, X), by `seeds` seeds side by side, as a case."""
    configs = cells(row, seeds, *overrides)
    kind, first = method_class(configs[0].method), configs[0]
    images = Images(train, train[:1], train[:1], (1, 28, 28))
    data = ImageData(images, first.data.batch_size, first.trainer.steps_per_call, device)
    methods = [kind(config, train.shape[1]).to(device) for config in configs]
    module = Training(methods, first, data.steps_an_epoch)
    by = products.chosen(first.trainer.products, device)

    def case() -> None:
        with products.multiplying(by):
            trainer(device).fit(module, data)

    return case


def in_sequence(
    row: str, train: Tensor, device: torch.device, seeds: int, *overrides: str
) -> Callable[[], None]:
    """The same seeds one after another."""
    each = [training(row, train, device, 1, *overrides) for _ in range(seeds)]

    def case() -> None:
        for one in each:
            one()

    return case


def scoring(
    row: str, x: Tensor, samples: int, fast: bool = False, *overrides: str
) -> Callable[[], None]:
    """log p of the batch x (B, X) with `samples` importance samples, as a case."""
    config = cells(row, 1, *overrides)[0]
    method = method_class(config.method)(config, x.shape[1]).to(x.device)
    by = products.chosen(config.trainer.products, x.device)
    weigh = (compiled(walk_log_weight, x.device, by) if fast else None) or walk_log_weight
    settings = (config.network.latent, samples, 0, 0, config.evaluate.memory_mb, weigh)

    def case() -> None:
        with products.multiplying(by):
            log_marginal(method.target, method.posterior, x, *settings)

    return case
