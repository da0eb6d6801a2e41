"""Build the W&B workspace and report: `python -m reproduce.tracking.dashboard`.

With a key both are saved and their addresses printed, and the next call saves the same ones anew:
RUNS/dashboard.json remembers them. Without a key their specification is written to
reports/dashboard.json.
"""

import argparse
import json
import os
import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType

import wandb

from annealed.runs import cli
from annealed.runs.wandb_settings import project_of, resolve_mode, server
from annealed.utils.errors import UsageError
from annealed.utils.files import replace_json
from annealed.utils.paths import argument
from reproduce.tracking.sync import check_server

SPECIFICATION = Path("reports", "dashboard.json")


def builder() -> ModuleType:
    """The module that builds both; raises UsageError where wandb-workspaces is not installed."""
    try:
        return import_module("reproduce.tracking.dashboard.build")
    except ModuleNotFoundError as error:
        raise UsageError(
            f"{error.name} is not installed; `pip install 'annealed[dashboard]'` brings it."
        ) from None


def save(entity: str | None, project: str, memory: Path) -> dict[str, str]:
    """Save both for `entity`, by default the key's own; returns their addresses.

    `memory` is a JSON of what earlier calls saved, which is saved anew. Raises UsageError where W&B
    does not take them.
    """
    check_server()
    build = builder()
    known = json.loads(memory.read_text(encoding="utf-8")) if memory.is_file() else {}
    try:
        entity = entity or wandb.Api().default_entity
        report, workspace = build.report(entity, project), build.workspace(entity, project)
        place = f"{server()}/{entity}/{project}"
        if place in known:
            report.id = known[place]["report"]
            workspace._internal_name, workspace._internal_id = known[place]["workspace"]
        report.save()  # first: it asks whether the project is there
        workspace.save()
    except (wandb.Error, OSError, ValueError, LookupError, TypeError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise UsageError(
            f"W&B did not take the dashboard of {entity}/{project}: {reason}. Where it was removed "
            f"there, remove {memory}."
        ) from None
    view = [workspace._internal_name, workspace._internal_id]
    memory.parent.mkdir(parents=True, exist_ok=True)
    replace_json(memory, {**known, place: {"report": report.id, "workspace": view}})
    return {"report": report.url, "workspace": workspace.url}


def main() -> None:
    """The command line; see `--help`."""
    parser = argparse.ArgumentParser(prog="reproduce.tracking.dashboard", description=__doc__)
    parser.add_argument(
        "--entity", default=os.environ.get("WANDB_ENTITY"), help="default: the key's own"
    )
    parser.add_argument("--project", default=project_of(None))
    folder = argument("--runs", Path)
    parser.add_argument("--runs", type=folder, default="runs", help="where run folders are")
    arguments = parser.parse_args()
    if resolve_mode("auto") == "online":
        memory = arguments.runs / SPECIFICATION.name
        for kind, address in save(arguments.entity, arguments.project, memory).items():
            print(f"{kind}: {address}")
        return
    replace_json(SPECIFICATION, builder().specification(arguments.project))
    print(f"W&B is offline (no key, or $WANDB_MODE), so nothing was saved there: {SPECIFICATION}")


if __name__ == "__main__":
    sys.exit(cli.run(main, "Run the same command again."))
