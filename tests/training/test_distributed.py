"""One run on two processes of this machine, as a user starts it."""

import json
import os
import shutil
import signal
import subprocess
import time

import numpy as np
import pytest
import torch
from commands import annealed
from conftest import TINY
from tiny_runs import assert_same_run, tiny, weights

from annealed.runs.run import fit
from annealed.training.record import read_metrics

# the last of three batches has one image, which is fewer than there are processes
SHORT = ["data.train_images=201", "trainer.epochs=6", "method.avo.rho=0.5"]
TWO = ["trainer.devices=2", "trainer.strategy=ddp"]


def folder_of(runs):
    return runs / "quick" / "digits" / "hvi_avo" / "seed0"


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    """A run on one process, and on two; the words of the command that gave the second."""
    if os.cpu_count() < 2 or not shutil.which("ps"):
        pytest.skip("a run on two processes takes two cores, and ps to find them")
    runs = tmp_path_factory.mktemp("pair")
    one = fit(tiny("hvi_avo", runs / "one", *SHORT))
    quiet = [option for option in TINY if not option.startswith("wandb")]
    options = [*quiet, *SHORT, *TWO, "wandb.mode=offline", f"runs={runs / 'two'}"]
    # what a launcher of other processes may have left: a machine that is not there, other ranks
    left = {"MASTER_ADDR": "10.255.255.1", "MASTER_PORT": "1", "LOCAL_RANK": "3", "WORLD_SIZE": "9"}
    left |= {"GLOO_SOCKET_IFNAME": "none", "TORCHELASTIC_USE_AGENT_STORE": "True"}
    environment = {"WANDB_MODE": "offline", **left}
    done = annealed("fit", "--config", "hvi_avo", *options, cwd=runs, **environment)
    assert done.returncode == 0, done.stderr
    return one, folder_of(runs / "two"), done


def test_two_processes_take_together_the_steps_of_one(pair):
    one, two, _ = pair
    a, b = (read_metrics(f).drop(columns="seconds") for f in (one, two))
    assert list(a.columns) == list(b.columns)
    assert b["step"].tolist() == [3, 6, 9, 12, 15, 18]
    np.testing.assert_allclose(a.to_numpy(), b.to_numpy(), rtol=1e-4)
    of_two, of_one = weights(two), weights(one)
    for name, value in of_one.items():
        torch.testing.assert_close(of_two[name], value, rtol=1e-3, atol=1e-5, msg=name)
    results = [json.loads((f / "result.json").read_text(encoding="utf-8")) for f in (one, two)]
    assert results[0]["nll"] == pytest.approx(results[1]["nll"], abs=1e-3)
    assert [r["training"]["sessions"][0]["devices"] for r in results] == [1, 2]


def test_one_of_two_processes_writes_logs_and_speaks(pair):
    _, two, done = pair
    conclusion, last = done.stdout.splitlines()
    assert conclusion.startswith("NLL ")
    assert last == f"result: {two / 'result.json'}"
    assert len(list(two.glob("wandb/offline-run-*"))) == 1
    assert done.stderr.count("score: 100%") == 1
    assert "Traceback" not in done.stderr
    assert len(np.load(two / "result.npz")["log_prob"]) == 250


def test_a_process_that_is_killed_ends_the_run_which_goes_on_when_resumed(pair, start, tmp_path):
    options = [*SHORT, *TWO, "--resume"]
    process = start(tmp_path, *options)
    folder = folder_of(tmp_path)
    while not (folder / "last.previous.ckpt").exists():
        assert process.poll() is None
        time.sleep(0.01)
    listed = subprocess.run(
        ["ps", "-Ao", "pid=,ppid="], capture_output=True, encoding="utf-8"
    ).stdout
    family = [tuple(map(int, line.split())) for line in listed.splitlines()]
    (other,) = (pid for pid, parent in family if parent == process.pid)
    os.kill(other, signal.SIGKILL)
    done = process.finish()
    assert done.returncode == 1, done.stderr
    said = "annealed: process 1 of 0 to 1 ended with status -9; what is done is kept. Add"
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert not (folder / "result.json").exists()
    assert start(tmp_path, *options).wait() == 0
    assert_same_run(pair[1], folder)


def test_two_processes_that_diverge_end_with_one_sentence(pair, tmp_path):
    options = [*TINY, *SHORT, *TWO, "optimiser.learning_rate=1e30", f"runs={tmp_path}"]
    done = annealed("fit", "--config", "hvi_avo", *options, cwd=tmp_path)
    assert done.returncode == 3, done.stderr
    assert done.stderr.count("annealed: ") == 1
    assert "Traceback" not in done.stderr
    result = json.loads((folder_of(tmp_path) / "result.json").read_text(encoding="utf-8"))
    assert result["status"] == "diverged"
