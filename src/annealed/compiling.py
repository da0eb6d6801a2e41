"""Compiled functions where this machine has a compiler, and one clear line where it has none."""

import sys
from collections.abc import Callable
from functools import cache

import torch

GRAPHS = 256


def compiled(function: Callable, device: torch.device) -> Callable | None:
    """`function` compiled for static shapes, on a GPU with CUDA graphs; None without a compiler."""
    if not _works(device.type):
        return None
    # a graph for each number of seeds, batch size and objective; beyond the limit torch gives up
    torch._dynamo.config.recompile_limit = max(torch._dynamo.config.recompile_limit, GRAPHS)
    mode = "reduce-overhead" if device.type == "cuda" else "default"
    return torch.compile(function, dynamic=False, fullgraph=True, mode=mode)


@cache
def _works(device: str) -> bool:
    try:
        torch.compile(torch.square, dynamic=False)(torch.ones(3, device=device))
    except Exception as error:  # a missing compiler shows in many classes
        reason = str(error).strip().partition("\n")[0]
        print(f"trainer.compile has no effect: nothing compiles here ({reason})", file=sys.stderr)
        return False
    return True
