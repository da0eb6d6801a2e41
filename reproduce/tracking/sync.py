"""Send offline runs to W&B, each once: `python -m reproduce.tracking.sync --runs runs`.

W&B's own client sends them and leaves a marker beside each that has arrived whole (`.synced`), so
that the command can be repeated at any time. What a killed process left is sent as far as it goes.
"""

import argparse
import os
import subprocess
import sys
import urllib.error
import urllib.request
from contextlib import ExitStack
from pathlib import Path

from annealed.evaluation.result import RESULT
from annealed.runs import cli
from annealed.runs.wandb_settings import has_key, server
from annealed.utils.errors import InUse, UsageError
from annealed.utils.files import locked
from annealed.utils.paths import argument
from reproduce.tracking.killed import Unsettled, make_whole

ANSWER = 15  # seconds that the server may take to answer at all
BATCH = 10  # run folders a call of the client
HELD = 100  # run folders that are locked at a time: each is an open file
START, EACH = 120, 60  # seconds a call may take, and more for each piece
SLOW = "the server did not take them in time"


def pieces(runs: Path) -> dict[Path, list[Path]]:
    """What W&B wrote offline, by run folder: a piece for each process that trained or scored."""
    by_run: dict[Path, list[Path]] = {}
    for piece in sorted(runs.rglob("wandb/offline-run-*")):
        if any(piece.glob("run-*.wandb")):
            by_run.setdefault(piece.parents[1], []).append(piece)
    return by_run


def is_sent(piece: Path) -> bool:
    """Whether W&B's client has marked a piece as sent."""
    return any(piece.glob("run-*.wandb.synced"))


def may_be_sent_again(piece: Path) -> bool:
    """Whether sending a piece takes the place of what was sent of it, and is not put behind it.

    The client says beside a piece that goes on with a run where in the run it has put it.
    """
    return not any(piece.glob("run-*.wandb.syncstate"))


def check_server() -> None:
    """Raise UsageError where there is no key, or no answer from the server."""
    if not has_key():
        raise UsageError(
            f"no W&B key is set for {server()}; set WANDB_API_KEY or run `wandb login`. The runs "
            "stay as they are."
        )
    try:
        urllib.request.urlopen(server(), timeout=ANSWER).close()
    except urllib.error.HTTPError:
        pass  # an answer all the same
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        raise UsageError(
            f"{server()} does not answer ({reason}); run the same command again when it does."
        ) from None


def send(batch: list[Path], runs: Path) -> str:
    """Send pieces by W&B's client, which marks what has arrived; returns its last line of output.

    The client's own log goes below `runs`, not to where the command is run.
    """
    environment = {**os.environ, "WANDB_DIR": str(runs)}
    call = [sys.executable, "-m", "wandb", "sync", *map(str, batch)]
    try:
        done = subprocess.run(
            call,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            env=environment,
            timeout=START + EACH * len(batch),
        )
    except subprocess.TimeoutExpired:
        return SLOW
    lines = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()]
    return lines[-1].strip() if lines else f"exit status {done.returncode}"


def send_all(left: dict[Path, list[Path]], runs: Path) -> str:
    """Send the pieces of each run; returns what the client said last of any that it did not take.

    A batch that it does not take is sent again run by run, so that one keeps no other back, but for
    runs that it has begun with. It ends where as many runs as a batch has are refused one after
    the other: then it is the server.
    """
    whole, said, refused = list(left), "", 0
    batches = [whole[i : i + BATCH] for i in range(0, len(whole), BATCH)]
    while batches and said != SLOW and refused < BATCH:
        batch = batches.pop(0)
        answer = send([piece for run in batch for piece in left[run] if not is_sent(piece)], runs)
        missing = [run for run in batch if not all(map(is_sent, left[run]))]
        said = answer if missing else said
        if len(batch) > 1:
            again = [run for run in missing if all(map(may_be_sent_again, left[run]))]
            batches[:0] = [[run] for run in again]
        else:
            refused = refused + 1 if missing else 0
    return said


def unsent_of(run: Path, written: list[Path], stack: ExitStack) -> list[Path] | None:
    """The pieces of a run that are not sent, None while it is not whole; `stack` holds its lock."""
    if all(map(is_sent, written)):
        return []
    try:
        stack.enter_context(locked(run, "the run folder"))
    except InUse:
        return None  # in training: its turn comes
    if not (run / RESULT).is_file():
        return None
    return [piece for piece in written if not is_sent(piece)]


def readable(unsent: list[Path]) -> list[Path] | None:
    """The pieces, made whole, that hold anything; None where W&B may still be writing one."""
    try:
        return [p for p in unsent if all(map(make_whole, p.glob("run-*.wandb")))]
    except Unsettled:
        return None


def sync(runs: Path) -> tuple[int, int, int]:
    """Send what is whole below `runs`: how many runs were sent, need nothing, and are not whole.

    A run is whole when it has its result and no process works on it. Raises UsageError where there
    is nothing to send at all, no key or no server, where W&B did not take everything, or where a
    folder cannot be locked.
    """
    by_run = pieces(runs)
    if not by_run:
        raise UsageError(f"{runs} holds no offline run of W&B; name another folder with RUNS=...")
    sent, missing, unfinished, said = 0, [], 0, ""
    whole = list(by_run)
    for some in (whole[i : i + HELD] for i in range(0, len(whole), HELD)):
        with ExitStack() as stack:
            unsent = {run: unsent_of(run, by_run[run], stack) for run in some}
            if any(unsent.values()):
                check_server()
            unsent = {run: found and readable(found) for run, found in unsent.items()}
            left = {run: found for run, found in unsent.items() if found}
            answer = send_all(left, runs)
            refused = [run for run in left if not all(map(is_sent, left[run]))]
        said = said or (answer if refused else "")
        sent, missing = sent + len(left) - len(refused), missing + refused
        unfinished += list(unsent.values()).count(None)
        if len(refused) >= BATCH or answer == SLOW:
            break  # it is the server
    if missing:
        raise UsageError(
            f"{sent} of {sent + len(missing)} runs were sent; W&B did not take "
            f"{missing[0]} ({said}). Run the same command again to send the rest."
        )
    return sent, len(by_run) - sent - unfinished, unfinished


def main() -> None:
    """The command line; see `--help`."""
    parser = argparse.ArgumentParser(prog="reproduce.tracking.sync", description=__doc__)
    folder = argument("--runs", Path)
    parser.add_argument("--runs", type=folder, default="runs", help="where run folders are")
    sent, before, unfinished = sync(parser.parse_args().runs)
    print(f"sent {sent} runs; {before} had nothing to send, {unfinished} are not finished yet.")


if __name__ == "__main__":
    sys.exit(cli.run(main, "Run the same command again."))
