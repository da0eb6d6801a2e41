import math

import pytest
import torch

from annealed.models import energies, grid_sampler, high_dimensional


def noise(count, dim, seed=0):
    g = torch.Generator().manual_seed(seed)
    return torch.randn(count, dim, generator=g, dtype=torch.float64)


def test_a_planar_funnel_integrates_to_one():
    # z_2 = e^(v/2) s: the quadrature is over (v, s), with the Jacobian e^(v/2)
    def straightened(points):
        v, s = points.unbind(-1)
        z = torch.stack([v, s * (0.5 * v).exp()], -1)
        return high_dimensional.funnel(2).log_density(z) + 0.5 * v

    assert energies.quadrature(straightened, 30.0, 1201) == pytest.approx(0.0, abs=1e-10)


def test_the_funnel_is_torchs_own_normals_multiplied():
    z = noise(20, 10)
    normal = torch.distributions.Normal
    expected = normal(torch.zeros(20).double(), 3.0).log_prob(z[:, 0])
    expected = expected + normal(0.0, (0.5 * z[:, :1]).exp()).log_prob(z[:, 1:]).sum(1)
    target = high_dimensional.funnel(10)
    torch.testing.assert_close(target.log_density(z), expected, rtol=0, atol=1e-10)
    assert target.log_z == 0.0
    with pytest.raises(ValueError, match="at least 2"):
        high_dimensional.funnel(1)


def test_exact_samples_of_the_funnel_have_its_moments():
    z = high_dimensional.funnel_points(noise(200_000, 3))
    v, others = z[:, 0], z[:, 1:]
    assert v.mean().item() == pytest.approx(0.0, abs=0.03)
    assert v.std().item() == pytest.approx(3.0, rel=0.01)
    for low in (-3.0, 0.0, 3.0):  # where v is near `low` the others have scale e^(v/2)
        near = (v - low).abs() < 0.5
        scaled = others[near] * (-0.5 * v[near, None]).exp()
        assert scaled.std().item() == pytest.approx(1.0, rel=0.02)


def test_a_rotated_plane_integrates_to_one_whichever_its_axes():
    basis = high_dimensional.rotation(2)
    target = high_dimensional.embedded(energies.four_modes, basis)
    assert energies.quadrature(target.log_density, 9.0, 801) == pytest.approx(0.0, abs=1e-8)


def test_embedded_modes_are_a_mixture_of_gaussians_in_all_dimensions():
    dim = 7
    basis = high_dimensional.rotation(dim)[:, :2]
    torch.testing.assert_close(basis.T @ basis, torch.eye(2).double(), rtol=0, atol=1e-12)
    plane = basis @ basis.T
    covariance = energies.MODE_VARIANCE * plane + torch.eye(dim).double() - plane
    means = torch.tensor(energies.MODES, dtype=torch.float64) @ basis.T
    parts = torch.distributions.MultivariateNormal(means, covariance)
    which = torch.distributions.Categorical(torch.tensor(energies.MASSES, dtype=torch.float64))
    truth = torch.distributions.MixtureSameFamily(which, parts)
    z = 2.0 * noise(30, dim)
    log_density = high_dimensional.embedded(energies.four_modes, basis).log_density(z)
    torch.testing.assert_close(log_density, truth.log_prob(z), rtol=0, atol=1e-9)
    planar = grid_sampler.sample(energies.energy("d"), 8.0, 100_000, 0).double()
    drawn = high_dimensional.embed(planar, noise(100_000, dim), basis)
    torch.testing.assert_close(drawn.mean(0), truth.mean, rtol=0, atol=0.03)
    spread = (means - truth.mean).T * which.probs @ (means - truth.mean)
    torch.testing.assert_close(drawn.T.cov(), covariance + spread, rtol=0, atol=0.05)
    torch.testing.assert_close(drawn @ basis, planar, rtol=0, atol=1e-10)


def test_a_rotation_depends_on_its_size_alone():
    assert torch.equal(high_dimensional.rotation(5), high_dimensional.rotation(5))
    assert high_dimensional.rotation(5).det().abs().item() == pytest.approx(1.0)
    assert math.isfinite(high_dimensional.rotation(50).sum())
