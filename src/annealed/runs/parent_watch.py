"""Ending with the process that started this one, however that one ends."""

import os
import signal
import sys
import threading
import time

PIPE_HELD = "ANNEALED_LEASH"  # set where standard input is a pipe that the starter alone holds open
GRACE = 60.0  # seconds between asking this process to stop and killing it


def stop_with_parent() -> None:
    """Stop this process, as SIGTERM does, once standard input is at its end.

    The kernel closes the pipe when the starter is gone, so no training outlives the scheduler or
    the cluster worker that would have to know of it. Without $ANNEALED_LEASH nothing is watched.
    """
    if os.environ.get(PIPE_HELD):
        threading.Thread(target=_watch, daemon=True).start()


def _watch() -> None:
    while os.read(sys.stdin.fileno(), 1024):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(GRACE)
    os.kill(os.getpid(), signal.SIGKILL)
