"""The catalogue of energies: what it says of each is so."""

import math

import pytest
import torch

from annealed.config.datasets import ENERGIES
from annealed.inference.divergence import energy_distance
from annealed.models import energies
from annealed.models.catalogue import PLANAR, toy
from reproduce.experiments.toys.design import TARGETS

MODAL = ("four_modes", "torchkit_modes", "wide_modes", "lattice", "ring")


def at(name):
    return toy(name, 5 if name == "funnel" else 2)


@pytest.mark.parametrize("name", ENERGIES)
def test_exact_samples_have_the_log_z_that_the_energy_says(name):
    """E_q[f / q] over a wide Gaussian fitted to exact samples is Z, whatever is known of f."""
    entry = at(name)
    if name == "funnel":  # its samples are no Gaussian's: E[log f] is minus the entropy
        z = entry.sample(40_000, 0, 0)
        # entropy: 1/2 log(2 pi e 9) of v, and 1/2 log(2 pi e) + E[v] / 2 of each other
        entropy = 0.5 * math.log(2 * math.pi * math.e * 9) + 4 * 0.5 * math.log(
            2 * math.pi * math.e
        )
        assert -entry.energy.log_density(z).mean().item() == pytest.approx(entropy, abs=0.05)
        assert entry.energy.log_z == 0.0
        return
    z = entry.sample(20_000, 0, 0)
    wide = torch.distributions.MultivariateNormal(z.mean(0), 2.0 * torch.cov(z.T))
    g = torch.randn(200_000, 2, generator=torch.Generator().manual_seed(0))
    draws = wide.loc + g @ wide.scale_tril.T
    log_w = entry.energy.log_density(draws) - wide.log_prob(draws)
    log_z = (log_w.logsumexp(0) - math.log(len(log_w))).item()
    assert log_z == pytest.approx(entry.energy.log_z, abs=0.03)


@pytest.mark.parametrize("name", ENERGIES)
def test_parts_of_exact_samples_differ_and_are_of_one_distribution(name):
    entry = at(name)
    a, b = (entry.sample(2000, 0, part) for part in (0, 1))
    assert not torch.equal(a, b)
    scale = a.std()
    assert abs(energy_distance(a, b)) < 0.02 * scale


@pytest.mark.parametrize("name", sorted({*ENERGIES} - {"funnel"}))  # no Gaussian covers a funnel
def test_q_0_of_the_scale_covers_the_energy(name):
    """Nearly all of the energy's mass is within three standard deviations."""
    entry = at(name)
    inside = (entry.sample(5000, 0, 0).norm(dim=1) < 3.0 * entry.scale).float().mean()
    assert inside > 0.98


@pytest.mark.parametrize("name", MODAL)
def test_modes_have_the_masses_that_the_catalogue_says(name):
    entry = at(name)
    masses = energies.mode_masses(entry.sample(40_000, 0, 0), entry.modes)
    torch.testing.assert_close(masses, torch.tensor(entry.masses), rtol=0, atol=0.015)
    assert sum(entry.masses) == pytest.approx(1.0)


def test_the_toy_page_has_the_same_energies_scales_and_windows():
    assert {letter: (half, reach, scale) for letter, scale, half, reach in PLANAR.values()} == {
        letter: facts[1:] for letter, facts in TARGETS.items()
    }


def test_an_unknown_name_or_dimension_is_refused():
    with pytest.raises(ValueError, match=r"unknown energy 'd'; accepted: two_crescents, .*funnel"):
        toy("d", 2)
    with pytest.raises(ValueError, match="wave has 2 dimensions; got 3"):
        toy("wave", 3)
    with pytest.raises(ValueError, match="at least 2 dimensions; got 1"):
        toy("funnel", 1)
