"""Caches are optional: a folder that cannot be written gives way to one that can."""

import os
import pwd
from pathlib import Path

import pytest

from annealed.data.locations import data_root
from annealed.utils import caches


@pytest.fixture
def clean(monkeypatch, tmp_path):
    """An environment that names no cache, with temporary folders in one of the test's own."""
    for name in (*caches.CACHES, "XDG_CACHE_HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME"):
        monkeypatch.setenv(name, "")  # so that it is put back after the test
        monkeypatch.delenv(name)
    monkeypatch.setattr(caches.tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    return monkeypatch


def test_a_user_whom_the_system_does_not_know_has_a_home_for_caches(clean, tmp_path):
    def unknown(uid):
        raise KeyError(uid)

    clean.delenv("HOME")
    clean.delenv("ANNEALED_DATA", raising=False)
    clean.setattr(pwd, "getpwuid", unknown)
    caches.settle()
    assert Path.home() == tmp_path / f"annealed-{os.getuid()}"
    assert Path.home().stat().st_mode & 0o777 == 0o700
    assert data_root(None) == Path.home() / ".cache" / "annealed" / "data"


def test_what_can_be_written_stays_and_nothing_is_made(clean, tmp_path):
    clean.setenv("TRITON_CACHE_DIR", str(tmp_path / "triton"))
    before = dict(os.environ)
    caches.settle()
    assert dict(os.environ) == before
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("folder", ["/proc/nowhere", "/dev/null/cache"])
def test_a_cache_that_cannot_be_written_is_replaced(folder, clean, tmp_path):
    clean.setenv("TORCHINDUCTOR_CACHE_DIR", folder)
    clean.setenv("HOME", folder)
    caches.settle()
    assert os.environ["HOME"] == folder  # it may hold a key or data
    for name in ("TORCHINDUCTOR_CACHE_DIR", "WANDB_CACHE_DIR", "WANDB_DATA_DIR", "MPLCONFIGDIR"):
        assert Path(os.environ[name]).is_relative_to(tmp_path)
    assert "TRITON_CACHE_DIR" not in os.environ
