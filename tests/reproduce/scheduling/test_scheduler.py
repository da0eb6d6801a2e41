"""The scheduler, with commands that are cheap in place of trainings."""

import json
import multiprocessing
import os
import re
import signal
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import pytest
from test_reproduce import result

from annealed.utils.errors import UsageError
from annealed.utils.files import in_use
from reproduce.scheduling import gpus, scheduler
from reproduce.scheduling.local import Local
from reproduce.scheduling.run_grid import Run
from reproduce.table import nll_table

# what `annealed.fit` is to a scheduler: it locks its folder, marks that it trained, writes a result
STAND_IN = """
import sys, time
from pathlib import Path
from annealed import leash
from annealed.errors import InUse
from annealed.utils.files import locked, replace_text
folder, seconds, text = Path(sys.argv[1]), float(sys.argv[2]), sys.argv[3]
leash.hold()
try:
    with locked(folder, "the run folder"):
        if not (folder / "result.json").exists():
            with open(folder / "trained", "a") as f:
                f.write("x")
            print('{"phase": "train", "done": 1, "total": 4}', flush=True)
            time.sleep(seconds)
            replace_text(folder / "result.json", text)
except InUse as error:
    sys.exit(error.status)
"""


class Cheap(Run):
    """A cell that needs no configuration."""

    def folder(self):
        return Path(self.runs, self.row, f"seed{self.seed}")

    def results(self):
        return [self.folder() / "result.json"]

    def done(self):
        return self.results()[0].exists()


def cheap(runs, count):
    return [Cheap("short", "mnist", "vae", seed, str(runs)) for seed in range(count)]


def shell(script):
    """A shell's command for a cell, in its folder."""
    return lambda cell, threads: [
        "sh",
        "-c",
        f"mkdir -p '{cell.folder()}'; cd '{cell.folder()}'; {script}",
    ]


def stand_in(seconds):
    def command(cell, threads):
        text = json.dumps(result(cell.row, cell.seed, 87.0 + cell.seed))
        return [sys.executable, "-c", STAND_IN, str(cell.folder()), str(seconds), text]

    return command


def in_process(cells, jobs, seconds, reports=None):
    """A scheduler in a process of its own that writes a table when it has ended."""

    def work():
        try:
            failures = scheduler.run_on(Local(jobs, command=stand_in(seconds)), cells)
        except KeyboardInterrupt:
            os._exit(130)
        if reports:
            nll_table.write([p for cell in cells for p in cell.results()], reports, "short")
        os._exit(len(failures))

    process = multiprocessing.get_context("fork").Process(target=work)
    process.start()
    return process


def trained(cells):
    """How often each cell was begun."""
    marks = [cell.folder() / "trained" for cell in cells]
    return [len(mark.read_text()) if mark.exists() else 0 for mark in marks]


def until(condition):
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_two_schedulers_on_one_folder_train_each_cell_once(tmp_path, monkeypatch, capfd):
    monkeypatch.setattr(scheduler, "WAIT", 0.1)
    cells, reports = cheap(tmp_path / "runs", 5), [tmp_path / "a", tmp_path / "b"]
    both = [in_process(cells, 2, 0.5, folder) for folder in reports]
    for process in both:
        process.join(60)
    assert [process.exitcode for process in both] == [0, 0]
    assert trained(cells) == [1] * 5
    first, second = ((folder / "nll_table.csv").read_text() for folder in reports)
    assert first == second
    assert "89" in first.splitlines()[1]  # the mean of 87 to 91
    told = capfd.readouterr().err
    assert "is trained by another process; waiting for it" in told
    assert "[5/5]" in told


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGKILL"])
def test_a_scheduler_that_ends_early_ends_its_cells_and_leaves_them_resumable(tmp_path, name):
    cells = cheap(tmp_path, 3)
    process = in_process(cells, 2, 60.0)
    until(lambda: trained(cells) == [1, 1, 0])
    assert in_use(cells[0].folder())
    os.kill(process.pid, getattr(signal, name))
    process.join(60)
    assert process.exitcode == (-9 if name == "SIGKILL" else 130)
    until(lambda: not any(in_use(cell.folder()) for cell in cells[:2]))
    assert not any(cell.done() for cell in cells)
    assert scheduler.run_on(Local(3, command=stand_in(0.0)), cells) == []
    assert trained(cells) == [2, 2, 1]


