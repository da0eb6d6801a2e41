"""What every room of the package hands on, and what importing it loads."""

import subprocess
import sys
from importlib import import_module, util

import pytest
from test_layers import ROOMS

HEAVY = ("pytorch_lightning", "lightning_fabric", "wandb", "torchvision", "pandas", "matplotlib")
PACKAGES = [
    *(f"{package}.{room}" for package, rows in ROOMS.items() for row in rows for room in row),
    "annealed.data.celeba",
]
PACKAGES.remove("reproduce.single_file")  # a script, no package
FOLDERS = [name for name in PACKAGES if util.find_spec(name).submodule_search_locations]


@pytest.mark.parametrize("package", FOLDERS)
def test_every_public_name_of_a_room_is_there_and_hides_no_module(package):
    room = import_module(package)
    assert room.__doc__
    assert room.__all__
    assert len(set(room.__all__)) == len(room.__all__)
    for name in room.__all__:
        assert getattr(room, name) is not None
        assert not util.find_spec(f"{package}.{name}"), f"{name} is a module of {package} too"
    assert set(room.__all__) <= set(dir(room))
    with pytest.raises(AttributeError, match="no attribute 'anneal'"):
        _ = room.anneal


@pytest.mark.parametrize(
    "module",
    [
        "annealed.config",
        "annealed.data.locations",
        "annealed.data.celeba.archive",
        "annealed.evaluation.result",
        "annealed.inference.normal",
        "annealed.methods.base",
        "annealed.runs.parent_watch",
        "annealed.compute.ranks",
    ],
)
def test_a_light_module_does_not_load_what_its_room_needs_elsewhere(module):
    code = f"import sys, {module}\nprint(sorted(set({HEAVY!r}) & set(sys.modules)))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, encoding="utf-8")
    assert result.stdout.strip() == "[]", result.stdout + result.stderr
