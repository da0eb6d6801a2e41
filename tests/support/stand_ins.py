"""Works for a scheduler whose commands are cheap in place of trainings."""

import json
import multiprocessing
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from results import result

from reproduce.scheduling.run_grid import Run

# what every command does: it locks its folder, marks that it ran, writes a result
STAND_IN = """
import sys, time
from pathlib import Path
from annealed.runs import parent_watch
from annealed.utils.errors import InUse
from annealed.utils.files import locked, replace_text
folder, seconds, text = Path(sys.argv[1]), float(sys.argv[2]), sys.argv[3]
parent_watch.stop_with_parent()
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


EXEC = "import os, sys; os.execvp(sys.argv[1], sys.argv[1:])"


@dataclass(frozen=True)
class Cheap(Run):
    """A run that needs no configuration; `command` gives the arguments of Python."""

    command: Callable[[Run], list[str]] = lambda run: []

    def arguments(self, threads):
        return self.command(self)

    def folder(self):
        return Path(self.runs, self.preset, self.data, self.row, f"seed{self.seed}")

    def locks(self):
        return [self.folder()]

    def finished(self):
        return [path for path in self.results() if path.exists()], []

    def done(self):
        return self.results()[0].exists()


def cheap(runs, count, command):
    return [
        Cheap("short", "mnist", "vae", seed, str(runs), command=command) for seed in range(count)
    ]


def shell(script):
    """A shell's command for a run, in its folder."""

    def command(run):
        folder = f"mkdir -p '{run.folder()}'; cd '{run.folder()}'"
        return ["-S", "-E", "-c", EXEC, "sh", "-c", f"{folder}; {script}"]

    return command


def stand_in(seconds):
    def command(run):
        text = json.dumps(result(run.row, run.seed, 87.0 + run.seed))
        return ["-c", STAND_IN, str(run.folder()), str(seconds), text]

    return command


def background(run_on):
    """`run_on`, which calls a scheduler, in a process of its own; its status counts failures."""

    def work():
        try:
            failures = run_on()
        except KeyboardInterrupt:
            os._exit(130)
        os._exit(len(failures))

    process = multiprocessing.get_context("fork").Process(target=work)
    process.start()
    return process


def trained(runs):
    """How often each run was begun."""
    marks = [run.folder() / "trained" for run in runs]
    return [len(mark.read_text(encoding="utf-8")) if mark.exists() else 0 for mark in marks]


def until(condition):
    deadline = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)
