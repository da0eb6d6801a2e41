"""The scheduler, with commands that are cheap in place of trainings."""

import errno
import os
import re
import signal
import threading
from collections import Counter
from dataclasses import dataclass

import pytest
from stand_ins import Cheap, background, cheap, shell, stand_in, trained, until

from annealed.utils.errors import UsageError
from annealed.utils.files import in_use
from reproduce.scheduling import gpus, scheduler, worker_process
from reproduce.scheduling.local import Local
from reproduce.table import nll_table


def in_process(runs, jobs, reports=None):
    """A scheduler in a process of its own that writes a table when it has ended."""

    def run_on():
        failures = scheduler.run_on(Local(jobs), runs)
        if reports:
            nll_table.write([p for run in runs for p in run.results()], reports, "short")
        return failures

    return background(run_on)


def test_two_schedulers_on_one_folder_train_each_run_once(tmp_path, monkeypatch, capfd):
    monkeypatch.setattr(scheduler, "WAIT", 0.1)
    runs, reports = cheap(tmp_path / "runs", 5, stand_in(0.5)), [tmp_path / "a", tmp_path / "b"]
    both = [in_process(runs, 2, folder) for folder in reports]
    for process in both:
        process.join(60)
    assert [process.exitcode for process in both] == [0, 0]
    assert trained(runs) == [1] * 5
    first, second = ((folder / "nll_table.csv").read_text(encoding="utf-8") for folder in reports)
    assert first == second
    assert "89" in first.splitlines()[1]  # the mean of 87 to 91
    shown = capfd.readouterr().err
    assert "is run by another process; waiting for it" in shown
    assert "[5/5]" in shown


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGKILL"])
def test_a_scheduler_that_ends_early_ends_its_runs_and_leaves_them_resumable(tmp_path, name):
    runs = cheap(tmp_path, 3, stand_in(60.0))
    process = in_process(runs, 2)
    until(lambda: trained(runs) == [1, 1, 0])
    assert in_use(runs[0].folder())
    os.kill(process.pid, getattr(signal, name))
    process.join(60)
    assert process.exitcode == (-9 if name == "SIGKILL" else 130)
    until(lambda: not any(in_use(run.folder()) for run in runs[:2]))
    assert not any(run.done() for run in runs)
    assert scheduler.run_on(Local(3), cheap(tmp_path, 3, stand_in(0.0))) == []
    assert trained(runs) == [2, 2, 1]


def test_two_hundred_runs_leave_no_process_thread_or_descriptor_behind(tmp_path):
    runs = cheap(tmp_path, 200, shell("echo $$ > pid; echo '{}' > result.json"))
    before = threading.active_count(), len(os.listdir("/dev/fd"))
    assert scheduler.run_on(Local(25), runs) == []
    assert all(run.done() for run in runs)
    assert (threading.active_count(), len(os.listdir("/dev/fd"))) == before
    for run in runs:
        with pytest.raises(ProcessLookupError):  # a zombie would still have its number
            os.kill(int((run.folder() / "pid").read_text(encoding="utf-8")), 0)


@pytest.mark.parametrize(("status", "tries"), [(7, 3), (2, 1)])
def test_a_run_that_fails_is_tried_three_times_and_one_that_cannot_run_once(
    tmp_path, status, tries
):
    fails = shell(f"echo x >> tries; echo no luck >&2; exit {status}")
    works = shell("echo '{}' > result.json")
    runs = cheap(tmp_path, 2, lambda run: (works if run.seed else fails)(run))
    (failure,) = scheduler.run_on(Local(1), runs)
    assert failure == f"vae seed 0: no luck (see {runs[0].folder() / 'log.txt'})"
    assert (runs[0].folder() / "tries").read_text(encoding="utf-8").count("x") == tries
    assert runs[1].done()


