"""The keys of a configuration; configs/base.yaml gives each its value and says what it means."""

from dataclasses import dataclass
from typing import Any

from annealed.config.datasets import FACE_SIZES, NAMES, TOY
from annealed.config.fields import choice, number, path


@dataclass
class DataOptions:
    """The data set and how it is read, or the energy and the start of its posterior."""

    name: str = choice(*NAMES, TOY)
    root: str | None = path()
    seed: int = number(low=0)
    batch_size: int = number(low=1)
    train_images: int | None = number(None, low=1)
    held_out_images: int | None = number(None, low=1)
    size: int = choice(*FACE_SIZES, default=64)
    energy: str | None = None
    start_scale: float | None = number(None, low=0.0, open_ends=True)
    learn_start: bool = True
    steps_an_epoch: int = number(100, low=1)
    validation_paths: int = number(10_000, low=1)


@dataclass
class NetworkOptions:
    """Sizes of encoder and decoder."""

    latent: int = number(low=1)
    hidden: int = number(low=1)
    layers: int = number(low=1)
    encoder: str = choice("dense", "convolutional", default="dense")
    decoder: str = choice("dense", "autoregressive", "convolutional", default="dense")
    likelihood: str = choice(
        "bernoulli", "discretised_logistic", "logistic_mixture", default="bernoulli"
    )
    components: int = number(5, low=1)
    widths: list[int] = number([32, 64, 128, 256, 256], low=1)
    residual_blocks: int = number(1, low=0)
    channels: int = number(16, low=1)
    blocks: int = number(3, low=0)
    kernel: int = number(5, low=3)
    pixel_order: str = choice("raster", "s_curve", default="raster")


@dataclass
class PosteriorOptions:
    """The start of the posterior's path, of every row."""

    start: str = choice("learnt", "prior", default="learnt")


@dataclass
class OptimiserOptions:
    """Adam, its learning rate and when that falls."""

    learning_rate: float = number(low=0.0, open_ends=True)
    milestones: list[float] = number(low=0.0, high=1.0)
    factors: list[float] = number(low=0.0, open_ends=True)
    clip_norm: float | None = number(low=0.0, open_ends=True)
    transitions: float = number(1.0, low=0.0, open_ends=True)


@dataclass
class TrainerOptions:
    """How long and on what."""

    epochs: int = number(low=1)
    patience: int = number(low=0)
    warmup: str = choice("linear", "cyclical")
    warmed_up: str = choice("rate", "target")
    warmup_epochs: int = number(low=0)
    cycles: int = number(low=1)
    cycle_rise: float = number(low=0.0, high=1.0)
    replicas: int = number(low=1)
    steps_per_call: int = number(low=1)
    compile: bool
    accelerator: str = choice("auto", "cpu", "gpu")
    threads: int = number(low=0, high=1024)
    devices: int = number(1, low=1)
    strategy: str = choice("auto", "ddp", default="auto")
    precision: str = choice("32", "tf32", "bf16", default="32")
    products: str = choice("auto", "torch", "onednn", default="torch")
    checkpoint_seconds: float = number(0.0, low=0.0)


@dataclass
class EvaluateOptions:
    """The importance-sampled log-likelihood of held-out images."""

    samples: int = number(low=1)
    batch_size: int = number(low=1)
    memory_mb: float = number(low=0.0, open_ends=True)
    split: str = choice("test", "validation", default="test")


@dataclass
class WandbOptions:
    """Weights & Biases, beside the run's record on disk."""

    mode: str = choice("auto", "online", "offline", "disabled")
    project: str | None
    entity: str | None


@dataclass
class Config:
    """One run: a row, a data set, a seed, under a preset."""

    row: str
    preset: str
    runs: str = path()
    seed: int = number(low=0)
    method: str
    method_options: Any
    data: DataOptions
    network: NetworkOptions
    posterior: PosteriorOptions
    optimiser: OptimiserOptions
    trainer: TrainerOptions
    evaluate: EvaluateOptions
    wandb: WandbOptions
