import pytest
import torch
from torch.func import jacrev

from annealed.inference.hmc import HMC, leapfrog, slope_and_value
from annealed.inference.normal import Normal

S, B, D = 3, 2, 2
BETAS = [0.0, 0.4, 1.0]


def log_joint(x, z):
    """A bent density: (B, 1), (S, B, D) -> (S, B)."""
    first, second = z[..., 0], z[..., 1]
    return -0.5 * first.square() - (second - first.square() + x[:, 0]).square() - z.cos().sum(-1)


def random(*shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator, dtype=torch.float64)


def start(batch=B):
    return Normal(0.3 * random(batch, D, seed=1), 0.5 + random(batch, D, seed=2).abs())


def walk(z, momentum, steps, beta, q=None, x=None):
    """The end of `steps` leapfrog steps."""
    q, x = q or start(), random(B, 1, seed=3) if x is None else x
    step, beta = torch.full((*z.shape[:-1], 1), 0.2).double(), torch.tensor(beta).double()
    slope, _ = slope_and_value(log_joint, x, z)
    for _ in range(steps):
        z, momentum, slope, _ = leapfrog(log_joint, x, *q, z, momentum, slope, step, beta)
    return z, momentum


@pytest.mark.parametrize("beta", BETAS)
def test_a_path_goes_back_when_its_momentum_is_turned(beta):
    z, momentum = random(S, B, D, seed=4), random(S, B, D, seed=5)
    there, speed = walk(z, momentum, 9, beta)
    assert (there - z).abs().max() > 0.3
    back, turned = walk(there, -speed, 9, beta)
    torch.testing.assert_close((back, -turned), (z, momentum), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("beta", BETAS)
def test_a_path_keeps_volume(beta):
    q, x = start(1), random(1, 1, seed=3)

    def end(both):
        z, momentum = both.view(2, 1, 1, D)
        return torch.stack(walk(z, momentum, 3, beta, q, x)).flatten()

    jacobian = jacrev(end)(random(2 * D, seed=6))
    assert (jacobian - torch.eye(2 * D)).abs().max() > 0.1
    torch.testing.assert_close(jacobian.slogdet().logabsdet.item(), 0.0, rtol=0, atol=1e-12)


@pytest.mark.parametrize("beta", BETAS)
def test_a_step_keeps_the_energy_up_to_the_cube_of_its_size(beta):
    q, x, z = start(), random(B, 1, seed=3), random(S, B, D, seed=4)
    hmc = HMC(log_joint, q, x, 1)
    momentum, weight = random(S, B, D, seed=5), torch.tensor(beta).double()
    changes = []
    for size in (0.02, 0.01):
        point = hmc.point(z)
        step = torch.full((S, B, 1), size).double()
        after, speed, _, _ = leapfrog(log_joint, x, *q, z, momentum, point.slope, step, weight)
        change = hmc.log_density(hmc.point(after), weight) - hmc.log_density(point, weight)
        kinetic = 0.5 * (speed.square() - momentum.square()).sum(-1)
        changes.append((change - kinetic).abs().max().item())
    assert changes[0] > 0
    assert changes[0] / changes[1] == pytest.approx(8.0, rel=0.2)


COVARIANCE = torch.tensor([[1.0, 0.8], [0.8, 2.0]], dtype=torch.float64)


def gaussian(x, z):
    return torch.distributions.MultivariateNormal(torch.zeros(D).double(), COVARIANCE).log_prob(z)


def moved(uniforms, count=40_000):
    """Exact draws of a Gaussian after ten transitions, and their mean acceptance."""
    q = Normal(torch.zeros(1, D).double(), torch.ones(1, D).double())
    hmc = HMC(gaussian, q, torch.ones(1, 1), 3)
    z = random(count, 1, D, seed=7) @ torch.linalg.cholesky(COVARIANCE).T
    point, acceptance = hmc.point(z), []
    step, beta = torch.full((count, 1), 0.9).double(), torch.tensor(1.0).double()
    for k in range(10):
        noise = random(count, 1, D, seed=10 + k)
        point, probability = hmc.move(point, noise, uniforms(k, count), step, beta)
        acceptance.append(probability.mean().item())
    return point.z[:, 0], sum(acceptance) / 10


def test_the_decision_to_accept_leaves_a_gaussian_as_it_is():
    def uniforms(k, count):
        generator = torch.Generator().manual_seed(100 + k)
        return torch.rand(count, 1, generator=generator, dtype=torch.float64)

    z, acceptance = moved(uniforms)
    assert 0.4 < acceptance < 0.9  # large steps, that only the decision puts right
    error = 4 * 2.0 * (2 / len(z)) ** 0.5
    torch.testing.assert_close(z.T.cov(), COVARIANCE, rtol=0, atol=error)
    assert z.mean(0).abs().max() < 4 * (2.0 / len(z)) ** 0.5
    always, _ = moved(lambda k, count: torch.zeros(count, 1).double())
    assert (always.T.cov() - COVARIANCE).abs().max() > 3 * error


def test_what_beta_weights_is_the_density_itself():
    q, x, z = start(), random(B, 1, seed=3), random(S, B, D, seed=4)
    hmc = HMC(log_joint, q, x, 1)
    normal = torch.distributions.Normal(*q).log_prob(z).sum(-1)
    for beta in BETAS:
        density = hmc.log_density(hmc.point(z), torch.tensor(beta).double())
        torch.testing.assert_close(density, (1 - beta) * normal + beta * log_joint(x, z))


@pytest.mark.parametrize("beyond", [torch.nan, torch.inf, -torch.inf])
def test_a_proposal_without_a_finite_density_is_refused(beyond):
    def walled(x, z):
        inside = z.abs().amax(-1) < 1.0
        return torch.where(inside, -0.5 * z.square().sum(-1), beyond)

    q = Normal(torch.zeros(1, D), torch.ones(1, D))
    hmc = HMC(walled, q, torch.ones(1, 1), 4)
    point = hmc.point(torch.zeros(500, 1, D))
    always, step = torch.zeros(500, 1), torch.full((500, 1), 0.5)
    point, probability = hmc.move(point, random(500, 1, D).float(), always, step, torch.tensor(1.0))
    refused = probability == 0
    assert 0.1 < refused.double().mean() < 0.9
    assert (point.z[refused] == 0).all()
    assert (point.z.abs() < 1).all()
    assert all(part.isfinite().all() for part in point)
