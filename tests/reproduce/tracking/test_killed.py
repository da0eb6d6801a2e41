"""Runs whose processes were killed, as W&B's own client sends them to a server here."""

import os
import time

import pytest
import wandb
from wandb_server import served, settings

from annealed.utils.errors import UsageError
from reproduce.tracking.killed import BLOCK, HEADER, make_whole, whole_until
from reproduce.tracking.sync import pieces, sync


def log(folder, first, epochs):
    """An offline record of some epochs in a finished run's folder, a piece of the run's own."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "result.json").write_text("{}", encoding="utf-8")
    options = {"mode": "offline", "project": "annealed", "dir": folder, "reinit": "create_new"}
    options |= {"id": folder.name, "resume": "allow" if first else None}
    run = wandb.init(**options, settings=wandb.Settings(console="off", silent=True))
    for epoch in range(first, first + epochs):
        run.log({"epoch": epoch, "bound": [0.5] * 300})
    run.finish()


def files(folder):
    """The records of a run, once W&B has written all of them."""
    return sorted(folder.glob("wandb/offline-run-*/run-*.wandb"))


def age(file, content):
    """Write `content` to the file of a process that ended an hour ago."""
    file.write_bytes(content)
    os.utime(file, (time.time() - 3600,) * 2)


@pytest.fixture
def server(tmp_path, monkeypatch):
    with served() as server:
        for name, value in settings(server, tmp_path / "wandb").items():
            monkeypatch.setenv(name, value)
        wandb.teardown()  # W&B keeps the server that it once had
        yield server


def test_a_record_is_whole_or_not_wherever_a_file_is_cut(tmp_path):
    log(tmp_path / "a", 0, 40)
    wandb.teardown()  # only then everything is on disk
    (file,) = files(tmp_path / "a")
    content = file.read_bytes()
    cuts = range(HEADER, len(content), 31)
    ends = [whole_until(content[:n]) for n in cuts]
    assert ends[0] == HEADER
    assert ends == sorted(ends)
    assert all(end <= n for end, n in zip(ends, cuts, strict=True))
    assert len(set(ends)) > 40  # a record for each epoch, and more
    for end in set(ends):
        assert whole_until(content[:end]) == end
        assert whole_until(content[: end + 1]) == end
    assert whole_until(content) == len(content)
    file.write_bytes(content[:-1])
    assert make_whole(file)
    assert file.read_bytes() == content[:-1]  # it may still grow
    age(file, content[:-1])
    assert make_whole(file)
    assert file.read_bytes() == content[: whole_until(content[:-1])]
    assert file.with_name(f"{file.name}.killed").read_bytes() == content[:-1]
    age(file, content[:HEADER])
    assert not make_whole(file)


def test_a_killed_run_is_sent_as_far_as_its_record_goes_and_keeps_no_other_back(server, tmp_path):
    runs = tmp_path / "runs"
    for name, first, epochs in (("a", 0, 40), ("a", 40, 2), ("b", 0, 40), ("b", 40, 2)):
        log(runs / name, first, epochs)
    log(runs / "c", 0, 2)
    log(runs / "d", 0, 2)
    wandb.teardown()
    for name, kept in (("a", HEADER), ("b", BLOCK)):  # bytes, as seen of killed runs
        file = files(runs / name)[0]
        age(file, file.read_bytes()[:kept])
        assert file.stat().st_size == kept
    age(files(runs / "c")[0], b"not a record")
    with pytest.raises(UsageError, match=rf"3 of 4 runs were sent; W&B did not take {runs}/c \("):
        sync(runs)
    sent = {run: [line["epoch"] for line in server.history(run)] for run in ("a", "b", "d")}
    assert sent["a"] == [40, 41]
    assert sent["d"] == [0, 1]
    before = sent["b"][:-2]
    assert before
    assert sent["b"] == [*range(len(before)), 40, 41]
    assert [len(written) for written in pieces(runs).values()] == [2, 2, 1, 1]
