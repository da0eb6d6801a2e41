"""A console that goes away takes what is printed with it, and nothing else."""

import os
import subprocess
import sys

import pytest

CODE = """
import os, sys
from annealed.utils.console import lasting
with lasting():
    for _ in range(20000):
        print("out")
        print("err", file=sys.stderr)
    name = os.path.join(sys.argv[1], "file")
    with open(name, "w") as f:
        os.write(2, b"noise")  # as a library in C
        f.write("done")
"""


@pytest.mark.parametrize("how", ["2>&-", ">&- 2>&- <&-", "2>&1 | head -1", "2>/dev/full >&2"])
def test_a_console_that_is_closed_or_full_ends_nothing(how, tmp_path):
    command = f'"{sys.executable}" -c \'{CODE}\' "{tmp_path}" {how}'
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command], capture_output=True, env=dict(os.environ)
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "file").read_text(encoding="utf-8") == "done"
