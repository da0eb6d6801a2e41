"""The trials of the page, in the order of choices.yaml."""

from pathlib import Path

import yaml

from reproduce.trials import Trial

CHOICES = Path(__file__).parent / "choices.yaml"


def read(data: str, path: Path = CHOICES) -> tuple[list[Trial], int]:
    """The trials on a data set, and its budget: how many of a row's count in a comparison."""
    content = yaml.safe_load(path.read_text())
    trials = [
        Trial(block["setting"], row, change)
        for block in content["runs"]
        if data in block.get("data", [data])
        for change in block["choices"]
        for row in block["rows"]
    ]
    return trials, content["budget"][data]
