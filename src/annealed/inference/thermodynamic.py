"""The thermodynamic variational objective (Masrani, Le, Wood 2019, arXiv 1907.00031)."""

from collections.abc import Iterator
from itertools import pairwise

from torch import Tensor

from annealed.inference import schedules
from annealed.inference.objectives import Objective, ObjectiveInputs, Terms


class Thermodynamic(Objective):
    """The left Riemann sum of the thermodynamic integral log Z = int_0^1 E_{pi_b}[log w] db.

    pi_b is proportional to q w^b, and the sum has `partitions` K terms at 0 = b_0 < ... < b_{K-1},
    up to b_K = 1: its value is the ELBO's for K = 1 and rises to log Z. Each expectation is over
    the S = `samples` draws of q by their weights w^b, so that in the limit of K it is the IWAE
    bound of S. b_1, ..., b_K are `schedules.alphas`: evenly spaced, or in the logarithm
    (`geometric`), from `first_beta` to 1.

    Its gradient is the covariance estimator, for the target's parameters and for q_0's: the points
    are held fixed, and E_{pi_b}[grad log w] + Cov_{pi_b}(grad log(q w^b), log w) is estimated by
    the same weights. The covariance is multiplied by S / (S - 1), as in the authors' code, which
    makes the gradient at b = 0 unbiased; at b > 0 the weights leave a bias of order 1 / S.

    For posteriors without transitions. With a warm-up w has its `beta` and `temper`. Raises
    ValueError for fewer than two samples: one has no covariance.
    """

    def __init__(
        self,
        samples: int,
        partitions: int,
        spacing: str = "geometric",
        first_beta: float | None = None,
    ):
        if samples < 2:
            raise ValueError(f"TVO weighs its samples against each other: from 2; got {samples}")
        if partitions < 1:
            raise ValueError(f"partitions is {partitions}; accepted: a whole number from 1")
        self.samples = samples
        self.betas = [0.0, *schedules.alphas(spacing, partitions, first_beta)]

    def __call__(self, inputs: ObjectiveInputs) -> Iterator[tuple[Tensor, Terms]]:
        """Yields one part, whose value is the sum (B,), and the path's terms.

        Raises ValueError for a posterior with transitions.
        """
        if len(inputs.posterior.transitions):
            raise ValueError("the thermodynamic objective takes a posterior without steps")
        *start_noise, noise = inputs.noise
        q, _ = inputs.posterior.start(inputs.x, start_noise)
        z = q.rsample(noise).detach()
        terms = Terms(*inputs.target(inputs.x, z), q.log_prob(z))
        log_w = terms.log_weight(inputs.beta, inputs.temper)
        total = 0.0
        for low, high in pairwise(self.betas):
            total = total + (high - low) * weighted(low, log_w, terms.log_q)
        yield total, terms


def weighted(beta: float, log_w: Tensor, log_q: Tensor) -> Tensor:
    """E_{pi_beta}[log w], (B,), from log-weights and log-densities (S, B) of draws held fixed.

    Its gradient is the covariance estimator; see `Thermodynamic`.
    """
    weight = (beta * log_w).softmax(0).detach()
    value = (weight * log_w).sum(0)
    surplus = weight * (log_w - value).detach()
    unbiased = len(log_w) / (len(log_w) - 1)  # at beta = 0, where the draws are q's own
    covariance = unbiased * (surplus * (log_q + beta * log_w)).sum(0)
    return value + covariance - covariance.detach()