def test_a_failure_is_shown_when_it_happens_whatever_follows(tmp_path, capfd):
    fails = shell("echo no luck >&2; exit 2")
    works = shell("echo '{}' > result.json")
    runs = cheap(tmp_path, 2, lambda run: (works if run.seed else fails)(run))

    def interrupted(run):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        scheduler.run_on(Local(1), runs, interrupted)
    log = runs[0].folder() / "log.txt"
    assert f"[1/2] vae seed 0: failed: no luck (see {log})" in capfd.readouterr().err


@dataclass(frozen=True)
class Refused(Cheap):
    """A run whose folder holds another's result."""

    def done(self):
        raise UsageError("seed0 is another's")


def test_a_run_that_is_refused_keeps_no_other_from_running(tmp_path, capfd):
    refused = Refused("short", "mnist", "vae", 7, str(tmp_path))
    (run,) = cheap(tmp_path, 1, shell("echo '{}' > result.json"))
    assert scheduler.run_on(Local(1), [refused, run]) == ["vae seed 7: seed0 is another's"]
    assert run.done()
    assert "vae seed 7: failed: seed0 is another's" in capfd.readouterr().err


def test_a_run_whose_folder_cannot_be_made_or_locked_fails_alone(tmp_path, monkeypatch):
    blocked, run = cheap(tmp_path, 2, shell("echo '{}' > result.json"))
    blocked.folder().parent.mkdir(parents=True)
    blocked.folder().write_text("", encoding="utf-8")
    (failure,) = scheduler.run_on(Local(1), [blocked, run])
    assert failure.startswith(f"vae seed 0: {blocked.folder()}")
    assert run.done()

    def flock(handle, how):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("fcntl.flock", flock)
    again = cheap(tmp_path / "nfs", 1, shell("exit 1"))
    again[0].folder().mkdir(parents=True)
    (again[0].folder() / ".lock").touch()
    (failure,) = scheduler.run_on(Local(1), again)
    assert "cannot be locked: No locks available" in failure


def test_what_cannot_be_kept_is_a_failure_of_its_run_alone(tmp_path):
    runs = cheap(tmp_path, 2, shell("echo '{}' > result.json"))

    def keep(run):
        if run.seed == 0:
            raise PermissionError(errno.EACCES, "Permission denied", "reports")
        return ["kept twice"]

    assert sorted(scheduler.run_on(Local(2), runs, keep)) == [
        "vae seed 0: reports cannot be used: Permission denied.",
        "vae seed 1: kept twice",
    ]


TRACE = """Traceback (most recent call last):
  File "a.py", line 1, in <module>
    raise ValueError("one")
ValueError: one
"""


@pytest.mark.parametrize(
    ("log", "status", "reason"),
    [
        ("annealed: no data.\n", 2, "annealed: no data."),
        (f"annealed: note\n{TRACE}[rank: 0] Received SIGTERM: 15\n", 1, "ValueError: one"),
        (f"{TRACE}\nDuring handling:\n\n{TRACE.replace('one', 'two')}", 1, "ValueError: two"),
        (f"{TRACE}annealed: interrupted.\nbye\n", 130, "annealed: interrupted."),
        ("no luck\n/a.py:3: UserWarning: x\n  warnings.warn(\n", 1, "no luck"),
        ("`Trainer.fit` stopped\n", -9, "killed by SIGKILL, as when memory runs out"),
        ("", -11, "killed by SIGSEGV"),
        ("", 1, "it left no message"),
    ],
)
def test_the_reason_of_an_end_is_no_librarys_noise(log, status, reason):
    assert worker_process.reason(log, status) == reason


def test_the_reason_of_a_try_is_not_that_of_an_earlier_one(tmp_path):
    script = "[ -f once ] && exit 1; touch once; echo 'annealed: the first' >&2; exit 1"
    (failure,) = scheduler.run_on(Local(1), cheap(tmp_path, 1, shell(script)))
    assert failure.startswith("vae seed 0: it left no message")


def test_a_status_of_zero_without_a_result_is_no_success(tmp_path):
    (failure,) = scheduler.run_on(Local(1), cheap(tmp_path, 1, shell("echo x >> tries")))
    assert failure.startswith("vae seed 0: it left no message")


