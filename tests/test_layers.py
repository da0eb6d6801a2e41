"""The rooms of the house stand one on another: a room imports from rooms before it alone."""

import ast
from pathlib import Path

import pytest
from conftest import ROOT

ROOMS = {  # low to high; those of one line do not import each other
    "annealed": [
        ["utils"],
        ["nn"],
        ["config"],
        ["data"],
        ["compute"],
        ["inference"],
        ["models"],
        ["methods"],
        ["training"],
        ["evaluation"],
        ["runs"],
        ["fit", "evaluate", "prepare"],
    ],
    "reproduce": [
        ["scheduling"],
        ["results"],
        ["pages"],
        ["table"],
        ["experiments"],
        ["benchmark", "checklist", "tracking", "single_file"],
        ["site"],
        ["checks"],
    ],
}


def imports(path: Path) -> set[tuple[str, int]]:
    """The dotted names that a file imports, inside functions too, each with its line."""
    imported = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            imported |= {(alias.name, node.lineno) for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: relative import"
            imported |= {(f"{node.module}.{alias.name}", node.lineno) for alias in node.names}
    return imported


def wrong_imports(folder: Path) -> list[str]:
    """Each import below a package's folder that goes upwards, sideways or out of src/."""
    package = folder.name
    height = {room: i for i, rooms in enumerate(ROOMS[package]) for room in rooms}
    wrong = []
    for path in sorted(folder.rglob("*.py")):
        parts = path.relative_to(folder).with_suffix("").parts
        if parts[0] in ("__init__", "__main__"):
            continue  # the face and the entry
        assert parts[0] in height, f"{path}: the room {parts[0]} has no place in the order"
        for name, line in sorted(imports(path)):
            top, *rest = name.split(".")
            to = rest[0] if rest else ""
            if top == package and to in height:
                bad = height[to] > height[parts[0]] or (
                    height[to] == height[parts[0]] and to != parts[0]
                )
                bad |= "__main__" in rest and parts[-1] != "__main__"
            else:
                bad = package == "annealed" and top == "reproduce"
                bad |= top == package and to == "__main__"
            if bad:
                wrong.append(f"{path.relative_to(folder.parent)}:{line} imports {name}")
    return wrong


@pytest.mark.parametrize("folder", [ROOT / "src" / "annealed", ROOT / "reproduce"], ids=str)
def test_a_room_imports_from_rooms_before_it_alone(folder):
    assert wrong_imports(folder) == []


@pytest.mark.parametrize(
    ("place", "line"),
    [
        ("annealed/utils/files.py", "from annealed.runs import folders"),
        ("annealed/inference/avo.py", "def late():\n    import annealed.training.module"),
        ("annealed/nn/gated.py", "from reproduce.results import store"),
        ("reproduce/results/store.py", "from reproduce.table.nll_table import write"),
        ("reproduce/site/page.py", "from reproduce.checks.verify import differences"),
        ("reproduce/table/report.py", "from reproduce.__main__ import main"),
    ],
)
def test_a_planted_wrong_import_is_found(place, line, tmp_path):
    path = tmp_path / place
    path.parent.mkdir(parents=True)
    path.write_text(f"{line}\n", encoding="utf-8")
    assert len(wrong_imports(tmp_path / place.split("/")[0])) == 1
