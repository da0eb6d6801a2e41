import os
import signal
import subprocess
import sys
import time

SCRIPT = """
import os, time
from functools import partial
from pathlib import Path
from reproduce import tasks

def sleep(place, seeds):
    (place / "worker").write_text(str(os.getpid()))
    time.sleep(600)

if __name__ == "__main__":
    place = Path("cell").resolve()
    task = tasks.Task("asleep", place, {}, partial(sleep, place))
    tasks.finish_all([task], [0], 1, {})
"""


def alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    with open(f"/proc/{pid}/stat") as f:
        return f.read().rpartition(")")[2].split()[0] != "Z"


def test_a_page_that_is_killed_leaves_no_worker_behind(tmp_path):
    (tmp_path / "page.py").write_text(SCRIPT)
    source = os.pathsep.join([os.getcwd(), *sys.path])
    page = subprocess.Popen(
        [sys.executable, "page.py"], cwd=tmp_path, env={**os.environ, "PYTHONPATH": source}
    )
    try:
        told, deadline = tmp_path / "cell" / "worker", time.monotonic() + 120
        while not (told.exists() and told.read_text()):
            assert page.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.1)
        worker = int(told.read_text())
        assert alive(worker)
        page.send_signal(signal.SIGKILL)
        page.wait()
        while alive(worker):
            assert time.monotonic() < deadline, "the worker outlives its page"
            time.sleep(0.1)
    finally:
        page.kill()
