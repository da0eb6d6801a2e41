"""What `make` hands on: a variable's value reaches Python as it was given."""

import json
import subprocess
import sys

import pytest
from conftest import ROOT

NAMES = ("my runs", "it's", 'a "b"', "exp #1", "a;b", "x*", "a|b&c", "(a)", "`id`", "a\\b")


@pytest.fixture
def make(tmp_path):
    """Runs a target with a Python that writes its arguments down; gives the last call's."""
    python, calls = tmp_path / "venv" / "bin" / "python", tmp_path / "calls"
    python.parent.mkdir(parents=True)
    code = f"import json, sys\nopen({str(calls)!r}, 'a').write(json.dumps(sys.argv[1:]) + '\\n')\n"
    python.write_text(f"#!{sys.executable} -S\n{code}", encoding="utf-8")
    python.chmod(0o755)
    (tmp_path / "venv" / ".ready").touch()

    def arguments(target, **variables):
        given = [f"{name}={value}" for name, value in variables.items()]
        command = ["make", f"VENV={tmp_path / 'venv'}", target, *given]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, encoding="utf-8")
        assert done.returncode == 0, done.stderr
        return [json.loads(line) for line in calls.read_text(encoding="utf-8").splitlines()][-1]

    return arguments


def value(arguments, option):
    return arguments[arguments.index(option) + 1]


@pytest.mark.parametrize(
    "target",
    [
        "reproduce-table",
        "reproduce-cell",
        "reproduce-pictures",
        "reproduce-toy",
        "reproduce-noise",
        "reproduce-warmup",
        "reproduce-collapse",
        "reproduce-ablations",
        "reproduce-invertible",
        "reproduce-corners",
        "reproduce-nested",
        "reproduce-successors",
        "reproduce-estimators",
        "reproduce-celeba",
        "sync",
        "dashboard",
    ],
)
def test_a_folder_of_any_name_reaches_every_target(make, target):
    for name in NAMES if target == "reproduce-table" else NAMES[:2]:
        assert value(make(target, RUNS=name, CELL="short/mnist/vae/seed0"), "--runs") == name


def test_a_switch_is_on_with_anything_but_0(make):
    options = {"COMPILE": "--compile", "KEEP": "--keep", "IMPORT": "--allow-import"}
    options["NEW_LIMIT"] = "--new-limit"
    for given, on in (("1", True), ("yes", True), ("0", False), ("", False)):
        table = make("reproduce-table", **dict.fromkeys(options, given))
        assert [option in table for option in options.values()] == [on] * 4
        assert ("--missing" in make("reproduce-toy", MISSING=given)) == on


def test_other_variables_are_one_word_each_or_words_where_they_are_a_list(make):
    table = make(
        "reproduce-table", ROWS="vae,my rows/it's.yaml", DATA="digits", JOBS="2", SEEDS="3"
    )
    assert value(table, "--rows") == "vae,my rows/it's.yaml"
    assert [value(table, f"--{name}") for name in ("data", "jobs", "seeds")] == ["digits", "2", "3"]
    assert "--devices" not in table
    assert "--set" not in table
    limit = ["trainer.epochs=2000", "trainer.checkpoint_seconds=60"]
    table = make("reproduce-table", SET=" ".join(limit), KEEP="1")
    assert table[table.index("--set") + 1 :] == [*limit, "--keep"]
    table = make("reproduce-table", SET=limit[0], NEW_LIMIT="1")
    assert table[table.index("--set") + 1 :] == [limit[0], "--new-limit"]
    changes = ["optimiser.milestones=[0.5]", "trainer.devices=4"]
    faces = make(
        "reproduce-celeba", SET=" ".join(changes), FID_WEIGHTS="my weights.pth", ROWS="uha"
    )
    assert faces[faces.index("--set") + 1 :][:2] == changes
    assert value(faces, "--fid-weights") == "my weights.pth"
    assert value(faces, "--rows") == "uha"
    for target in ("reproduce-pictures", "reproduce-cell"):
        arguments = make(target, SET="data.root=x trainer.accelerator=cpu", CELL="a/b/c/seed0")
        assert {"data.root=x", "trainer.accelerator=cpu"} <= set(arguments)


@pytest.mark.parametrize("page", ["toy", "collapse", "warmup", "estimators"])
def test_missing_is_an_option_of_every_page(make, page):
    assert "--missing" not in make(f"reproduce-{page}")
    assert "--missing" in make(f"reproduce-{page}", MISSING="1")


def test_a_target_takes_its_own_number_of_seeds_where_none_is_given(make):
    assert "--seeds" not in make("reproduce-toy")
    assert value(make("reproduce-toy", SEEDS="4"), "--seeds") == "4"
