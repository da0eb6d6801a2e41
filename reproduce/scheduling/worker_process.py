"""A work's process on the machine it runs on: started, listened to, stopped.

Ray sends this module to nodes by value, so it stands on the standard library alone.
"""

import json
import os
import re
import signal
import subprocess
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

GRACE = 15.0  # seconds between asking a process to stop and killing it
DRAIN = 5.0  # seconds to wait for the last lines of a process that has ended
LOG = "log.txt"
# the package's own sentence, or the exception below a traceback, whose lines are indented
REASON = re.compile(
    r"^(?:(annealed: .+)|Traceback \(most recent call last\):\n(?:\s.*\n)*(\S.*))$", re.MULTILINE
)


@dataclass(eq=False)
class Process:
    """A process, its log and the last progress that it reported."""

    popen: subprocess.Popen
    log: Path
    begin: int = 0  # where this try's part of the log begins, bytes
    state: dict = field(default_factory=dict)
    listener: threading.Thread | None = None

    def listen(self) -> None:
        """Keep the newest line of progress until the process closes its output."""
        with self.popen.stdout as lines:
            for line in lines:
                with suppress(ValueError):
                    state = json.loads(line)
                    if isinstance(state, dict) and {"phase", "done", "total"} <= state.keys():
                        self.state = state

    def ended(self) -> int | None:
        """The exit status, once the process has ended; its pipes and its thread are then let go."""
        status = self.popen.poll()
        if status is not None and not self.popen.stdin.closed:
            self.popen.stdin.close()
            self.listener.join(DRAIN)
        return status

    def reason(self) -> str:
        """Why the process ended, as far as this try's part of its log and its status say."""
        with open(self.log, "rb") as log:
            log.seek(self.begin)
            text = log.read().decode("utf-8", errors="replace")
        return reason(text, self.popen.poll())


def reason(log: str, status: int | None) -> str:
    """Why a process with this log and exit status ended, as one line.

    A signal is named, since it leaves no line. Else it is the package's own sentence or the
    exception of a traceback, whichever came last, or the last line that is no library's warning.
    """
    if status is not None and status < 0:
        hint = ", as when memory runs out" if -status == signal.SIGKILL else ""
        return f"killed by {_signal_name(-status)}{hint}"
    lines = [line for line in log.splitlines() if line.strip()]
    reasons = REASON.findall("\n".join(lines))
    if reasons:
        return "".join(reasons[-1])
    lines = [line for line in lines if not line[0].isspace() and "Warning: " not in line]
    return lines[-1] if lines else "it left no message"


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def start(
    command: list[str], folder: Path, threads: int, environment: dict, cwd: str | None = None
) -> Process:
    """Run `command` with `threads` CPU threads and a log in `folder`; it ends with this process."""
    folder.mkdir(parents=True, exist_ok=True)
    of_worker = {"ANNEALED_PROGRESS": "json", "ANNEALED_LEASH": "1"}
    of_worker |= {"OMP_NUM_THREADS": str(threads)}
    log = folder / LOG
    with open(log, "ab") as errors:
        begin = errors.tell()
        popen = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            encoding="utf-8",
            errors="replace",
            env={**os.environ, **of_worker, **environment},
            cwd=cwd,
        )
    process = Process(popen, log, begin)
    process.listener = threading.Thread(target=process.listen, daemon=True)
    process.listener.start()
    return process


def stop(processes: list[Process]) -> None:
    """Ask every process to end, and kill what has not ended after GRACE seconds."""
    for process in processes:
        process.popen.terminate()
    deadline = time.monotonic() + GRACE
    for process in processes:
        try:
            process.popen.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.popen.kill()
            process.popen.wait()
        process.ended()
