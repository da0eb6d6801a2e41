"""Run folders that commit 2f533a9 made are evaluated and resumed by the code of today."""

import json
import shutil

import numpy as np
import pytest
import torch
from commands import annealed
from conftest import ROOT
from omegaconf import OmegaConf

from annealed.training.checkpoints import load
from annealed.training.record import read_metrics

BEFORE = ROOT / "tests" / "fixtures" / "run_of_2f533a9"
PLACE = "quick/digits/hvi_avo/seed0"
# another CPU sums in another order, and 22 epochs of training amplify that
TOLERANCE = {"rel": 2e-3, "abs": 1e-4}


@pytest.fixture
def folder(tmp_path, request):
    """A copy of one of the folders, below runs/ of an empty place."""
    shutil.copytree(BEFORE / request.param, tmp_path / "runs")
    return tmp_path / "runs" / PLACE


def numbers(result: dict) -> dict[str, float]:
    """What a result measured."""
    left_out = ("seed", "evaluate_seconds")
    values = {key: result[key] for key in result if key not in left_out}
    return {k: v for k, v in values.items() if isinstance(v, (int, float))}


def command(folder) -> list[str]:
    """What resumes the run of `folder`: its row, and every key of its configuration."""
    flat, groups = {}, [("", read_resolved_values(folder))]
    for prefix, group in groups:
        for key, value in group.items():
            if isinstance(value, dict):
                groups.append((f"{prefix}{key}.", value))
            elif key not in ("row", "runs"):
                flat[prefix + key] = "null" if value is None else value
    return ["--config", "hvi_avo", "--resume", *(f"{k}={v}" for k, v in flat.items())]


def read_resolved_values(folder) -> dict:
    """The nested values of the folder's config.yaml, as they stand there."""
    return OmegaConf.to_container(OmegaConf.load(folder / "config.yaml"))


@pytest.mark.parametrize("folder", ["finished"], indirect=True)
def test_a_finished_run_is_evaluated(folder, tmp_path):
    done = annealed("evaluate", folder, "--samples", "10", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    expected = json.loads(
        (BEFORE / "expected/finished" / PLACE / "evaluation_S10.json").read_text(encoding="utf-8")
    )
    result = json.loads((folder / "evaluation_S10.json").read_text(encoding="utf-8"))
    assert expected.keys() <= result.keys()
    assert numbers(result) == pytest.approx(numbers(expected), rel=1e-5)
    assert_within({**expected["config"], "runs": result["config"]["runs"]}, result["config"])


def assert_within(before, now):
    """Every key of before is there with its value; there may be more."""
    for key, value in before.items():
        if isinstance(value, dict):
            assert_within(value, now[key])
        else:
            assert now[key] == value, key


@pytest.mark.parametrize("folder", ["finished"], indirect=True)
def test_a_finished_run_is_left_as_it_is(folder, tmp_path):
    before = (folder / "result.json").read_bytes()
    done = annealed("fit", *command(folder), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (folder / "result.json").read_bytes() == before


@pytest.mark.parametrize("folder", ["interrupted"], indirect=True)
def test_an_interrupted_run_goes_on_to_what_it_would_have_been(folder, tmp_path):
    begun = len(read_metrics(folder))
    done = annealed("fit", *command(folder), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    wanted = BEFORE / "expected/interrupted" / PLACE
    metrics, expected = read_metrics(folder), read_metrics(wanted)
    assert begun < len(metrics) == len(expected)
    assert list(metrics.columns) == list(expected.columns)
    np.testing.assert_allclose(
        metrics["val/elbo"][begun : begun + 2], expected["val/elbo"][begun : begun + 2], rtol=1e-5
    )
    result = json.loads((folder / "result.json").read_text(encoding="utf-8"))
    before = json.loads((wanted / "result.json").read_text(encoding="utf-8"))
    assert before.keys() <= result.keys()
    assert before["training"].keys() <= result["training"].keys()
    assert len(result["training"]["sessions"]) == 2
    assert result["nll"] == pytest.approx(before["nll"], **TOLERANCE)
    names = load(folder / "best.ckpt")["state_dict"]
    assert all(torch.isfinite(value).all() for value in names.values())
