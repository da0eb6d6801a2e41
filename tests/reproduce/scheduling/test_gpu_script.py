"""reproduce/gpu.sh: what it asks for, with a Python that notes it down, and that it goes on."""

import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from itertools import pairwise

import pandas as pd
import pytest
from conftest import IMPORTS, ROOT

from reproduce.__main__ import arguments_parser, check_changes
from reproduce.benchmark import __main__ as benchmark
from reproduce.benchmark.measurements import ROWS

NOTE = """#!/bin/sh
line=$(basename "$0"); for word; do line="$line $word"; done
echo "$line" >> "$NOTES"
"""
PYTHON = """trap 'exit 130' TERM
case "$*" in *"$STAYS"*) touch "$NOTES.stays"; while :; do sleep 0.05; done ;; esac
case "$*" in *"$FAILS"*) exit 2 ;; esac
while [ $# -gt 0 ]; do [ "$1" != --folder ] || echo page > "$2/benchmark.md"; shift; done
"""
MPS = 'cat >> "$NOTES"; echo "pipe $CUDA_MPS_PIPE_DIRECTORY" >> "$NOTES"\n'
BY_ROW = ("lightning", "seeds")  # sections that are measured a row a piece
SECTIONS = [
    (section.__name__, rows)
    for section in benchmark.SECTIONS
    for rows in (ROWS if section.__name__ in BY_ROW else (None,))
]


@pytest.fixture
def script(tmp_path):
    """A copy of the script, so that what it writes goes to a folder of the test."""
    (tmp_path / "reproduce").mkdir()
    return shutil.copy(ROOT / "reproduce" / "gpu.sh", tmp_path / "reproduce")


@pytest.fixture
def noted(tmp_path, monkeypatch):
    """A Python and an MPS that note down their arguments; gives the notes since the last call."""
    for name, rest in {"python": PYTHON, "nvidia-cuda-mps-control": MPS}.items():
        (tmp_path / name).write_text(NOTE + rest, encoding="utf-8")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PYTHON", str(tmp_path / "python"))
    monkeypatch.setenv("NOTES", str(tmp_path / "notes"))
    monkeypatch.setenv("CUDA_MPS_PIPE_DIRECTORY", "elsewhere")
    for name in ("STAYS", "FAILS"):
        monkeypatch.setenv(name, "nothing")

    def notes():
        path = tmp_path / "notes"
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        path.unlink(missing_ok=True)
        return lines

    return notes


def call(script, *arguments):
    return subprocess.run([script, *arguments], capture_output=True, encoding="utf-8")


def measured(notes):
    """Section and rows of each measurement that was asked for."""
    phrases = [line.split() for line in notes if "reproduce.benchmark" in line]
    options = [dict(pairwise(line)) for line in phrases]
    return [(found["--sections"], found.get("--rows")) for found in options]


def tables(notes):
    """The arguments of each table that was asked for, read by the real parser."""
    phrases = [shlex.split(line) for line in notes]
    return [arguments_parser().parse_args(p[3:]) for p in phrases if p[2] == "reproduce"]


def test_the_benchmark_is_measured_once_and_then_come_both_tables_and_their_reports(script, noted):
    assert call(script).returncode == 0
    notes = noted()
    assert measured(notes) == SECTIONS
    kinds = [line.split()[2] for line in notes]
    both = ["reproduce", "reproduce.table.report"] * 2
    assert kinds == ["reproduce.benchmark"] * len(SECTIONS) + both
    dynamic, static = tables(notes)
    assert (dynamic.data, static.data) == ("mnist", "mnist_static")
    for asked in (dynamic, static):
        assert (asked.preset, asked.seeds, asked.replicas, asked.compile) == ("paper", 5, 5, True)
        assert (asked.jobs, asked.keep, asked.runs) == (None, True, "runs")
        assert asked.set == ["trainer.checkpoint_seconds=60", "evaluate.memory_mb=4096"]
        check_changes(asked.set)
    assert call(script).returncode == 0
    assert [line.split()[2] for line in noted()] == both


