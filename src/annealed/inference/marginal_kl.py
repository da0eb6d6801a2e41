"""The KL of a path's last marginal, which its auxiliary reverse kernels do not enter."""

import math

import torch
from torch import Tensor, nn

from annealed.inference.normal import Normal
from annealed.inference.posteriors import Posterior
from annealed.utils import randomness

PAIRS = 10_000_000  # of a point and a particle, in memory at a time
TIGHT = 0.1  # nats between the bounds, above which they do not determine the KL


@torch.no_grad()
def marginal_kl(
    target: nn.Module, posterior: Posterior, log_z: float, points: int, particles: int, seed: int
) -> dict[str, float]:
    """KL(q_T || f) in nats between two bounds, where the last transition has an `ahead`.

    q_T(z) = E[q_T(z | z_{T-1})] is averaged over `particles` fresh z_{T-1}. Without the z_{T-1}
    that z was drawn from, the log of that average is too low in expectation, and with it too high
    (Yin & Zhou 2018, arXiv 1805.11183; Molchanov et al. 2019, arXiv 1810.02789), so that the
    expected `kl_marginal_low` and `kl_marginal` enclose the KL. `kl_marginal_mc_error` is the
    standard error over the `points` z of q_T. The target has no x; draws are keyed by the seed.
    """
    x = torch.ones(1, 1)
    shape = (posterior.num_draws, points, 1, posterior.head(x).loc.shape[-1])
    path = posterior(x, randomness.normal(shape, seed, "evaluate", 0, 0))
    z, source_kernels = path.z[-1][:, 0], posterior.last_kernel(x, path.z[-2])
    shape = (posterior.num_draws, particles, 1, shape[-1])
    fresh = posterior(x, randomness.normal(shape, seed, "evaluate", 0, 1))
    kernels = posterior.last_kernel(x, fresh.z[-2])
    size = max(1, PAIRS // particles)
    log_sum = torch.cat([log_densities(part, kernels).logsumexp(1) for part in z.split(size)])
    log_source = source_kernels.log_prob(z[:, None])[:, 0].double()
    log_f, _ = target(x, path.z[-1])
    low = log_sum - math.log(particles)
    high = torch.logaddexp(log_sum, log_source) - math.log(particles + 1)
    low_kl, high_kl = (log_q - log_f[:, 0].double() + log_z for log_q in (low, high))
    return {
        "kl_marginal_low": low_kl.mean().item(),
        "kl_marginal": high_kl.mean().item(),
        "kl_marginal_mc_error": high_kl.std().item() / points**0.5,
    }


def log_densities(z: Tensor, kernels: Normal) -> Tensor:
    """Log density in nats of each z (N, D) under each kernel, loc and scale (M, 1, D): (N, M)."""
    z, loc, scale = z.double(), kernels.loc[:, 0].double(), kernels.scale[:, 0].double()
    precision = scale**-2
    # the square multiplied out, so that all pairs are three matrix products
    square = z**2 @ precision.T - 2.0 * z @ (loc * precision).T + (loc**2 * precision).sum(1)
    constant = scale.log().sum(1) + 0.5 * z.shape[1] * math.log(2.0 * math.pi)
    return -0.5 * square.clamp_min(0.0) - constant
