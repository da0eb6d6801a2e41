"""A hierarchical variational model against mean field on a correlated, bimodal density."""

import pytest
import torch
from torch import nn
from torch.distributions import Categorical, MixtureSameFamily, MultivariateNormal

from annealed.inference.flows import IAF
from annealed.inference.objectives import elbo, log_weight
from annealed.inference.posteriors import GaussianHead, Posterior
from annealed.inference.transitions import MeanField
from annealed.models.targets import Energy
from annealed.utils import randomness

LOG_Z = 1.7
X = torch.zeros(1, 1, dtype=torch.float64)


@pytest.fixture(scope="module")
def density():
    means = torch.tensor([[1.2, 1.2], [-1.2, -1.2]], dtype=torch.float64)
    covariance = torch.tensor([[0.6, 0.3], [0.3, 0.6]], dtype=torch.float64)
    parts = MultivariateNormal(means, covariance.expand(2, 2, 2))
    return MixtureSameFamily(Categorical(torch.ones(2, dtype=torch.float64)), parts)


@pytest.fixture(scope="module")
def grid():
    side = torch.linspace(-6, 6, 241, dtype=torch.float64)
    points = torch.stack(torch.meshgrid(side, side, indexing="ij"), -1).reshape(-1, 2)
    return points, (side[1] - side[0]).square().item()


def trained(target, transitions, steps):
    with randomness.initialisation(0):
        q = Posterior(nn.Linear(1, 4), GaussianHead(4, 2), transitions()).double()
    adam = torch.optim.Adam(q.parameters(), 1e-2)
    decay = torch.optim.lr_scheduler.CosineAnnealingLR(adam, steps)
    for step in range(steps):
        shape = (q.num_draws, 256, 1, 2)
        noise = randomness.normal(shape, 0, "posterior", step, dtype=torch.float64)
        adam.zero_grad()
        (-elbo(log_weight(target, X, q(X, noise))).mean()).backward()
        adam.step()
        decay.step()
    noise = randomness.normal((q.num_draws, 20_000, 1, 2), 0, "validate", dtype=torch.float64)
    with torch.no_grad():
        return q, log_weight(target, X, q(X, noise))[:, 0], noise


def test_hvm_beats_mean_field_by_the_margin_of_the_exact_divergences(density, grid):
    target = Energy(lambda z: density.log_prob(z) + LOG_Z, LOG_Z)
    points, cell = grid
    log_p = density.log_prob(points)
    assert abs((log_p.exp().sum() * cell).item() - 1) < 1e-4

    def divergence(q):  # KL(q || p) by quadrature from q on the grid
        return (torch.xlogy(q, q) - q * log_p).sum().item() * cell

    field, log_w, _ = trained(target, list, 400)
    base, _ = field.start(X)
    q = torch.distributions.Normal(base.loc, base.scale).log_prob(points).sum(-1).exp().detach()
    exact_field = divergence(q)
    assert abs((LOG_Z - log_w.mean()).item() - exact_field) < 5 * log_w.std().item() / 20_000**0.5

    def hierarchy():
        return [IAF(2, 4, 32), IAF(2, 4, 32, flip=True), MeanField(2, 4, hidden=32)]

    model, log_w, noise = trained(target, hierarchy, 1500)
    with torch.no_grad():
        path = model(X, noise)
        _, context = model.start(X)
        scale = nn.functional.softplus(model.transitions[-1].scale(context)) + 1e-6
        kernels = torch.distributions.Normal(path.z[-2][:4000, 0], scale)
        q = torch.stack([kernels.log_prob(p).sum(-1).exp().mean() for p in points[:, None, :]])
    assert abs((q.sum() * cell).item() - 1) < 1e-2
    exact_model = divergence(q)
    gap = (LOG_Z - log_w.mean()).item()
    assert exact_field > 0.4  # one Gaussian cannot cover two modes
    assert exact_model < 0.5 * exact_field
    assert exact_model < gap + 0.02  # the bound with r is looser than the marginal's divergence
    assert exact_field - gap > 0.5 * (exact_field - exact_model) > 0.1
