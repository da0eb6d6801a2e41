"""Freed memory stays in the process, for the next step to use."""

import ctypes
import os

TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3  # numbers of glibc's mallopt(3)
KEPT_BYTES = 2**29
LARGEST_BLOCK = 2**25  # bytes; the most that every glibc takes
USER_SETTINGS = ("MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_", "GLIBC_TUNABLES")


def keep_freed() -> bool:
    """Keep up to 512 MiB of freed memory in the process; False where that was not asked of libc.

    By default glibc hands blocks of a few MB back to the system as a step frees them, and the next
    step pays for every page again: 2 to 10 % of a training step and 15 to 25 % of scoring on the
    CPU. A user's own setting (`USER_SETTINGS`) and other C libraries are left as they are.
    """
    if any(name in os.environ for name in USER_SETTINGS):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if os.name == "posix" else None
    if mallopt is None:
        return False
    return bool(mallopt(MMAP_THRESHOLD, LARGEST_BLOCK) and mallopt(TRIM_THRESHOLD, KEPT_BYTES))