def test_two_hundred_cells_leave_no_process_thread_or_descriptor_behind(tmp_path):
    cells = cheap(tmp_path, 200)
    before = threading.active_count(), len(os.listdir("/dev/fd"))
    engine = Local(25, command=shell("echo $$ > pid; echo '{}' > result.json"))
    assert scheduler.run_on(engine, cells) == []
    assert all(cell.done() for cell in cells)
    assert (threading.active_count(), len(os.listdir("/dev/fd"))) == before
    for cell in cells:
        with pytest.raises(ProcessLookupError):  # a zombie would still have its number
            os.kill(int((cell.folder() / "pid").read_text()), 0)


@pytest.mark.parametrize(("status", "tries"), [(7, 3), (2, 1)])
def test_a_cell_that_fails_is_tried_three_times_and_one_that_cannot_run_once(
    tmp_path, status, tries
):
    cells = cheap(tmp_path, 2)
    fails = shell(f"echo x >> tries; echo no luck >&2; exit {status}")
    works = shell("echo '{}' > result.json")
    command = lambda cell, threads: (works if cell.seed else fails)(cell, threads)  # noqa: E731
    (told,) = scheduler.run_on(Local(1, command=command), cells)
    assert told == f"vae seed 0: no luck (see {cells[0].folder() / 'log.txt'})"
    assert (cells[0].folder() / "tries").read_text().count("x") == tries
    assert cells[1].done()


def test_a_status_of_zero_without_a_result_is_no_success(tmp_path):
    (told,) = scheduler.run_on(Local(1, command=shell("echo x >> tries")), cheap(tmp_path, 1))
    assert told.startswith("vae seed 0: it left no message")


def test_each_process_sees_its_own_device_and_slots_are_spread_evenly(tmp_path, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "GPU-a,GPU-b,GPU-c")
    note = 'printf %s "$CUDA_VISIBLE_DEVICES" > device; '
    meet = "while [ $(ls ../*/device | wc -l) -lt 4 ]; do sleep 0.05; done; "
    seen = {}
    for wanted, jobs in (("0,2", 4), ("2,", 2), (None, 2)):
        cells = cheap(tmp_path / str(wanted), 4)
        found = gpus.parse(wanted) if wanted else None
        command = shell(note + meet * (jobs == 4) + "echo '{}' > result.json")
        assert scheduler.run_on(Local(jobs, 1, found, command), cells) == []
        seen[wanted] = Counter((cell.folder() / "device").read_text() for cell in cells)
    assert seen["0,2"] == {"GPU-a": 2, "GPU-c": 2}
    assert seen["2,"] == {"GPU-c": 4}
    assert seen[None] == {"GPU-a,GPU-b,GPU-c": 4}


def test_devices_are_a_count_or_a_list(monkeypatch, capsys):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 0)
    assert gpus.parse("3") == ["0", "1", "2"]
    assert "--devices 3: no GPU is visible, so runs train on the CPU" in capsys.readouterr().err
    assert gpus.parse("0,3") == ["0", "3"]
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    assert gpus.parse("2") == gpus.parse("0,1") == ["0", "1"]
    assert gpus.parse("1,") == ["1"]
    with pytest.raises(UsageError, match="names device 2 but 2 GPUs are visible; accepted: 0 to 1"):
        gpus.parse("3")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,6")
    assert gpus.parse("2") == ["4", "6"]
    with pytest.raises(UsageError, match="as CUDA_VISIBLE_DEVICES=4,6 says"):
        gpus.parse("4,6")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    with pytest.raises(UsageError, match="leave --devices out"):
        gpus.parse("1")


@pytest.mark.parametrize("text", ["", ",", "gpu", "-1", "0", "1.5", "0,,1", "0,0", "²"])
def test_devices_that_make_no_sense_are_refused(text):
    with pytest.raises(UsageError, match=re.escape(f"--devices {'' if text == '0,0' else 'is '}")):
        gpus.parse(text)
