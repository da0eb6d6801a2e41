"""Commands as a user would give them, each in a process of its own.

It is forked off a server that has imported the package, which takes seconds each time.
"""

import multiprocessing
import os
import runpy
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

SERVER = multiprocessing.get_context("forkserver")
SERVER.set_forkserver_preload(
    ["annealed.runs.run", "annealed.runs.rescore", "reproduce.table.report"]
)


class Command:
    """`python -m <module> <arguments>`, under way."""

    def __init__(self, module: str, *arguments: str, cwd: Path, **environment: str):
        self.folder = TemporaryDirectory()
        self.arguments = [module, *map(str, arguments)]
        where = (str(cwd), {**os.environ, **environment}, self.folder.name)
        self.process = SERVER.Process(target=_command, args=(self.arguments, *where))
        self.process.start()
        self.pid = self.process.pid

    def poll(self) -> int | None:
        """The exit status, or None while it runs."""
        return self.process.exitcode

    def send_signal(self, signal: int) -> None:
        """Send it one, as a shell would."""
        os.kill(self.pid, signal)

    def wait(self, timeout: float | None = None) -> int:
        """The exit status, once it has ended; TimeoutError, and its end, after `timeout` s."""
        self.process.join(timeout)
        if self.process.exitcode is None:
            self.process.kill()
            raise TimeoutError(f"{self.arguments} runs after {timeout} s")
        return self.process.exitcode

    def finish(self) -> subprocess.CompletedProcess:
        """Wait until it has ended; returns what it printed too."""
        status = self.wait()
        streams = [Path(self.folder.name, n).read_text(encoding="utf-8") for n in ("out", "err")]
        return subprocess.CompletedProcess(self.arguments, status, *streams)


def annealed(
    command: str, *arguments: str, cwd: Path, **environment: str
) -> subprocess.CompletedProcess:
    """Run `python -m annealed.<command> <arguments>` to its end."""
    return Command(f"annealed.{command}", *arguments, cwd=cwd, **environment).finish()


def sentence(result: subprocess.CompletedProcess) -> str:
    """The one sentence of a usage error; fails on a traceback or another exit status."""
    assert result.returncode == 2, result.stderr
    assert "Traceback" not in result.stderr
    lines = [line for line in result.stderr.splitlines() if line.startswith("annealed: ")]
    assert len(lines) == 1, result.stderr
    return lines[0]


def _command(command: list[str], cwd: str, environment: dict[str, str], folder: str) -> None:
    for stream, name in ((1, "out"), (2, "err")):
        os.dup2(os.open(os.path.join(folder, name), os.O_WRONLY | os.O_CREAT), stream)
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = command
    runpy.run_module(command[0], run_name="__main__", alter_sys=True)
