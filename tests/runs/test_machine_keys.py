"""A trained run on another machine: what its score and pictures take anew, and where they go."""

import json
import os
import shutil

import pytest
import yaml
from commands import annealed, sentence
from conftest import mnist_folder
from tiny_runs import tiny

from annealed.runs.folders import KEYS_WITHOUT_EFFECT
from annealed.runs.load import configured
from annealed.runs.machine_keys import MACHINE_KEYS
from annealed.runs.rescore import evaluate
from annealed.runs.run import fit
from annealed.utils.errors import UsageError

IMAGES = ("data.train_images=100", "data.held_out_images=20", "trainer.epochs=1")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return fit(tiny("vae", tmp_path_factory.mktemp("runs"), *IMAGES))


def contents(folder):
    return {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}


def test_the_keys_of_the_machine_change_no_number():
    assert set(MACHINE_KEYS) - {"trainer.accelerator"} <= set(KEYS_WITHOUT_EFFECT)


def test_a_trained_run_takes_keys_of_the_machine_alone(run):
    config = configured(run, ["evaluate.memory_mb=1e9", "wandb.project=on", "data.root=~/x"])
    assert (config.evaluate.memory_mb, config.wandb.project) == (1e9, "on")
    assert config.data.root == os.path.expanduser("~/x")
    with pytest.raises(UsageError, match=r"^command line: trainer\.threads is 'x'; accepted"):
        configured(run, ["trainer.threads=x"])
    for key in ("data.size", "data", "seed", "evaluate.samples", "runs", "data.root.x", "wandb"):
        with pytest.raises(UsageError, match=rf"^command line: {key} is not a key .* accepted: "):
            configured(run, [f"{key}=1"])


def test_a_run_of_a_gpu_is_scored_without_one(run, tmp_path):
    folder = tmp_path / "seed0"
    shutil.copytree(run, folder)
    values = yaml.safe_load((folder / "config.yaml").read_text(encoding="utf-8"))
    values["trainer"]["accelerator"] = "gpu"
    (folder / "config.yaml").write_text(yaml.safe_dump(values), encoding="utf-8")
    environment = {"CUDA_VISIBLE_DEVICES": ""}
    refused = annealed("evaluate", folder, cwd=tmp_path, **environment)
    assert "trainer.accelerator is 'gpu' but no GPU is visible" in sentence(refused)
    scored = annealed("evaluate", folder, "trainer.accelerator=cpu", cwd=tmp_path, **environment)
    assert scored.returncode == 0, scored.stderr
    result = json.loads((folder / "evaluation_S20.json").read_text(encoding="utf-8"))
    assert result["nll"] == json.loads((run / "result.json").read_text(encoding="utf-8"))["nll"]


def test_an_evaluation_goes_to_another_folder_and_leaves_the_run_as_it_is(run, tmp_path):
    before = contents(run)
    options = ["--samples", "37", "--output", tmp_path / "my scores", "evaluate.memory_mb=1e9"]
    scored = annealed("evaluate", run, *options, "wandb.mode=offline", cwd=tmp_path)
    assert scored.returncode == 0, scored.stderr
    assert contents(run) == before
    written = os.listdir(tmp_path / "my scores")
    assert {"evaluation_S37.json", "evaluation_S37.npz", "wandb"} <= set(written)
    here = evaluate(run, 37)
    there = json.loads((tmp_path / "my scores" / "evaluation_S37.json").read_text(encoding="utf-8"))
    assert there["nll"] == here["nll"]
    other = fit(tiny("vae", tmp_path / "runs", *IMAGES, "seed=1"))
    with pytest.raises(UsageError, match=r"evaluation_S37\.json is of another run; name another"):
        evaluate(other, 37, output=tmp_path / "my scores")
    changed = fit(tiny("vae", tmp_path / "others", *IMAGES, "optimiser.learning_rate=0.01"))
    said = r"of another run, whose optimiser\.learning_rate is [\d.]+ \(now 0\.01\); name another"
    with pytest.raises(UsageError, match=said):
        evaluate(changed, 37, output=tmp_path / "my scores")


def test_a_folder_that_takes_no_result_is_told_with_what_to_do(run, tmp_path):
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(UsageError, match=r"cannot be written: .*; name another .* --output\.$"):
        evaluate(run, output=tmp_path / "file" / "x")


def test_data_that_were_moved_are_looked_for_in_annealed_data(tmp_path, monkeypatch, capsys):
    data, old = mnist_folder(), tmp_path / "old"
    old.symlink_to(data)
    options = ["data.name=mnist", f"data.root={old}", *IMAGES]
    folder = fit(tiny("vae", tmp_path / "runs", *options))
    old.unlink()
    monkeypatch.delenv("ANNEALED_DATA")
    assert configured(folder).data.root == str(old)
    monkeypatch.setenv("ANNEALED_DATA", str(data))
    nll = json.loads((folder / "result.json").read_text(encoding="utf-8"))["nll"]
    assert evaluate(folder)["nll"] == nll
    assert (
        f"data.root of the run, {old}, is gone: looking in ANNEALED_DATA" in capsys.readouterr().err
    )
    monkeypatch.setenv("ANNEALED_DATA", str(tmp_path / "nowhere"))
    assert evaluate(folder, overrides=[f"data.root={data}"])["nll"] == nll


def test_a_run_goes_on_where_the_kind_of_device_has_another_name(tmp_path):
    folder = fit(tiny("vae", tmp_path, *IMAGES))
    result = (folder / "result.json").read_bytes()
    named = tiny("vae", tmp_path, *IMAGES, "trainer.accelerator=cpu")
    fit(named, resume=True)
    assert (folder / "result.json").read_bytes() == result
    (folder / "result.json").unlink()
    fit(named, resume=True)
    sessions = json.loads((folder / "result.json").read_bytes())["training"]["sessions"]
    assert [one["device_type"] for one in sessions] == ["cpu", "cpu"]
