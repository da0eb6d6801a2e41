"""Where every committed number comes from, a line a run."""

import hashlib
import json
from itertools import groupby
from pathlib import Path

from reproduce.checklist.record import Record, cell_of

DIRTY = "-dirty"


def config_digest(result: dict) -> str:
    """SHA-256 of a configuration's JSON, with its seed and places left out."""
    apart = ("seed", "runs", "wandb")
    config = {key: value for key, value in result["config"].items() if key not in apart}
    return hashlib.sha256(json.dumps(config, sort_keys=True).encode()).hexdigest()


def line(place: str, result: dict) -> dict:
    """One run as the page prints it; `place` is that of `Record.results`."""
    training, code = result.get("training", {}), result["provenance"]
    sessions = [*training.get("sessions", []), code]
    commits = list(dict.fromkeys(session["commit"] for session in sessions))
    seconds = training.get("seconds_a_seed", training.get("seconds"))
    return {
        "cell": cell_of(place),
        "link": place.removeprefix("reports/"),
        "status": result["status"],
        "nll": result.get("nll"),
        "commits": [commit.removesuffix(DIRTY) for commit in commits],
        "clean": not any(commit.endswith(DIRTY) for commit in commits),
        "config": config_digest(result),
        "data": result.get("data_digest", ""),
        "environment": environment(code),
        "train": seconds,
        "score": result.get("evaluate_seconds"),
        "sessions": len(training.get("sessions", [])),
        "command": code["command"],
    }


def environment(code: dict) -> tuple[tuple[str, str], ...]:
    """Hardware, system and versions of a process, as pairs of name and value."""
    hardware = {"device": f"{code['device']} ({code['device_type']})"}
    hardware["CPU cores"] = f"{code['cores']}, {code['threads']} threads a process"
    if code.get("memory_gib"):
        hardware["memory"] = f"{code['memory_gib']} GiB"
    software = {"platform": code["platform"], "Python": code["python"], **code["versions"]}
    return tuple((hardware | software).items())


def gather(root: Path) -> tuple[list[tuple[str, list[dict]]], list[tuple[str, tuple]]]:
    """The runs below `root`, grouped by folder, and each distinct environment by its letter."""
    lines = [line(place, result) for place, result in Record(root).results.items()]
    known = {}
    for one in lines:
        known.setdefault(one["environment"], f"E{len(known) + 1}")
        one["environment"] = known[one["environment"]]
    groups = groupby(lines, lambda one: one["cell"].rpartition("/")[0].rpartition("/")[0])
    return [(name, list(group)) for name, group in groups], [(k, e) for e, k in known.items()]
