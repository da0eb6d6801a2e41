"""The Slurm scripts, with a Slurm and a Python that note down what they were asked."""

import os
import shlex
import signal
import subprocess
import sys
import time

import pytest
from conftest import ROOT

from reproduce.__main__ import arguments_parser, main

SCRIPT = ROOT / "reproduce" / "slurm" / "table.sbatch"
SUBMIT = ROOT / "reproduce" / "slurm" / "submit"
ASKED = ["--preset", "short", "--rows", "vae,hvi", "--seeds", "3"]
NOTE = """#!/bin/sh
line=$(basename "$0"); for word; do line="$line $word"; done
echo "$line" >> "$NOTES"
"""
PYTHON = """case "$*" in *--list-cells) [ -n "$LISTED" ] && echo "$LISTED" || exit 2; exit ;; esac
trap 'exit 130' TERM
touch "$NOTES.running"
[ -z "$STAY" ] || while :; do sleep 0.05; done
"""


@pytest.fixture
def slurm(tmp_path, monkeypatch):
    """Programs on the path; returns what they noted down, word by word."""
    programs = {"sbatch": "echo '77;cluster'", "scontrol": "", "python": PYTHON}
    for name, rest in programs.items():
        (tmp_path / name).write_text(NOTE + rest + "\n", encoding="utf-8")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setenv("PYTHON", str(tmp_path / "python"))
    monkeypatch.setenv("NOTES", str(tmp_path / "notes"))
    monkeypatch.setenv("SLURM_ARRAY_JOB_ID", "77")
    return lambda: [
        shlex.split(line) for line in (tmp_path / "notes").read_text(encoding="utf-8").splitlines()
    ]


def asked_of_python(phrase):
    """The command line, read by the real parser."""
    assert phrase[:3] == ["python", "-m", "reproduce"]
    return arguments_parser().parse_args(phrase[3:])


def test_what_is_submitted_is_a_task_a_run_and_then_the_table(slurm, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["reproduce", *ASKED, "--list-cells"])
    main()
    listed = capsys.readouterr().out
    rows = ["0 vae seed 0", "1 hvi seed 0", "2 vae seed 1", "3 hvi seed 1"]
    assert listed.splitlines() == [*rows, "4 vae seed 2", "5 hvi seed 2"]
    monkeypatch.setenv("LISTED", listed.strip())
    done = subprocess.run([str(SUBMIT), *ASKED], capture_output=True, encoding="utf-8")
    assert done.stdout == "submitted 6 runs as job 77 and their table as job 77\n", done.stderr
    script = "reproduce/slurm/table.sbatch"
    listed, array, table = slurm()
    assert asked_of_python(listed).list_cells
    assert array == ["sbatch", "--parsable", "--array=0-5", script, *ASKED]
    assert table == ["sbatch", "--parsable", "--dependency=afterany:77", script, *ASKED]


def test_nothing_is_submitted_where_the_grid_is_refused(slurm):
    assert subprocess.run([str(SUBMIT), "--rows", "vea"]).returncode == 2
    assert [phrase[0] for phrase in slurm()] == ["python"]


def test_a_task_runs_its_cell_and_a_job_without_an_array_writes_the_table(slurm, monkeypatch):
    subprocess.run(["bash", str(SCRIPT), *ASKED], check=True)
    monkeypatch.setenv("SLURM_ARRAY_TASK_ID", "4")
    subprocess.run(["bash", str(SCRIPT), *ASKED], check=True)
    table, task = map(asked_of_python, slurm())
    assert (table.table_only, table.cell_index, table.seeds) == (True, None, 3)
    assert (task.table_only, task.cell_index, task.seeds, task.rows) == (False, 4, 3, "vae,hvi")


@pytest.mark.parametrize(("name", "requeued"), [("SIGUSR1", True), ("SIGTERM", False)])
def test_a_signal_reaches_the_run_and_the_time_limit_alone_requeues(
    slurm, tmp_path, monkeypatch, name, requeued
):
    monkeypatch.setenv("SLURM_ARRAY_TASK_ID", "4")
    monkeypatch.setenv("STAY", "1")
    process = subprocess.Popen(["bash", str(SCRIPT), *ASKED])
    while not (tmp_path / "notes.running").exists():
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(getattr(signal, name))
    assert process.wait(60) == 130
    again = [["scontrol", "requeue", "77_4"]] if requeued else []
    assert [phrase for phrase in slurm() if phrase[0] == "scontrol"] == again


def test_the_script_asks_slurm_for_a_signal_in_time_and_to_be_requeued():
    lines = SCRIPT.read_text(encoding="utf-8").splitlines()
    options = {shlex.split(line)[1] for line in lines if line.startswith("#SBATCH ")}
    assert {"--requeue", "--signal=B:USR1@120", "--open-mode=append"} <= options
    for path in (SCRIPT, SUBMIT):
        subprocess.run(["bash", "-n", str(path)], check=True)
