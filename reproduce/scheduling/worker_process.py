"""A work's process on the machine it runs on: started, listened to, stopped.

Ray sends this module to nodes by value, so it stands on the standard library alone.
"""

import json
import os
import subprocess
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

GRACE = 15.0  # seconds between asking a process to stop and killing it
DRAIN = 5.0  # seconds to wait for the last lines of a process that has ended
LOG = "log.txt"


@dataclass(eq=False)
class Process:
    """A process, its log and the last progress that it reported."""

    popen: subprocess.Popen
    log: Path
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

    def last_line(self) -> str:
        """The last line that the process wrote to its log."""
        lines = self.log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        return lines[-1] if lines else "it left no message"


def start(
    command: list[str], folder: Path, threads: int, environment: dict, cwd: str | None = None
) -> Process:
    """Run `command` with `threads` CPU threads and a log in `folder`; it ends with this process."""
    folder.mkdir(parents=True, exist_ok=True)
    of_worker = {"ANNEALED_PROGRESS": "json", "ANNEALED_LEASH": "1"}
    of_worker |= {"OMP_NUM_THREADS": str(threads)}
    log = folder / LOG
    with open(log, "ab") as errors:
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
    process = Process(popen, log)
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
