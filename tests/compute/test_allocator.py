import os
import subprocess
import sys

import pytest

from annealed.compute.allocator import USER_SETTINGS

FAULTS = """
import resource
import torch
from annealed.compute.allocator import keep_freed

def work():
    for _ in range(20):
        blocks = [torch.ones(3 * 2**19) for _ in range(4)]  # of 6 MiB
        del blocks

print(keep_freed())
work()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
work()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(**environment: str) -> tuple[str, int]:
    """What keep_freed said, and the page faults of 20 rounds of four blocks that are freed."""
    clean = {k: v for k, v in os.environ.items() if k not in USER_SETTINGS}
    code = [sys.executable, "-c", FAULTS]
    done = subprocess.run(
        code, env=clean | environment, capture_output=True, encoding="utf-8", check=True
    )
    said, count = done.stdout.split()
    return said, int(count)


def test_memory_that_was_freed_is_used_again():
    said, kept = faults()
    if said == "False":
        pytest.skip("this C library has no mallopt")
    assert kept < 100


def test_a_users_own_setting_of_the_allocator_stays():
    assert faults(MALLOC_TRIM_THRESHOLD_="131072")[0] == "False"
