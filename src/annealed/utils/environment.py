"""What launchers and libraries read from the environment, kept from them: no key names it.

A run starts and numbers its own processes, and its configuration alone says what is computed.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager

PREFIXES = (
    "PL_",  # arguments of Lightning's Trainer that are not given to it, such as its batches
    "SLURM_",  # ranks and processes, to Lightning, which also requeues the job
    "JSM_NAMESPACE_",  # the same of LSF
    "LSB_",
    "TORCHELASTIC_",  # who starts processes and the store where they meet
    "TORCH_FORCE_",  # how torch reads a checkpoint
)
NAMES = (
    "RANK",
    "LOCAL_RANK",
    "GROUP_RANK",
    "NODE_RANK",
    "WORLD_SIZE",
    "MASTER_ADDR",
    "MASTER_PORT",
    "NCCL_COMM_ID",  # where processes meet, and over which network: all are on this machine
    "NCCL_SOCKET_IFNAME",
    "GLOO_SOCKET_IFNAME",
    "NVIDIA_TF32_OVERRIDE",  # products of float32 in another precision than trainer.precision
    "ONEDNN_DEFAULT_FPMATH_MODE",
    "DNNL_DEFAULT_FPMATH_MODE",
    "TORCH_COMPILE_DISABLE",  # trainer.compile
    "TORCHDYNAMO_DISABLE",
    "WANDB_SERVICE",  # a process of W&B that another program talks to: a run has its own
)


@contextmanager
def hidden() -> Iterator[None]:
    """Hide PREFIXES and NAMES from this block and the processes it starts; they are back after.

    What a library reads once, as it is imported or first used, has to happen inside.
    """
    values = _taken_out()
    try:
        yield
    finally:
        _taken_out()
        os.environ.update(values)


def _taken_out() -> dict[str, str]:
    """The variables that are to be hidden, which are then gone."""
    hidden_names = [name for name in os.environ if name in NAMES or name.startswith(PREFIXES)]
    return {name: os.environ.pop(name) for name in hidden_names}
