"""Which GPUs the runs of this machine are handed: `--devices 2` or `--devices 0,3`."""

import os
import sys

import torch

from annealed.utils.errors import UsageError

ACCEPTED = "accepted: a count, as in 2, or a list, as in 0,3 or, of one device, 3, with its comma"


def parse(text: str) -> list[str]:
    """What CUDA_VISIBLE_DEVICES is for a run on each device of `text`.

    Devices are counted among those that CUDA_VISIBLE_DEVICES leaves visible, as torch counts them.
    Raises UsageError for what is no count or list, is named twice or is not there; a machine
    without a GPU takes any number, and is told that runs train on its CPU.
    """
    wanted = _indices(text)
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    names = [name for name in (visible or "").split(",") if name]
    there = len(names) if visible is not None else torch.cuda.device_count()
    if (there or visible is not None) and max(wanted) >= there:
        why = f", as CUDA_VISIBLE_DEVICES={visible} says" if visible is not None else ""
        accepted = f"accepted: 0 to {there - 1}" if there else "leave --devices out"
        raise UsageError(
            f"--devices {text} names device {max(wanted)} but {there} GPUs are visible{why}; "
            f"{accepted}."
        )
    if not there:
        print(f"--devices {text}: no GPU is visible, so runs train on the CPU", file=sys.stderr)
    return [names[index] if names else str(index) for index in wanted]


def _indices(text: str) -> list[int]:
    parts = [part.strip() for part in text.removesuffix(",").split(",")]
    if not all(part.isascii() and part.isdigit() for part in parts):
        raise UsageError(f"--devices is {text!r}; {ACCEPTED}.")
    numbers = [int(part) for part in parts]
    if "," not in text:
        numbers = list(range(numbers[0]))
    if not numbers:
        raise UsageError(f"--devices is {text!r}; {ACCEPTED}, of one device at least.")
    if len(set(numbers)) < len(numbers):
        raise UsageError(
            f"--devices {text} names a device twice; several runs share one by a --jobs above the "
            "number of devices."
        )
    return numbers
