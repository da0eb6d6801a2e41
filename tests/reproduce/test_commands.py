"""What launchers leave in the environment changes no command of the reproduction."""

import os
import subprocess
import sys

import pytest
from conftest import ROOT

COMMANDS = (
    ("reproduce", "--list-cells", "--rows", "vae"),
    ("reproduce.table.report", "--help"),
    ("reproduce.experiments.successors", "--help"),
    ("reproduce.checklist", "--help"),
    ("reproduce.site", "--help"),
    ("reproduce.checks.verify", "--help"),
    ("reproduce.checks.rerun", "--help"),
    ("reproduce.table.pictures", "--help"),
    ("reproduce.tracking.sync", "--help"),
    ("reproduce.tracking.dashboard", "--help"),
    ("reproduce.experiments.celeba", "--help"),
)


@pytest.mark.parametrize("command", COMMANDS, ids=[module for module, *_ in COMMANDS])
def test_a_rank_that_is_no_number_is_not_read(command):
    environment = {**os.environ, "RANK": "not a number", "WORLD_SIZE": "4"}
    done = subprocess.run(
        [sys.executable, "-m", *command],
        cwd=ROOT,
        capture_output=True,
        encoding="utf-8",
        env=environment,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout
