"""Compiled functions where this machine has a compiler, and one clear line where it has none."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache

import torch

from annealed.utils.errors import UsageError

GRAPHS = 256  # of one function; torch's default is 8


def compiled(
    function: Callable, device: torch.device, products: str = "torch", graphs: bool = True
) -> Callable | None:
    """`function` compiled for static shapes; None without a compiler.

    On a GPU torch records it as a CUDA graph, unless the caller does (`graphs` false). With
    `products` "onednn" its large products are oneDNN's, see `annealed.compute.onednn`.
    """
    if not _works(device.type):
        return None
    # a graph for each number of seeds, batch size and objective; beyond the limit torch gives up
    dynamo = torch._dynamo.config
    limit = "recompile_limit" if hasattr(dynamo, "recompile_limit") else "cache_size_limit"  # 2.6
    setattr(dynamo, limit, max(getattr(dynamo, limit), GRAPHS))
    recorded = graphs and device.type == "cuda"
    settings: dict = {"mode": "reduce-overhead" if recorded else "default"}
    if products == "onednn":
        from annealed.compute.onednn_pass import BY_ONEDNN  # the compiler takes a second to import

        settings = {"options": {"post_grad_custom_post_pass": BY_ONEDNN}}
    return torch.compile(function, dynamic=False, fullgraph=True, **settings)


@cache
def _works(device: str) -> bool:
    try:
        torch.compile(torch.square, dynamic=False)(torch.ones(3, device=device))
    except Exception as error:  # a missing compiler shows in many classes
        what = f"nothing compiles here ({reason(error)})"
        print(f"trainer.compile has no effect: {what}", file=sys.stderr)
        return False
    return True


def reason(error: Exception) -> str:
    """Why torch failed: its first line, with the second where that ends in a colon."""
    first, *more = str(error).strip().splitlines() or [type(error).__name__]
    return f"{first} {more[0].strip()}" if first.endswith(":") and more else first


@contextmanager
def explained(name: str) -> Iterator[None]:
    """Raise UsageError where what this block scores, a row of this `name`, cannot be compiled."""
    try:
        yield
    except RuntimeError as error:
        from torch._dynamo.exc import TorchDynamoException  # the compiler takes a second

        if not isinstance(error, TorchDynamoException):
            raise
        raise UsageError(
            f"{name} cannot be scored compiled ({reason(error)}); use trainer.compile=false."
        ) from error


@contextmanager
def watched(report: Callable[[bool], None]) -> Iterator[None]:
    """Call `report` with True as torch begins to compile in this block, with False as it ends."""
    from torch._dynamo.callback import callback_handler as handler  # the compiler takes a second

    def begin(*_) -> None:
        report(True)

    def end(*_) -> None:
        report(False)

    handler.register_start_callback(begin)
    handler.register_end_callback(end)
    try:
        yield
    finally:
        handler.remove_start_callback(begin)
        handler.remove_end_callback(end)