def test_the_environment_chooses_what_is_run(script, noted, monkeypatch):
    chosen = {"PRESET": "short", "DATA": "digits", "ROWS": "vae,hvi", "SEEDS": "3", "REPLICAS": "2"}
    chosen |= {"COMPILE": "0", "JOBS": "4", "RUNS": "my runs", "BENCHMARK": ""}
    for name, value in {**chosen, "SET": "trainer.epochs=9 wandb.mode=disabled"}.items():
        monkeypatch.setenv(name, value)
    assert call(script).returncode == 0
    words = noted()[0].replace("my runs", "'my runs'")
    (asked,) = tables([words])
    assert (asked.preset, asked.data, asked.rows, asked.seeds) == ("short", "digits", "vae,hvi", 3)
    assert (asked.replicas, asked.compile, asked.jobs, asked.runs) == (2, False, 4, "my runs")
    assert asked.set[2:] == ["trainer.epochs=9", "wandb.mode=disabled"]


def test_several_rows_at_a_time_share_the_gpu_where_mps_can_be_started(
    script, noted, tmp_path, monkeypatch
):
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setenv("BENCHMARK", "")
    monkeypatch.delenv("CUDA_MPS_PIPE_DIRECTORY")
    assert call(script).returncode == 0
    begin, pipe, *middle, end, quit_, same = noted()
    assert (begin, end) == ("nvidia-cuda-mps-control -d", "nvidia-cuda-mps-control")
    assert (quit_, same) == ("quit", pipe)
    assert not os.path.exists(pipe.removeprefix("pipe "))
    assert [asked.jobs for asked in tables(middle)] == [5, 5]


def test_what_fails_costs_nothing_else_its_turn_and_is_the_exit_status(script, noted, monkeypatch):
    monkeypatch.setenv("FAILS", "reproduce --preset paper --data mnist --")
    assert call(script).returncode == 2
    assert [asked.data for asked in tables(noted())] == ["mnist", "mnist_static"]


def test_a_section_that_takes_longer_than_a_piece_is_left_out_after_two(script, noted, monkeypatch):
    monkeypatch.setenv("STAYS", "--sections scoring")
    for limit in ("0", "0", "5", "5"):  # no second is no try
        stopped = call(script, limit)
        assert stopped.returncode == 130
        assert "the same command goes on" in stopped.stderr
    noted()
    done = call(script, "60")
    assert done.returncode == 0
    assert "left out, scoring of the benchmark takes longer than a piece" in done.stderr
    assert measured(noted()) == SECTIONS[SECTIONS.index(("scoring", None)) + 1 :]


@pytest.mark.parametrize("name", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_what_runs_and_the_rest(script, noted, tmp_path, monkeypatch, name):
    monkeypatch.setenv("BENCHMARK", "")
    monkeypatch.setenv("STAYS", "--data mnist --")
    process = subprocess.Popen([script])
    while not (tmp_path / "notes.stays").exists():
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(name)
    assert process.wait(60) == 130
    assert len(noted()) == 1


@pytest.mark.parametrize("limit", ["soon", "-3", "1.5"])
def test_a_limit_that_is_no_number_is_refused(script, noted, limit):
    refused = call(script, limit)
    assert refused.returncode == 2
    assert "is no number of seconds" in refused.stderr
    assert noted() == []


def test_a_piece_goes_on_where_the_one_before_stopped(script, tmp_path, monkeypatch):
    chosen = {"PRESET": "quick", "DATA": "digits", "ROWS": "hvi_avo", "SEEDS": "2", "COMPILE": ""}
    chosen |= {"BENCHMARK": "", "PYTHON": sys.executable, "PYTHONPATH": IMPORTS}
    chosen |= {"SET": "trainer.epochs=100000 trainer.checkpoint_seconds=0 wandb.mode=disabled"}
    for name, value in chosen.items():
        monkeypatch.setenv(name, value)
    place = tmp_path / "runs" / "quick" / "digits" / "hvi_avo"
    metrics, crowd = place / "seed0" / "metrics.csv", os.getloadavg()[0] / os.cpu_count()
    limit = 4 + round(6 * max(1.0, crowd))  # half of what is enough to start and train a little
    while not metrics.exists():
        assert limit < 200
        limit, begin = 2 * limit, time.monotonic()
        assert call(script, str(limit)).returncode == 130
        assert time.monotonic() - begin < limit + 30
    first = pd.read_csv(metrics)
    process = subprocess.Popen([script, "300"])
    while metrics.read_text(encoding="utf-8").count("\n") < len(first) + 5:
        assert process.poll() is None
        time.sleep(0.1)
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 130
    second = pd.read_csv(metrics)
    saved = len(first) - 1  # the checkpoint of the last epoch may not have been written
    assert 0 < saved < len(second)
    assert second.epoch.tolist() == list(range(len(second)))
    pd.testing.assert_frame_equal(first[:saved], second[:saved])  # the seconds too: none twice
