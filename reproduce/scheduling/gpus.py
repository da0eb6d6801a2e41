"""Which GPUs the runs of this machine are handed: `--devices 2` or `--devices 0,3`."""

import os
import re
import sys

import torch

from annealed.utils.errors import UsageError

VISIBLE = "CUDA_VISIBLE_DEVICES"
UUIDS = ("GPU-", "MIG-")  # how they begin
ACCEPTED = "accepted: a count, as in 2, or a list, as in 0,3 or, of one device, 3, with its comma"


def parse(text: str) -> list[str]:
    """What CUDA_VISIBLE_DEVICES is for a run on each device of `text`.

    Devices are counted among those that CUDA_VISIBLE_DEVICES leaves visible, as CUDA counts them.
    Raises UsageError for what is no count or list, is named twice or is not there; a machine
    without a GPU takes any number, and is told that runs train on its CPU.
    """
    wanted, variable = _indices(text), os.environ.get(VISIBLE)
    names, count = None if variable is None else visible(variable), torch.cuda.device_count()
    if names is not None and count:  # the first that is not there ends the list as well
        names = names[:count]
    there = count if names is None else len(names)
    if (there or names is not None) and max(wanted) >= there:
        why = "" if names is None else f", as {VISIBLE}={variable} says"
        accepted = f"accepted: 0 to {there - 1}" if there else "leave --devices out"
        raise UsageError(
            f"--devices {text} names device {max(wanted)} but {there} GPUs are visible{why}; "
            f"{accepted}."
        )
    if not count:
        print(f"--devices {text}: no GPU is visible, so runs train on the CPU", file=sys.stderr)
    return [str(index) if names is None else names[index] for index in wanted]


def visible(variable: str) -> list[str]:
    """The devices that CUDA reads in a value of CUDA_VISIBLE_DEVICES.

    The first entry that is none, as -1, ends the list; one that is there twice empties it. All are
    numbers, of which what follows the digits does not count, or all are of one kind of UUID.
    """
    kind = next((kind for kind in UUIDS if variable.startswith(kind)), None)
    names = []
    for entry in variable.split(","):
        number = re.match(r"\s*\+?([0-9]+)", entry)
        name = entry if kind and entry.startswith(kind) else None
        if kind is None and number:
            name = str(int(number[1]))
        if name in names:
            return []
        if name is None:
            break
        names.append(name)
    return names


def _indices(text: str) -> list[int]:
    parts = [part.strip() for part in text.removesuffix(",").split(",")]
    if not all(re.fullmatch("[0-9]{1,6}", part) for part in parts):
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
