"""Every random number is a function of (seed, stream, step) and of nothing else.

A run resumed at any step, a seed trained alone or beside others, and a run on one process or two
therefore see the same numbers.
"""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

STREAMS = (
    "init",
    "order",
    "binarise",
    "held_out",
    "posterior",
    "objective",
    "evaluate",
    "ais",
    "usage",
    "information",
    "validate",
    "pictures",
    "split",
)


def derive(seed: int, stream: str, *step: int) -> int:
    """A 63-bit seed that depends on every argument; streams of different names are independent."""
    if stream not in STREAMS:
        raise ValueError(f"unknown stream {stream!r}; streams are {', '.join(STREAMS)}")
    text = "/".join([str(seed), stream, *map(str, step)])
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big") >> 1


def generator(seed: int, stream: str, *step: int, device: torch.device | str = "cpu"):
    """A fresh `torch.Generator` on `device`, keyed by (seed, stream, step).

    torch's generator of the CPU takes 32 bits of a seed: of a million keys about a hundred pairs
    have the same noise there.
    """
    return torch.Generator(device=device).manual_seed(derive(seed, stream, *step))


def normal(shape, seed: int, stream: str, *step: int, device="cpu", dtype=torch.float32) -> Tensor:
    """Standard normal noise of `shape`, keyed by (seed, stream, step)."""
    source = generator(seed, stream, *step, device=device)
    return torch.randn(shape, generator=source, device=device, dtype=dtype)


def uniform(shape, seed: int, stream: str, *step: int, device="cpu") -> Tensor:
    """Noise of `shape`, uniform on [0, 1), float32, keyed by (seed, stream, step)."""
    source = generator(seed, stream, *step, device=device)
    return torch.rand(shape, generator=source, device=device, dtype=torch.float32)


def binarise(grey: Tensor, uniforms: Tensor) -> Tensor:
    """Bernoulli(grey / 255) pixels as 0.0 or 1.0; pixels of 0 and 255 come back as they are.

    `grey` is uint8 of any shape, `uniforms` has the same shape and lies in [0, 1).
    """
    return (uniforms * 255.0 < grey).to(uniforms.dtype)


@contextmanager
def initialisation(seed: int, *part: int) -> Iterator[None]:
    """Lend torch's global generator to modules that initialise from it, and put it back after.

    Each `part` of a model has numbers of its own, whatever the size of the other parts.
    """
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(derive(seed, "init", *part))
        yield
