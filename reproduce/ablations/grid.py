"""The ablation's runs, read from choices.yaml: a row under a setting with one choice changed."""

import re
from dataclasses import dataclass
from pathlib import Path

import yaml

from reproduce.cells import Cell

CHOICES = Path(__file__).parent / "choices.yaml"
DEFAULTS = "defaults"


@dataclass(frozen=True)
class Choice:
    """A row under a setting, with one override of its configuration or none."""

    setting: str
    row: str
    change: str = DEFAULTS

    @property
    def base(self) -> "Choice":
        """The same row under the same setting with its defaults."""
        return Choice(self.setting, self.row)

    def folder(self, root: Path) -> Path:
        """Below `root`, a folder of this setting and change."""
        return root / _slug(self.setting) / _slug(self.change)


def _slug(text: str) -> str:
    return re.sub(r"[^\w.]+", "-", text)


def read(path: Path = CHOICES) -> tuple[list[Choice], dict[str, list[str]], int]:
    """The choices in order, the overrides of each setting, and the budget of trials a row."""
    content = yaml.safe_load(path.read_text())
    found = [
        Choice(block["setting"], row, change)
        for block in content["runs"]
        for change in block["choices"]
        for row in block["rows"]
    ]
    return found, content["settings"], content["budget"]


def cell(
    choice: Choice, settings: dict[str, list[str]], preset: str, data: str, runs: Path, **options
) -> Cell:
    """The choice as a cell of the scheduler; it is scored on the validation set.

    Only `ablation` knows the settings: a smoke run keeps its own length.
    """
    changes = ["evaluate.split=validation"]
    changes += settings[choice.setting] if preset == "ablation" else []
    changes += [] if choice.change == DEFAULTS else [choice.change]
    place = str(choice.folder(Path(runs, "ablations")))
    note = f"({choice.setting}, {choice.change})"
    return Cell(preset, data, choice.row, 0, place, changes=tuple(changes), note=note, **options)
