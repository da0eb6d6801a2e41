"""The device that a run asks for."""

import os

import torch

from annealed.compute.precision import exact
from annealed.config.schema import Config
from annealed.utils.errors import UsageError


def device_of(config: Config, index: int = 0) -> torch.device:
    """The device that `trainer.accelerator` names, the GPU `index` where it is one.

    Raises UsageError where there is no GPU.
    """
    forget_nvml()
    if config.trainer.threads:
        torch.set_num_threads(config.trainer.threads)
    wanted, gpu = config.trainer.accelerator, torch.cuda.is_available()
    if wanted == "gpu" and not gpu:
        raise UsageError("trainer.accelerator is 'gpu' but no GPU is visible; accepted: auto, cpu.")
    exact()
    return torch.device("cuda", index) if gpu and wanted != "cpu" else torch.device("cpu")


def forget_nvml() -> None:
    """Undo what Lightning sets for programs that fork: every step of Adam would open NVML."""
    os.environ.pop("PYTORCH_NVML_BASED_CUDA_CHECK", None)
