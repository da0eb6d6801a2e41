"""How a trained linear VAE stands: its exact log p(x), its bound, what each latent carries."""

import torch
from torch import Tensor

from annealed.evaluation import score
from annealed.evaluation.latents import moment_kl
from annealed.inference.bound import Bound
from annealed.inference.importance import WeightStream, joined
from annealed.inference.normal import Normal
from annealed.inference.objectives import path_terms
from annealed.models.targets import LinearGaussian
from annealed.utils import randomness
from annealed.utils.errors import Diverged
from reproduce.experiments.collapse.linear.design import LATENT, Budget
from reproduce.experiments.collapse.linear.optimum import direction_rates

BATCH = 100  # images at a time


def gaussian_rates(q: Normal) -> Tensor:
    """KL(q || N(0, 1)) of each latent in nats, of q with loc and scale (B, D): (B, D)."""
    variance = q.scale.square()
    return 0.5 * (variance + q.loc.square() - 1.0 - variance.log())


@torch.no_grad()
def sampled(bound: Bound, x: Tensor, draws: int, seed: int) -> tuple[dict, Tensor]:
    """The bound and importance sampling on x (N, X), and the latents' KLs, (D,), mean over x.

    A path's KLs are those of the Gaussian with each latent's mean and variance: no distribution
    with these moments has a lower one, so they are lower bounds. Raises Diverged where the weights
    are not finite.
    """
    estimates, rates, q = [], [], bound.posterior
    for index, batch in enumerate(x.float().split(BATCH)):
        shape = (q.num_draws, draws, len(batch), LATENT)
        path = q(batch, randomness.normal(shape, seed, "evaluate", index))
        stream = WeightStream(draws)
        stream.add(path_terms(bound.target, batch, path).log_weight())
        estimates.append(stream.estimate())
        by_image = moment_kl(path.z[-1].double()) if q.transitions else gaussian_rates(path.base)
        rates.append(by_image.double())
    return score.summary(joined(estimates), draws), torch.cat(rates).mean(0)


@torch.no_grad()
def scored(bound: Bound, x: Tensor, budget: Budget, seed: int, variance: float) -> dict:
    """A trained row's numbers at one noise, on the data x (N, X); nats an image.

    `log_p` is exact and over all of x; `gap` is exact log p less the ELBO, and `importance_error`
    the importance-sampled log p less the exact one, both over the first `budget.counted` images.
    """
    some = x[: budget.counted]
    exact = LinearGaussian(bound.target.weight.double(), bound.target.bias.double(), variance**0.5)
    try:
        numbers, rates = sampled(bound, some, budget.draws, seed)
    except Diverged:
        return {"variance": variance, "status": "diverged"}
    log_p = exact.log_marginal(some).mean().item()
    return {
        "variance": variance,
        "status": "finished",
        "log_p": exact.log_marginal(x).mean().item(),
        "gap": log_p - numbers["elbo"],
        "importance_error": -numbers["nll"] - log_p,
        "k_hat_untrusted": numbers["k_hat_untrusted"],
        "rates": rates.sort(descending=True).values.tolist(),
        "directions": direction_rates(exact.weight, variance).tolist(),
    }
