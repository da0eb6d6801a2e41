import errno
import json
import os
import subprocess
import sys

import pytest
import torch
from torch import nn

from annealed.training.checkpoint_io import AtomicCheckpointIO
from annealed.training.checkpoints import load, load_weights
from annealed.utils.errors import UsageError
from annealed.utils.files import in_use, locked, replace, replace_json


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "result.json"
    replace_json(path, {"a": 1})

    def fail(f):
        f.write(b"half")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        replace(path, fail)
    with pytest.raises(ValueError, match="JSON compliant"):
        replace_json(path, {"a": float("nan")})
    assert json.loads(path.read_text(encoding="utf-8")) == {"a": 1}
    assert os.listdir(tmp_path) == ["result.json"]


def test_a_folder_is_locked_for_another_process_until_this_one_lets_go(tmp_path):
    code = (
        "import sys; from pathlib import Path; from annealed.utils.files import locked\n"
        "with locked(Path(sys.argv[1]), 'the run folder'): print('held')"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    with locked(tmp_path, "the run folder"):
        refused = subprocess.run(command, capture_output=True, encoding="utf-8")
        assert f"the run folder {tmp_path} is in use by another process" in refused.stderr
    assert subprocess.run(command, capture_output=True, encoding="utf-8").stdout == "held\n"


@pytest.mark.parametrize("code", ["ENOSYS", "ENOLCK", "EOPNOTSUPP", "EIO"])
@pytest.mark.parametrize("wait", [False, True])
def test_a_disk_without_locks_is_not_a_folder_in_use(tmp_path, monkeypatch, code, wait):
    def flock(handle, how):
        number = getattr(errno, code)
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("fcntl.flock", flock)
    (tmp_path / ".lock").touch()
    sentence = rf"the run folder {tmp_path} cannot be locked: .*; name a folder on another disk"
    with (
        pytest.raises(UsageError, match=sentence) as refusal,
        locked(tmp_path, "the run folder", wait),
    ):
        pass
    assert refusal.value.status == 2
    with pytest.raises(UsageError, match="cannot be locked"):
        in_use(tmp_path)


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("", encoding="utf-8")
    with (
        pytest.raises(UsageError, match=r"the run folder .*file/run cannot be written"),
        locked(tmp_path / "file" / "run", "the run folder"),
    ):
        pass


def test_unreadable_foreign_and_misfit_checkpoints_are_one_sentence_each(tmp_path):
    path = tmp_path / "best.ckpt"
    with pytest.raises(UsageError, match="does not exist"):
        load(path)
    for content in (b"", b"junk", b"PK\x03\x04junk"):
        path.write_bytes(content)
        with pytest.raises(UsageError, match="not a readable checkpoint"):
            load(path)
    torch.save({"state_dict": {}}, path)
    with pytest.raises(UsageError, match="not written by annealed"):
        load(path)
    AtomicCheckpointIO().save_checkpoint({"epoch": 3}, path)
    with pytest.raises(UsageError, match="not written by annealed"):
        load(path)
    torch.save(nn.Linear(2, 2), path)  # a pickled object, which weights_only refuses
    with pytest.raises(UsageError, match="not a readable checkpoint"):
        load(path)
    AtomicCheckpointIO().save_checkpoint({"state_dict": nn.Linear(2, 3).state_dict()}, path)
    with pytest.raises(UsageError, match="weights of another model"):
        load_weights(nn.Linear(2, 2), path)
    load_weights(nn.Linear(2, 3), path)
    AtomicCheckpointIO().save_checkpoint({"state_dict": 5}, path)
    with pytest.raises(UsageError, match="weights of another model"):
        load_weights(nn.Linear(2, 2), path)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UsageError, match="not a readable checkpoint"):
        load(path)
