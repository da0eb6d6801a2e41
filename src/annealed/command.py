"""What every command line shares: errors as one sentence, quiet libraries, the device."""

import logging
import os
import sys
import warnings
from collections.abc import Callable

import torch

from annealed.allocator import keep_freed
from annealed.errors import Diverged, Lost, UsageError
from annealed.precision import exact
from annealed.schema import Config


def run(main: Callable[[], None], go_on: str) -> int:
    """Call `main`; the exit status is 0 or that of its UsageError, Diverged or InUse.

    It is 1 where a process of a run was lost, and 130 for an interrupt, after which `go_on` says
    how to go on.
    """
    keep_freed()
    for name in (
        "pytorch_lightning",
        "lightning_fabric",
        "lightning.pytorch",
        "torch.utils.cpp_extension",
    ):
        logging.getLogger(name).setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module="pytorch_lightning")
    warnings.filterwarnings("ignore", module="lightning_fabric")
    try:
        main()
    except (UsageError, Diverged, Lost) as error:
        print(f"annealed: {error}", file=sys.stderr)
        return error.status
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except KeyboardInterrupt:
        print(f"annealed: interrupted; what is done is kept. {go_on}", file=sys.stderr)
        return 130
    return 0


def device(config: Config, index: int = 0) -> torch.device:
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
