"""Build the W&B workspace and report: `python -m reproduce.dashboard`.

With a key both are saved, as new ones at every call, and their addresses are printed; without one
their specification is written to reports/dashboard.json.
"""

import argparse
import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType

import wandb

from annealed import command, config as configuration
from annealed.errors import UsageError
from annealed.files import replace_json
from annealed.mirror import resolve_mode
from reproduce.sync import check_server

SPECIFICATION = Path("reports", "dashboard.json")


def builder() -> ModuleType:
    """The module that builds both; raises UsageError where wandb-workspaces is not installed."""
    try:
        return import_module("reproduce.dashboard.build")
    except ModuleNotFoundError as error:
        raise UsageError(
            f"{error.name} is not installed; `pip install 'annealed[dashboard]'` brings it."
        ) from None


def save(entity: str | None, project: str) -> dict[str, str]:
    """Save both for `entity`, by default the key's own; returns their addresses.

    Raises UsageError where W&B does not take them.
    """
    check_server()
    build = builder()
    try:
        entity = entity or wandb.Api().default_entity
        report = build.report(entity, project).save()  # first: it asks whether the project is there
        return {"report": report.url, "workspace": build.workspace(entity, project).save().url}
    except (wandb.Error, OSError, ValueError, LookupError, TypeError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        place = f"{entity}/{project}"
        raise UsageError(f"W&B did not take the dashboard of {place}: {reason}") from None


def main() -> None:
    """The command line; see `--help`."""
    own = configuration.load("vae", []).wandb
    parser = argparse.ArgumentParser(prog="reproduce.dashboard", description=__doc__)
    parser.add_argument("--entity", default=own.entity, help="default: the key's own")
    parser.add_argument("--project", default=own.project)
    arguments = parser.parse_args()
    if resolve_mode("auto") == "online":
        for kind, address in save(arguments.entity, arguments.project).items():
            print(f"{kind}: {address}")
        return
    replace_json(SPECIFICATION, builder().specification(arguments.project))
    print(f"W&B is offline (no key, or $WANDB_MODE), so nothing was saved there: {SPECIFICATION}")


if __name__ == "__main__":
    sys.exit(command.run(main, "Run the same command again."))
