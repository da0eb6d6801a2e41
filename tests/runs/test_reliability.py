"""What may happen to a run: kills, a full disk, broken and hostile files."""

import json
import os
import pickle
import resource
import subprocess
import sys

import pytest
import torch
from tiny_runs import assert_same_run, tiny

from annealed.config import load as load_config, read_resolved
from annealed.runs.run import fit
from annealed.training import checkpoints
from annealed.training.checkpoint_io import AtomicCheckpointIO
from annealed.training.checkpoints import load, recover
from annealed.training.module import Training
from annealed.training.record import read_metrics
from annealed.utils.errors import UsageError

KILLS = 20
# a try is a fork that ends at once, as a kill would end it, at a random one of the moments before
# and after whatever a run does to its files and its weights
TRIES = """
import os, random, sys
from pathlib import Path
from annealed.runs.run import fit
from annealed.training.module import Training
from tiny_runs import tiny

runs, wanted = Path(sys.argv[1]), int(sys.argv[2])
config, draw = tiny("hvi_avo", runs, "trainer.epochs=8"), random.Random(3)
folder, kills, begun = runs / "quick/digits/hvi_avo/seed0", 0, 0

def counted(function, left):
    def moment():
        left[0] -= 1
        if left[0] < 0:
            os._exit(9)
    def call(*arguments, **options):
        moment()
        value = function(*arguments, **options)
        moment()
        return value
    return call

while not (folder / "result.json").exists():
    left = [draw.randrange(5, 75) if kills < wanted else 10**9]
    begun += (folder / "last.ckpt").exists()
    child = os.fork()
    if not child:
        watched = ((os, "replace"), (os, "fsync"), (Path, "unlink"), (Training, "optimise"))
        for owner, name in watched:
            setattr(owner, name, counted(getattr(owner, name), left))
        fit(config, resume=True)
        os._exit(0)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert status in (0, 9), status
    kills += status == 9
print(kills, begun)
"""


def run_code(code, *arguments):
    """`code` in a process of its own that may import the tests."""
    path = os.pathsep.join(filter(None, sys.path))
    command = [sys.executable, "-c", code, *map(str, arguments)]
    environment = {**os.environ, "PYTHONPATH": path}
    done = subprocess.run(command, env=environment, capture_output=True, encoding="utf-8")
    assert done.returncode == 0, done.stderr
    return done.stdout


def folder_of(runs, row="vae"):
    return runs / "quick" / "digits" / row / "seed0"


def test_a_run_killed_at_twenty_random_moments_is_the_run_never_killed(tmp_path):
    whole = fit(tiny("hvi_avo", tmp_path / "whole", "trainer.epochs=8"))
    kills, begun = run_code(TRIES, tmp_path / "killed", KILLS).split()[-2:]
    assert int(kills) == KILLS
    assert int(begun) >= KILLS / 2  # most tries went on from a checkpoint
    killed = folder_of(tmp_path / "killed", "hvi_avo")
    assert_same_run(whole, killed)
    assert not list(killed.glob(".*.partial"))  # nor is anything half written left


def stopping(hook, epoch, act):
    """`hook`, before which `act` is called at the end of `epoch`."""

    def stop(self):
        if self.current_epoch == epoch:
            act()
        hook(self)

    return stop


def test_a_full_disk_is_one_sentence_and_leaves_the_checkpoint_before_whole(tmp_path, monkeypatch):
    options = ["trainer.epochs=4"]
    whole = fit(tiny("vae", tmp_path / "whole", *options))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    full = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))  # noqa: E731
    hook = Training.on_validation_epoch_end
    monkeypatch.setattr(Training, "on_validation_epoch_end", stopping(hook, 2, full))
    try:
        with pytest.raises(UsageError, match=r"best\.ckpt cannot be written: File too large; what"):
            fit(tiny("vae", tmp_path / "full", *options))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    monkeypatch.setattr(Training, "on_validation_epoch_end", hook)
    folder = folder_of(tmp_path / "full")
    assert load(folder / "last.ckpt")["epoch"] == 1
    assert not list(folder.glob(".*.partial"))
    assert_same_run(whole, fit(tiny("vae", tmp_path / "full", *options), resume=True))


class Killed(Exception):
    """What stands for a kill."""


