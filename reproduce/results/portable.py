"""A result without the path at which this machine has its runs."""

import re
from pathlib import Path

RUNS = "runs"  # the default, which stands in its place


def portable(result: dict, runs: str) -> dict:
    """`result` with RUNS where its configuration or a command names `runs`, all else as it was.

    A command names it as the folder of runs or, as an argument of its own, before that of one run.
    A path that lies elsewhere stays; so does a `runs` that is relative.
    """
    if not Path(runs).is_absolute():
        return result
    folder = re.escape(runs)
    argument = re.compile(rf"(?<=[ =]){folder}(?= |$)|(?<= ){folder}(?=/)")
    command = {"command": lambda value: argument.sub(RUNS, value)}
    config = {"runs": lambda value: RUNS if value == runs else value}
    changed = {"provenance": _with(result.get("provenance"), command)}
    changed["config"] = _with(result.get("config"), config)
    if sessions := result.get("training", {}).get("sessions"):
        sessions = [_with(session, command) for session in sessions]
        changed["training"] = {**result["training"], "sessions": sessions}
    return {key: changed.get(key, value) for key, value in result.items()}


def _with(part: dict | None, changes: dict) -> dict | None:
    """`part` with the values of the keys in `changes` changed."""
    return part and {k: changes[k](v) if k in changes else v for k, v in part.items()}