def test_each_process_sees_its_own_device_and_slots_are_spread_evenly(tmp_path, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "GPU-a,GPU-b,GPU-c")
    note = 'printf "%s" "$CUDA_VISIBLE_DEVICES" > device; '
    meet = "while [ $(ls ../*/device | wc -l) -lt 4 ]; do sleep 0.05; done; "
    seen = {}
    for wanted, jobs in (("0,2", 4), ("2,", 2), (None, 2)):
        devices = gpus.parse(wanted) if wanted else None
        command = shell(note + meet * (jobs == 4) + "echo '{}' > result.json")
        runs = cheap(tmp_path / str(wanted), 4, command)
        assert scheduler.run_on(Local(jobs, 1, devices), runs) == []
        seen[wanted] = Counter(
            (run.folder() / "device").read_text(encoding="utf-8") for run in runs
        )
    assert seen["0,2"] == {"GPU-a": 2, "GPU-c": 2}
    assert seen["2,"] == {"GPU-c": 4}
    assert seen[None] == {"GPU-a,GPU-b,GPU-c": 4}


class OnCpu(Cheap):
    """A run that uses no GPU."""

    uses_gpu = False


@pytest.mark.parametrize("devices", [["0", "1"], None])
def test_a_work_that_uses_no_gpu_sees_none(tmp_path, devices):
    command = shell("printf '<%s>' \"$CUDA_VISIBLE_DEVICES\" > device; echo '{}' > result.json")
    run = OnCpu("short", "mnist", "vae", 0, str(tmp_path), command=command)
    assert scheduler.run_on(Local(1, 1, devices), [run]) == []
    assert (run.folder() / "device").read_text(encoding="utf-8") == "<>"


def test_devices_are_a_count_or_a_list(monkeypatch, capsys):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 0)
    with pytest.raises(UsageError, match=r"--devices is '9{30}'; accepted: a count"):
        gpus.parse("9" * 30)
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
    for nothing in ("", "-1", "-1,0", "none", "0,0"):
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", nothing)
        with pytest.raises(UsageError, match=r"but 0 GPUs are visible, .* leave --devices out"):
            gpus.parse("1")


@pytest.mark.parametrize(
    ("variable", "names"),
    [
        ("0,-1,1", ["0"]),
        ("1, 3", ["1", "3"]),
        ("2,x,0", ["2"]),
        ("1gpu,02", ["1", "2"]),
        ("1,0,1", []),
        ("GPU-a,GPU-b,0", ["GPU-a", "GPU-b"]),
        ("0,GPU-a", ["0"]),
        ("MIG-a,GPU-a", ["MIG-a"]),
    ],
)
def test_visible_devices_are_those_that_cuda_reads(variable, names):
    assert gpus.visible(variable) == names


def test_a_device_that_is_not_there_ends_the_list_as_for_cuda(monkeypatch, capsys):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,9,1")
    monkeypatch.setattr("torch.cuda.device_count", lambda: 1)
    assert gpus.parse("1") == ["0"]
    assert capsys.readouterr().err == ""
    with pytest.raises(UsageError, match="but 1 GPUs are visible, as CUDA_VISIBLE_DEVICES=0,9,1"):
        gpus.parse("2")


def test_runs_that_train_on_the_cpu_for_want_of_a_gpu_are_said_to(monkeypatch, capsys):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,6")
    monkeypatch.setattr("torch.cuda.device_count", lambda: 0)
    assert gpus.parse("2") == ["4", "6"]
    assert "--devices 2: no GPU is visible, so runs train on the CPU" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["", ",", "gpu", "-1", "0", "1.5", "0,,1", "0,0", "²"])
def test_devices_that_make_no_sense_are_refused(text):
    with pytest.raises(UsageError, match=re.escape(f"--devices {'' if text == '0,0' else 'is '}")):
        gpus.parse(text)
