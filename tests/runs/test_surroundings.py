"""What surrounds a run changes no number of it: a launcher's variables, Lightning's, signals."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest
from conftest import TINY
from tiny_runs import tiny

from annealed.runs.run import fit

LEFT = {  # by Slurm, torchrun and a user of Lightning and W&B; none is of this run
    "SLURM_JOB_ID": "1",
    "SLURM_JOB_NAME": "s",
    "SLURM_NTASKS": "4",
    "SLURM_PROCID": "2",
    "SLURM_LOCALID": "2",
    "SLURM_NODELIST": "n1",
    "RANK": "not a number",
    "WORLD_SIZE": "4",
    "PL_TRAINER_LIMIT_TRAIN_BATCHES": "1",
    "PL_TRAINER_MAX_STEPS": "2",
    "PL_TRAINER_FAST_DEV_RUN": "True",
    "WANDB_PROJECT": "of_the_environment",
    "WANDB_SERVICE": "3-1-unix-/nowhere/socket",
}


@pytest.fixture(scope="module")
def surrounded(tmp_path_factory):
    """A run among variables of others, in a process that imports Lightning among them."""
    runs = tmp_path_factory.mktemp("surrounded")
    options = [*TINY[:-1], "wandb.mode=offline", f"runs={runs}"]
    command = [sys.executable, "-m", "annealed.fit", "--config", "vae", *options]
    done = subprocess.run(
        command, capture_output=True, encoding="utf-8", env={**os.environ, **LEFT}
    )
    assert done.returncode == 0, done.stderr
    return runs / "quick" / "digits" / "vae" / "seed0", done


def test_the_configuration_alone_says_what_is_trained(surrounded, tmp_path):
    folders = surrounded[0], fit(tiny("vae", tmp_path))
    results = [
        json.loads((folder / "result.json").read_text(encoding="utf-8")) for folder in folders
    ]
    assert results[0]["nll"] == results[1]["nll"]


def test_one_device_is_one_run_and_fully_logged(surrounded):
    (log,) = surrounded[0].glob("wandb/offline-run-*/run-*.wandb")
    logged = log.read_bytes()
    for name in (b"val/elbo", b"media/samples", b"test/nll", b"of_the_environment"):
        assert name in logged, name


def test_a_scoring_among_variables_of_others_is_fully_logged_too(surrounded):
    folder = surrounded[0]
    before = set(folder.glob("wandb/offline-run-*"))
    command = [sys.executable, "-m", "annealed.evaluate", str(folder), "--samples", "20"]
    done = subprocess.run(
        command, capture_output=True, encoding="utf-8", env={**os.environ, **LEFT}
    )
    assert done.returncode == 0, done.stderr
    assert (folder / "evaluation_S20.json").is_file()
    (logged,) = set(folder.glob("wandb/offline-run-*")) - before
    (log,) = logged.glob("run-*.wandb")
    assert b"test/nll" in log.read_bytes()


def test_the_console_has_what_is_trained_the_bars_and_the_result(surrounded):
    folder, done = surrounded
    data, how, *bars = done.stderr.splitlines()
    assert data.startswith("vae on digits: 1297 images to train on, 250 to validate, 250 test ")
    assert how.startswith("epochs: 3, seed 0, CPU (threads: 1), products by ")
    assert {line.split(":")[0] for line in bars if line} == {"vae seed0 train", "vae seed0 score"}
    conclusion, place = done.stdout.splitlines()
    result = json.loads((folder / "result.json").read_text(encoding="utf-8"))
    assert conclusion.startswith(f"NLL {result['nll']:.3f} +- {result['nll_mc_error']:.3f} nats")
    for phrase in ("ELBO", "rate", "of 10 units active", "k-hat", "trained in"):
        assert phrase in conclusion, phrase
    assert place == f"result: {folder / 'result.json'}"


def test_lightning_and_w_and_b_speak_where_they_are_asked_to(tmp_path):
    options = [*TINY[:-1], "wandb.mode=offline", f"runs={tmp_path}", "--verbose"]
    command = [sys.executable, "-m", "annealed.fit", "--config", "vae", *options]
    done = subprocess.run(command, capture_output=True, encoding="utf-8")
    assert done.returncode == 0, done.stderr
    assert "`Trainer.fit` stopped" in done.stderr
    assert "wandb: " in done.stderr


@pytest.mark.parametrize("name", ["SIGUSR1", "SIGTERM"])
def test_a_signal_under_slurm_ends_a_run_with_one_line_and_no_checkpoint_of_others(
    name, start, tmp_path
):
    surroundings = {**LEFT, "ANNEALED_PROGRESS": "json"}
    process = start(tmp_path, "trainer.epochs=100000", **surroundings)
    folder = tmp_path / "quick" / "digits" / "hvi_avo" / "seed0"
    while not (folder / "last.ckpt").exists():
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(getattr(signal, name))
    done = process.finish()
    assert done.returncode == 130
    assert done.stderr.startswith("annealed: interrupted; what is done is kept.")
    assert len(done.stderr.splitlines()) == 1
    kept = {path.name for path in folder.glob("*.ckpt")}
    assert kept <= {"best.ckpt", "last.ckpt", "last.previous.ckpt"}
