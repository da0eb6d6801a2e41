"""Runs whose processes were killed, as W&B's own client sends them to a server here."""

import os
import time

import pytest
import wandb
from wandb_server import served

from annealed.utils.errors import UsageError
from reproduce.tracking import sync as module
from reproduce.tracking.killed import BLOCK, HEADER, Unsettled, make_whole, whole_until
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
    """The offline records of a run, the first first."""
    return sorted(folder.glob("wandb/offline-run-*/run-*.wandb"))


def age(file, content):
    """Write `content` to the file of a process that ended an hour ago."""
    file.write_bytes(content)
    os.utime(file, (time.time() - 3600,) * 2)


@pytest.fixture
def server(tmp_path, monkeypatch):
    with served(tmp_path / "wandb", monkeypatch) as server:
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
    garbled = bytearray(content)
    garbled[ends[-1] - 1] ^= 1  # of a record that ends there
    assert whole_until(garbled) < ends[-1]


def test_a_file_is_cut_once_nothing_writes_to_it_and_what_it_was_is_kept(tmp_path):
    log(tmp_path / "a", 0, 2)
    wandb.teardown()
    (file,) = files(tmp_path / "a")
    content = file.read_bytes()
    assert make_whole(file)
    file.write_bytes(content[:-1])
    with pytest.raises(Unsettled):
        make_whole(file)
    assert file.read_bytes() == content[:-1]
    age(file, content[:-1])
    assert make_whole(file)
    assert file.read_bytes() == content[: whole_until(content[:-1])]
    assert file.with_name(f"{file.name}.killed").read_bytes() == content[:-1]
    for nothing in (b"", content[:HEADER], content[: HEADER + 3]):
        age(file, nothing)
        assert not make_whole(file)
        assert file.read_bytes() == nothing


def test_what_goes_on_with_a_run_is_not_sent_while_it_may_grow_and_then_once(server, tmp_path):
    runs = tmp_path / "runs"
    log(runs / "a", 0, 2)
    wandb.teardown()
    assert sync(runs) == (1, 0, 0)
    log(runs / "a", 2, 40)
    log(runs / "b", 0, 2)
    wandb.teardown()
    file = files(runs / "a")[-1]
    content = file.read_bytes()[:BLOCK]
    file.write_bytes(content)
    assert sync(runs) == (1, 0, 1)
    assert [line["epoch"] for line in server.history("a")] == [0, 1]
    age(file, content)
    assert sync(runs) == (1, 1, 0)
    sent = [line["epoch"] for line in server.history("a")]
    assert sent == list(range(len(sent)))
    assert len(sent) > 2
    assert sync(runs) == (0, 2, 0)


def test_a_batch_that_is_refused_is_sent_run_by_run_but_for_what_has_begun(tmp_path, monkeypatch):
    calls, left = [], {}
    for name in "abcdefg":
        piece = tmp_path / name / "wandb" / f"offline-run-{name}"
        piece.mkdir(parents=True)
        left[tmp_path / name] = [piece]
    (left[tmp_path / "b"][0] / "run-b.wandb.syncstate").touch()

    def send(batch, runs):
        calls.append("".join(piece.name[-1] for piece in batch))
        for piece in batch:
            if not {"b", "c"} & set(calls[-1]):
                (piece / f"run-{piece.name[-1]}.wandb.synced").touch()
        return f"said of {calls[-1]}"

    monkeypatch.setattr(module, "send", send)
    monkeypatch.setattr(module, "BATCH", 3)
    assert module.send_all(left, tmp_path) == "said of c"
    assert calls == ["abc", "a", "c", "def", "g"]
    monkeypatch.setattr(module, "send", lambda batch, runs: calls.append(batch) or "no")
    calls.clear()
    many = {tmp_path / str(i): [tmp_path / str(i)] for i in range(20)}
    assert module.send_all(many, tmp_path) == "no"
    assert len(calls) == 1 + 3  # then it is the server


@pytest.mark.parametrize("held", [3, 100])
def test_a_killed_run_is_sent_as_far_as_its_record_goes_and_keeps_no_other_back(
    server, tmp_path, monkeypatch, held
):
    monkeypatch.setattr(module, "HELD", held)
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
