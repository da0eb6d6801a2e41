"""How float32 matrix products are computed on a GPU; float32 throughout unless asked otherwise."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch


def exact() -> None:
    """Let float32 products be float32: torch lets convolutions on a GPU use TensorFloat-32."""
    torch.set_float32_matmul_precision("highest")
    torch.backends.cudnn.allow_tf32 = False


@contextmanager
def multiplying(precision: str) -> Iterator[None]:
    """Under "tf32", TensorFloat-32 for products and convolutions in this block alone."""
    if precision == "tf32":
        torch.set_float32_matmul_precision("high")
        torch.backends.cudnn.allow_tf32 = True
    try:
        yield
    finally:
        exact()
