"""The face of the package: what `import annealed` gives, loads, and can do from a wheel."""

import math
import subprocess
import sys
from importlib import import_module

import pytest
import torch
from conftest import ROOT

import annealed as al
from annealed.config import registry

MODES = torch.tensor([[-4.0, 0.0], [4.0, 0.0]])
HEAVY = ("pytorch_lightning", "lightning_fabric", "wandb", "torchvision", "pandas")


def log_f(z):
    """Two modes of a Gaussian with variance 1/2 each: (S, B, 2) -> (S, B); log Z = log(2 pi)."""
    return (-(z[..., None, :] - MODES).square().sum(-1)).logsumexp(-1)


def test_every_name_of_the_face_is_there_and_documented():
    for name in al.__all__:
        value = getattr(al, name)
        if name != "__version__":
            assert value.__doc__, name
    assert set(al.__all__) <= set(dir(al))
    with pytest.raises(AttributeError, match="no attribute 'anneal'"):
        _ = al.anneal


def test_the_face_loads_neither_lightning_nor_wandb():
    code = (
        "import sys, annealed as al\n"
        "names = [getattr(al, name) for name in al.__all__ if name not in ('Method', 'number')]\n"
        f"print(sorted(set({HEAVY!r}) & set(sys.modules)))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, encoding="utf-8")
    loaded = result.stdout.strip()
    assert "pytorch_lightning" not in loaded, result.stderr
    assert "wandb" not in loaded
    assert loaded == "[]", result.stderr


def test_every_row_of_the_registry_is_a_method():
    for place in registry.METHODS.values():
        module, _, name = place.partition(":")
        assert issubclass(getattr(import_module(module), name), al.Method)


def test_a_posterior_is_fitted_to_an_energy_whose_log_z_is_not_known():
    target = al.Energy(log_f)
    transitions = [al.Refinement(2, hidden=16, sigma=0.3) for _ in range(3)]
    q = al.Posterior.unconditional(2, scale=3.0, transitions=transitions)
    _, before = al.sample(target, q, 5000, seed=1)
    curve = al.fit_posterior(target, q, al.AVO(transitions=3, rho=1.0), steps=300, samples=64)
    z, log_w = al.sample(target, q, 100_000, seed=1)
    assert curve.shape == (50,)
    assert log_w.mean() > before.mean() + 1.0
    estimate = al.estimate(log_w)
    error = 5 * estimate.std_error.item() + 0.02
    assert estimate.log_prob.item() == pytest.approx(math.log(2 * math.pi), abs=error)
    assert 0.2 < (z[:, 0] > 0).double().mean() < 0.8
    assert str(estimate).startswith(f"log Z = {estimate.log_prob.item():.4f} nats")


def test_log_weights_of_anyones_model_are_streamed():
    log_w = torch.randn(500, 4, generator=torch.Generator().manual_seed(0))
    stream = al.WeightStream(500)
    for chunk in log_w.split(120):
        stream.add(chunk)
    whole = log_w.double().logsumexp(0) - math.log(500)
    torch.testing.assert_close(stream.estimate().log_prob, whole)


def test_the_wheel_works_outside_the_repository(tmp_path):
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    options = ["--no-deps", "--no-build-isolation"]
    wheels, site = tmp_path / "wheels", tmp_path / "site"
    subprocess.run([*pip, "wheel", *options, "-w", wheels, ROOT], check=True, capture_output=True)
    (wheel,) = wheels.glob("annealed-*.whl")
    install = [*pip, "install", "--no-deps", "--target", site, wheel]
    subprocess.run(install, check=True, capture_output=True)
    code = (
        "import torch, annealed as al\n"
        "from annealed import config\n"
        f"assert al.__file__.startswith({str(site)!r}), al.__file__\n"
        "target = al.Energy(lambda z: -z.square().sum(-1))\n"
        "q = al.Posterior.unconditional(2, 2.0, [al.Refinement(2, hidden=8)])\n"
        "al.fit_posterior(target, q, al.AVO(transitions=1), steps=3, samples=8)\n"
        "print(al.estimate(al.sample(target, q, 100)[1]))\n"
        "print(config.load('hvi_avo').row, config.load('vae', ['preset=paper']).trainer.epochs)\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={"PYTHONPATH": str(site), "PATH": "", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        encoding="utf-8",
    )
    assert result.returncode == 0, result.stderr
    first, second = result.stdout.splitlines()
    assert first.startswith("log Z = ")
    assert second == "hvi_avo 5000"
