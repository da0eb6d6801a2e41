import math

import numpy as np
import pytest
import torch
from scipy.integrate import simpson

from annealed.models import energies

# log f at a point, worked out by hand from the formulas
VALUES = {
    "a": ((2.0, 0.0), math.log(1.0 + math.exp(-((4.0 / 0.6) ** 2) / 2))),
    "b": (
        (0.0, 4.0),
        math.log(math.exp(-((2 / 0.6) ** 2) / 2) + 1.0 + math.exp(-((6.5 / 0.6) ** 2) / 2)),
    ),
    "c": ((1.0, math.sqrt(2.0)), -((2.0 - math.sqrt(2.0)) ** 2)),
    "d": (
        (0.0, 0.0),
        -10.0 - math.log(2 * math.pi * 0.2),  # every mode is at squared distance 4
    ),
    "e": ((1.0, 1.4), -0.5 - 0.1),
    "f": ((2.0, 0.0), math.log(1.0 + math.exp(-((3.0 / 0.35) ** 2) / 2)) - 0.2),
    "g": (
        (0.0, 0.0),
        -25.0 / 3.0 - math.log(2 * math.pi * 1.5),  # every mode is at squared distance 25
    ),
    "i": (
        (0.0, 0.0),
        -0.5 * 6.25 / 0.375 - math.log(2 * math.pi * 0.375),  # every mode at squared distance 6.25
    ),
    "h": (
        (1.0, 1.0),  # (sum_i exp(-5 (1 - 2 i)^2))^2 over i = -2..2, with weight 1/25
        2 * math.log(sum(math.exp(-5.0 * (1 - 2 * i) ** 2) for i in range(-2, 3)))
        - math.log(25 * 2 * math.pi * 0.1),
    ),
}


def points():
    g = torch.Generator().manual_seed(0)
    return 4.0 * torch.randn(50, 2, generator=g, dtype=torch.float64)


@pytest.mark.parametrize("name", energies.NAMES)
def test_values_at_points_worked_out_by_hand(name):
    point, expected = VALUES[name]
    z = torch.tensor([point], dtype=torch.float64)
    log_f, prior = energies.energy(name)(torch.ones(1, 1), z[:, None])
    assert log_f.item() == pytest.approx(expected, abs=1e-12)
    assert log_f.shape == (1, 1)
    assert (prior == 0).all()


@pytest.mark.parametrize("name", energies.NAMES)
def test_log_z_is_that_of_another_rule_on_another_grid(name):
    x, y = np.linspace(-20.0, 20.0, 1601), np.linspace(-17.0, 17.0, 1401)
    grid = torch.from_numpy(np.stack(np.meshgrid(x, y, indexing="ij"), -1))
    f = energies.DENSITIES[name](grid).exp().numpy()
    log_z = math.log(simpson(simpson(f, x=y), x=x))
    assert energies.energy(name).log_z == pytest.approx(log_z, abs=1e-4)


def test_log_z_is_exact_where_the_integral_has_a_closed_form():
    normal = math.sqrt(2.0 * math.pi)
    e = math.log(math.sqrt(10.0 * math.pi) * 0.4 * normal)
    f = math.log(2.0 * math.sqrt(20.0 * math.pi) * 0.35 * normal)
    assert energies.LOG_Z["e"] == pytest.approx(e, abs=1e-9)
    assert energies.LOG_Z["f"] == pytest.approx(f, abs=1e-9)
    assert energies.LOG_Z["d"] == 0.0


def test_the_quadrature_is_that_of_a_gaussian():
    target = energies.correlated_gaussian(0.9)
    assert energies.quadrature(target.log_density, 8.0, 401) == pytest.approx(0.0, abs=1e-10)


@pytest.mark.parametrize("name", energies.NAMES)
def test_gradients_are_finite_also_at_the_origin(name):
    z = torch.cat([points(), torch.zeros(1, 2, dtype=torch.float64)]).requires_grad_()
    energies.DENSITIES[name](z).sum().backward()
    assert torch.isfinite(z.grad).all()


def test_the_four_modes_of_torchkit_are_the_wide_ones_at_half_the_size():
    """U4 of torchkit is the log density of the wide modes at 2 z, plus 2.5: log Z 2.5 - log 4."""
    z = points()
    u4 = energies.DENSITIES["g"](2.0 * z) + 2.5
    scaled = energies.DENSITIES["i"](z) + 2.5 - math.log(4.0)
    torch.testing.assert_close(u4, scaled, rtol=0, atol=1e-10)
    assert energies.quadrature(energies.DENSITIES["i"], 10.0, 401) == pytest.approx(0.0, abs=1e-10)


def test_a_gaussian_is_torchs_own():
    a = torch.randn(3, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    covariance = a @ a.T + torch.eye(3)
    z = torch.randn(5, 3, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    log_density = energies.gaussian(covariance).log_density(z)
    reference = torch.distributions.MultivariateNormal(torch.zeros(3).double(), covariance)
    torch.testing.assert_close(log_density, reference.log_prob(z), rtol=0, atol=1e-10)


def test_mode_masses_are_those_of_draws_from_the_density():
    g = torch.Generator().manual_seed(3)
    which = torch.multinomial(torch.tensor(energies.MASSES), 20_000, True, generator=g)
    z = torch.tensor(energies.MODES)[which] + 0.2**0.5 * torch.randn(20_000, 2, generator=g)
    torch.testing.assert_close(
        energies.mode_masses(z), torch.tensor(energies.MASSES), rtol=0, atol=0.02
    )


def test_an_unknown_energy_is_refused():
    with pytest.raises(ValueError, match="accepted: a, b, c, d, e, f, g, h, i"):
        energies.energy("z")
