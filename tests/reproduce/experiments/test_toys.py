import sys
from dataclasses import replace

import pandas as pd
import pytest
import torch
from torch.nn import functional as F

from annealed.compute.replicas import Replicas, transpose_stack
from annealed.inference.bound import Bound
from annealed.inference.divergence import energy_distance
from annealed.models import energies, grid_sampler
from annealed.utils.errors import UsageError
from reproduce.experiments import paths
from reproduce.experiments.toys import page, run, starts, summary
from reproduce.experiments.toys.__main__ import main
from reproduce.experiments.toys.choice import Choice
from reproduce.experiments.toys.design import TARGETS, Budget, Family, Setting
from reproduce.experiments.toys.figures import annealed
from reproduce.experiments.units import finish

TINY = Budget(steps=3, samples=4, draws=200, points=50, hidden=4)
CODE = {"commit": "abc"}
HVI = Family("hvi", 2, "AVO")
UNIT = replace(HVI, method="hvi_unit")


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
    made = [paths.posterior("hvi", 2, Setting(n, HVI).scale(), 4, 0).double() for n in names]
    toys = [
        Bound(Choice(n), q, paths.objective("avo", 2)) for n, q in zip(names, made, strict=True)
    ]
    together = Replicas(toys)
    noise = torch.randn(3, 6, 1, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    value = together.backward((noise.expand(len(names), -1, -1, -1, -1),), one_x, 1.0)
    for i, name in enumerate(names):
        q = paths.posterior("hvi", 2, Setting(name, HVI).scale(), 4, 0).double()
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


def test_the_unit_start_is_a_standard_normal_with_noise_1_and_gate_bias_minus_1():
    """As `hvi.py` of torchkit has it: each head's bias is what it starts from."""
    for family, sigma, gate in ((UNIT, 1.0, -1.0), (HVI, 0.3, -2.0)):
        scale = Setting("g", family).scale()
        q = paths.posterior(family.method, 3, scale, 8, 0)
        assert len(q.transitions) == 3
        for kernel in (k for t in q.transitions for k in (t.ahead, t.back)):
            bias = kernel.heads.bias.detach()
            torch.testing.assert_close(F.softplus(bias[4:]), torch.full((2,), sigma))
            assert bias[2:4].tolist() == [gate, gate]
    q = paths.posterior("hvi_unit", 3, Setting("g", UNIT).scale(), 8, 0)
    base, _ = q.start(torch.ones(1, 1))
    assert base.loc.tolist() == [[0.0, 0.0]]
    assert base.scale.tolist() == [[1.0, 1.0]]
    assert not list(q.head.parameters())
    f_0 = annealed(energies.energy("g"), Setting("g", UNIT).scale()[0], 0.0, 6.0, 60)
    assert f_0.max() == pytest.approx(1 / (2 * torch.pi), rel=0.01)


def test_starts_are_compared_by_seed_and_a_loose_bound_on_either_side_has_no_difference():
    lines = []
    for method, shift, gap in (("hvi", 0.0, 0.0), ("hvi_unit", 0.5, 0.0)):
        for target, looser in (("a", 0.0), ("b", 0.2 if method == "hvi" else 0.0)):
            for seed, value in enumerate((1.0, 3.0)):
                kl = value + shift * (1 + seed)
                line = {"target": target, "method": method, "count": 4, "objective": "AVO"}
                line |= dict.fromkeys(summary.MEASURES, kl) | {"seed": seed}
                lines.append(line | {"kl_marginal_low": kl - gap - looser})
    table = starts.by_start(pd.DataFrame(lines)).set_index("target")
    assert table.kl_difference.tolist() == pytest.approx([0.75, 0.75])
    assert table.kl.tolist() == pytest.approx([2.75, 2.75])
    # 95 % t-interval of 0.5 and 1.0: t(1) = 12.706 times their standard error 0.25
    assert table.kl_difference_half["a"] == pytest.approx(12.706 * 0.25, rel=1e-4)
    assert table.kl_marginal_difference["a"] == pytest.approx(0.75)
    assert pd.isna(table.kl_marginal_difference["b"])


def test_a_page_of_tiny_runs_and_no_seed_is_trained_twice(tmp_path, monkeypatch):
    units = [u for u in run.units(TINY, tmp_path, "quick", ("d", "i", "h")) if "T=4" in u.name]
    results = {s: r for unit in units for s, r in finish(unit, [0, 1], CODE).items()}
    assert {r["trained_beside"] for rs in results.values() for r in rs} == {6}
    monkeypatch.setattr(run, "fit_posterior", None)
    assert {s: r for unit in units for s, r in finish(unit, [0, 1], CODE).items()} == results
    other = run.units(Budget(steps=4), tmp_path, "quick", ("d",))[0]
    with pytest.raises(UsageError, match="another setup"):
        finish(other, [0], CODE)
    page.write(results, TINY, tmp_path, tmp_path / "page", "quick")
    text = (tmp_path / "page" / "index.md").read_text(encoding="utf-8")
    assert "SMOKE RUN" in text
    assert "No conclusion is drawn here" in text
    cells = pd.read_csv(tmp_path / "page" / "summary.csv")
    unit = cells[cells.method == "hvi_unit"].set_index(["target", "objective"])
    compared = pd.read_csv(tmp_path / "page" / "starts.csv").set_index(["target", "objective"])
    assert len(compared) == len(unit) == 6
    assert compared.kl.to_dict() == unit.kl.to_dict()
    files = ["densities.png", "densities.pdf", "seeds.csv"]
    files += [f"marginals_{method}_4.png" for method in ("hvi", "hvi_unit", "iaf")]
    for name in files:
        assert (tmp_path / "page" / name).stat().st_size > 0


@pytest.mark.parametrize("wrong", [["--seeds", "0"], ["--jobs", "0"], ["--preset", "short"]])
def test_a_wrong_argument_is_refused(monkeypatch, wrong):
    monkeypatch.setattr(sys, "argv", ["reproduce.experiments.toys", *wrong])
    with pytest.raises(UsageError, match=f"{wrong[0]} is"):
        main()
