"""Variables of launchers and libraries are hidden from a block, and are back after it."""

import os
import subprocess
import sys

from annealed.utils.environment import hidden


def test_variables_that_no_key_names_are_hidden_and_back_after(monkeypatch):
    monkeypatch.setenv("SLURM_PROCID", "2")
    monkeypatch.setenv("PL_TRAINER_LIMIT_TRAIN_BATCHES", "1")
    monkeypatch.setenv("NVIDIA_TF32_OVERRIDE", "1")
    monkeypatch.setenv("ANNEALED_KEPT", "kept")
    monkeypatch.delenv("MASTER_PORT", raising=False)
    before = dict(os.environ)
    with hidden():
        gone = {"SLURM_PROCID", "PL_TRAINER_LIMIT_TRAIN_BATCHES", "NVIDIA_TF32_OVERRIDE"}
        assert not gone & set(os.environ)
        assert os.environ["ANNEALED_KEPT"] == "kept"
        code = "import os; print(os.environ.get('SLURM_PROCID'))"
        child = subprocess.run([sys.executable, "-c", code], capture_output=True, encoding="utf-8")
        assert child.stdout == "None\n"
        os.environ["MASTER_PORT"] = "1"  # as a library might
    assert dict(os.environ) == before
