import sys

import pytest
import torch

from annealed.compute.replicas import Replicas, transpose_stack
from annealed.inference.bound import Bound
from annealed.inference.divergence import energy_distance
from annealed.models import energies, grid_sampler
from annealed.utils.errors import UsageError
from reproduce.experiments import paths
from reproduce.experiments.toys import page, run
from reproduce.experiments.toys.__main__ import main
from reproduce.experiments.toys.choice import Choice
from reproduce.experiments.toys.design import TARGETS, Budget, Setting
from reproduce.experiments.toys.figures import annealed
from reproduce.experiments.units import finish

TINY = Budget(steps=3, samples=4, draws=200, points=50, hidden=4)
CODE = {"commit": "abc"}


def test_exact_samples_have_the_masses_and_moments_of_the_density():
    z = grid_sampler.sample(energies.energy("g"), 16.0, 40_000, 0)
    masses = energies.mode_masses(z, energies.WIDE_MODES)
    torch.testing.assert_close(masses, torch.tensor(energies.MASSES), rtol=0, atol=0.015)
    mean = torch.tensor(energies.MASSES) @ torch.tensor(energies.WIDE_MODES)
    torch.testing.assert_close(z.mean(0), mean, rtol=0, atol=0.1)
    assert torch.equal(z, grid_sampler.sample(energies.energy("g"), 16.0, 40_000, 0))
    assert not torch.equal(z, grid_sampler.sample(energies.energy("g"), 16.0, 40_000, 0, part=1))


@pytest.mark.parametrize("name", TARGETS)
def test_the_window_of_exact_samples_holds_all_but_a_thousandth(name):
    inside = energies.quadrature(energies.DENSITIES[name], TARGETS[name][2], 801)
    assert inside == pytest.approx(energies.LOG_Z[name], abs=1e-3)


def test_the_energy_distance_is_the_closed_form_of_two_points_and_0_of_one_sample():
    x, y = torch.tensor([[0.0], [2.0]]), torch.tensor([[1.0], [5.0]])
    assert energy_distance(x, y) == pytest.approx(2 * (1 + 5 + 1 + 3) / 4 - 2 - 4)
    a, b = (grid_sampler.sample(energies.energy("d"), 8.0, 3000, 0, part) for part in (0, 1))
    assert abs(energy_distance(a, b)) < 0.01
    assert energy_distance(a, b + 1.0) > 0.1


def test_replicas_on_different_energies_have_the_gradients_of_each_alone():
    names, one_x = list(TARGETS), torch.ones(1, 1, dtype=torch.float64)
    made = [paths.posterior("hvi", 2, Setting(n, None).scale(), 4, 0).double() for n in names]
    toys = [
        Bound(Choice(n), q, paths.objective("avo", 2)) for n, q in zip(names, made, strict=True)
    ]
    together = Replicas(toys)
    noise = torch.randn(3, 6, 1, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    value = together.backward((noise.expand(len(names), -1, -1, -1, -1),), one_x, 1.0)
    for i, name in enumerate(names):
        q = paths.posterior("hvi", 2, Setting(name, None).scale(), 4, 0).double()
        alone = Replicas([Bound(energies.energy(name), q, paths.objective("avo", 2))])
        separate = alone.backward((noise[None],), one_x, 1.0)
        torch.testing.assert_close(value[i], separate[0], rtol=0, atol=1e-10)
        for (_, p), (_, r) in zip(
            together.named_parameters(), alone.named_parameters(), strict=True
        ):
            actual = transpose_stack(p.grad, together.transposed)[i]
            assert actual.abs().sum() > 0 or r.grad.abs().sum() == 0
            torch.testing.assert_close(actual, r.grad[0], rtol=0, atol=1e-9)


def test_annealed_targets_run_from_q0_to_the_target():
    energy = energies.energy("d")
    width = 8.0 / 40
    for alpha, peak in ((0.0, 1 / (2 * torch.pi * 4)), (1.0, 0.4 / (2 * torch.pi * 0.2))):
        density = annealed(energy, 2.0, alpha, 4.0, 40)
        assert density.max() == pytest.approx(peak, rel=0.1)
    assert density.sum() * width**2 == pytest.approx(1.0, abs=1e-3)


def test_a_page_of_tiny_runs_and_no_seed_is_trained_twice(tmp_path, monkeypatch):
    units = [u for u in run.units(TINY, tmp_path, "quick", ("d", "h")) if "T=4" in u.name]
    results = {s: r for unit in units for s, r in finish(unit, [0, 1], CODE).items()}
    assert {r["trained_beside"] for rs in results.values() for r in rs} == {4}
    monkeypatch.setattr(run, "fit_posterior", None)
    assert {s: r for unit in units for s, r in finish(unit, [0, 1], CODE).items()} == results
    other = run.units(Budget(steps=4), tmp_path, "quick", ("d",))[0]
    with pytest.raises(UsageError, match="another setup"):
        finish(other, [0], CODE)
    page.write(results, TINY, tmp_path, tmp_path / "page", "quick")
    text = (tmp_path / "page" / "index.md").read_text(encoding="utf-8")
    assert "SMOKE RUN" in text
    assert "No conclusion is drawn here" in text
    for name in ("densities.png", "densities.pdf", "marginals_hvi_4.png", "seeds.csv"):
        assert (tmp_path / "page" / name).stat().st_size > 0


@pytest.mark.parametrize("wrong", [["--seeds", "0"], ["--jobs", "0"], ["--preset", "short"]])
def test_a_wrong_argument_is_refused(monkeypatch, wrong):
    monkeypatch.setattr(sys, "argv", ["reproduce.experiments.toys", *wrong])
    with pytest.raises(UsageError, match=f"{wrong[0]} is"):
        main()