def killed_at(epoch, row, runs, monkeypatch, *overrides):
    """A run that ended in `epoch`, of five, after its training and before its record."""

    def die():
        raise Killed

    hook = Training.on_validation_epoch_end
    monkeypatch.setattr(Training, "on_validation_epoch_end", stopping(hook, epoch, die))
    with pytest.raises(Killed):
        fit(tiny(row, runs, "trainer.epochs=5", *overrides))
    monkeypatch.setattr(Training, "on_validation_epoch_end", hook)
    return folder_of(runs, row)


def test_a_damaged_last_checkpoint_gives_way_to_the_one_before(tmp_path, monkeypatch, capsys):
    whole = fit(tiny("hvi_avo", tmp_path / "whole", "trainer.epochs=5"))
    folder = killed_at(3, "hvi_avo", tmp_path / "killed", monkeypatch)
    last = folder / "last.ckpt"
    content = last.read_bytes()
    assert [load(folder / f"last{p}.ckpt")["epoch"] for p in ("", ".previous")] == [2, 1]
    assert len(read_metrics(folder)) == 3
    last.write_bytes(content[: len(content) // 2])
    capsys.readouterr()
    fit(tiny("hvi_avo", tmp_path / "killed", "trainer.epochs=5"), resume=True)
    lines = [line for line in capsys.readouterr().err.splitlines() if "last.ckpt" in line]
    assert lines == [f"{last} is damaged or gone: going on from the epoch before it"]
    assert_same_run(whole, folder)


def test_a_run_that_saves_seldom_goes_on_from_its_last_checkpoint_to_the_same_bits(
    tmp_path, monkeypatch
):
    seldom = "trainer.checkpoint_seconds=1000.0"
    whole = fit(tiny("hvi_avo", tmp_path / "whole", "trainer.epochs=5"))
    folder = killed_at(3, "hvi_avo", tmp_path / "killed", monkeypatch, seldom)
    assert [load(folder / name)["epoch"] for name in ("last.ckpt", "best.ckpt")] == [0, 0]
    assert len(read_metrics(folder)) == 3
    fit(tiny("hvi_avo", tmp_path / "killed", "trainer.epochs=5", seldom), resume=True)
    assert_same_run(whole, folder)


def test_a_resumed_run_reads_its_last_checkpoint_once(tmp_path, monkeypatch):
    folder = killed_at(2, "vae", tmp_path, monkeypatch)
    loaded = []

    def counted(path, *arguments):
        loaded.append(path)
        return load(path, *arguments)

    monkeypatch.setattr(checkpoints, "load", counted)
    fit(tiny("vae", tmp_path, "trainer.epochs=5"), resume=True)
    assert loaded.count(folder / "last.ckpt") == 1


@pytest.mark.parametrize("damage", ["empty", "zeros", "gone", "none"])
def test_what_counts_as_a_damaged_checkpoint(damage, tmp_path):
    last = tmp_path / "last.ckpt"
    for epoch in (1, 2):
        AtomicCheckpointIO().save_checkpoint({"epoch": epoch, "state_dict": {}}, last)
    content = last.read_bytes()
    half = content[: len(content) // 2]
    last.write_bytes({"empty": b"", "zeros": half + bytes(len(half))}.get(damage, content))
    if damage == "gone":
        last.unlink()
    recover(tmp_path)
    assert load(last)["epoch"] == (2 if damage == "none" else 1)


def test_both_checkpoints_damaged_is_one_sentence_that_names_one(tmp_path, monkeypatch):
    folder = killed_at(2, "vae", tmp_path, monkeypatch)
    for name in ("last.ckpt", "last.previous.ckpt"):
        (folder / name).write_bytes(b"PK\x03\x04")
    with pytest.raises(UsageError, match=r"last\.previous\.ckpt is not a readable checkpoint"):
        fit(tiny("vae", tmp_path, "trainer.epochs=5"), resume=True)


class Payload:
    """What runs code when it is unpickled."""

    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return os.mkdir, (str(self.mark),)


@pytest.mark.parametrize("name", ["last.ckpt", "best.ckpt"])
@pytest.mark.parametrize("how", ["torch", "pickle"])
def test_a_poisoned_checkpoint_is_refused_and_its_code_not_run(name, how, tmp_path):
    folder, mark = fit(tiny("vae", tmp_path, "trainer.epochs=1")), tmp_path / "ran"
    (folder / "result.json").unlink()
    poison = {"annealed": 1, "state_dict": Payload(mark), "callbacks": {}}
    content = pickle.dumps(poison)
    if how == "torch":
        torch.save(poison, folder / name)
    else:
        (folder / name).write_bytes(content)
    with pytest.raises(UsageError, match=rf"{name} is not a readable checkpoint"):
        fit(tiny("vae", tmp_path, "trainer.epochs=1"), resume=True)
    assert not mark.exists()
    pickle.loads(content)  # the poison would have worked
    assert mark.exists()


BOMB = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{b}: &{b} [{', '.join([f'*{a}'] * 10)}]\n"
    for a, b in zip("abcdefgh", "bcdefghi", strict=True)
)
DOUBLING = "a0: xxxxxxxxxx\n" + "".join(f"a{i + 1}: ${{a{i}}}${{a{i}}}\n" for i in range(60))


@pytest.mark.parametrize(
    ("text", "phrase"),
    [
        ("seed: !!python/object/apply:os.mkdir [ran]", "the tag"),
        ("seed: !!python/name:os.system ''", "the tag"),
        ("runs: !!python/object/apply:pathlib.Path [ran]", "the tag"),
        ("seed: !!binary aGVsbG8=", "the tag"),
        (BOMB, "more than 10000 values"),
        ("seed: &a [*a]", r"alias \*a of nothing or of itself"),
        ("seed: *a", r"alias"),
        (DOUBLING, r"\$\{...\}"),
        ("runs: ${oc.env:HOME}", r"\$\{...\}"),
        ("seed: " + "[" * 30_000, "more than 32 levels"),
        ("seed: 1" + "\n" * 200_000, "larger than 100000"),
        ("seed: " + "9" * 90_000, "not valid YAML|seed"),
        ("seed: " + "9" * 400, "seed is 9+.*; accepted: a whole number"),
        ("evaluate: {memory_mb: 1" + "0" * 400 + "}", "memory_mb is"),
        ("seed: 2001-99-99", "accepted: a whole number"),
        ("x" * 300 + ": 1", "is not a key"),
        ("row: ../../x", "name of one folder"),
        ('row: "a\\0b"', "null character"),
        ("row: /tmp/x", "name of one folder"),
        ("data: {name: ../x}", "accepted: celeba, digits"),
        ("preset: ../../etc/passwd", "accepted: "),
        ("method: {name: ../../x.Y}", "method.name"),
    ],
)
def test_a_hostile_yaml_is_refused_in_one_sentence(text, phrase, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "mine.yaml"
    path.write_text("method: {name: vae}\n" * ("method" not in text) + text, encoding="utf-8")
    with pytest.raises(UsageError, match=phrase) as error:
        load_config(str(path))
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 600
    assert os.listdir(tmp_path) == ["mine.yaml"]
    key, _, value = text.partition(": ")
    if "\n" not in text.strip() and key in ("seed", "row"):  # the same in an override
        with pytest.raises(UsageError) as error:
            load_config("vae", [f"{key}={value}"])
        assert len(str(error.value)) < 600


def test_a_plain_yaml_may_have_anchors(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(
        "method: {name: vae}\nseed: &n 3\ndata: {seed: *n, batch_size: !!int 7}\n", encoding="utf-8"
    )
    config = load_config(str(path))
    assert (config.seed, config.data.seed, config.data.batch_size) == (3, 3, 7)


def test_a_run_folder_of_before_a_key_is_still_read(tmp_path):
    folder = fit(tiny("vae", tmp_path, "trainer.epochs=1"))
    text = (folder / "config.yaml").read_text(encoding="utf-8")
    kept = [li for li in text.splitlines(True) if li.split(":")[0].strip() not in NEWER]
    assert len(kept) == len(text.splitlines()) - len(NEWER)
    (folder / "config.yaml").write_text("".join(kept), encoding="utf-8")
    old = read_resolved(folder / "config.yaml").trainer
    assert (old.devices, old.products) == (1, "torch")
    before = json.loads((folder / "result.json").read_text(encoding="utf-8"))
    fit(tiny("vae", tmp_path, "trainer.epochs=1"), resume=True)
    assert json.loads((folder / "result.json").read_text(encoding="utf-8")) == before


NEWER = ("devices", "strategy", "precision", "products")
