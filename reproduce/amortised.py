"""A model and its amortised posterior trained together, all seeds side by side in one process."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from annealed import randomness, schedules
from annealed.objectives import Objective, Step
from annealed.posteriors import Posterior
from annealed.replicas import Replicas
from reproduce.toy import FACTORS, MILESTONES


class Amortised(nn.Module):
    """What is trained for one seed: the model p(x, z), the posterior q(z | x), an objective."""

    def __init__(self, target: nn.Module, posterior: Posterior, objective: Objective):
        super().__init__()
        self.target, self.posterior, self.objective = target, posterior, objective

    def forward(
        self,
        x: Tensor,
        noise: Tensor,
        choice: float,
        beta: float,
        each: Callable[[Tensor], None] | None = None,
    ) -> tuple[Tensor, Tensor]:
        """x (B, X), noise (draws, S, B, D) -> the loss and the ELBO (beta = 1), nats an example.

        See `Replicas.backward` for `each`.
        """
        step = Step(self.target, self.posterior, x, noise, beta, choice=choice)
        total = 0.0
        for value, terms in self.objective(step):  # noqa: B007 - the last terms are the ELBO's
            loss = -value.mean()
            if each is not None:
                each(loss)
                loss = loss.detach()
            total = total + loss
        return total, (terms.log_likelihood - terms.rate).mean().detach()


@dataclass(frozen=True)
class Plan:
    """How long and by what steps; every row of a page has the same."""

    steps: int
    batch: int
    samples: int  # S, draws an example and step
    rate: float  # Adam's, decayed by `toy.FACTORS` at `toy.MILESTONES`


def each_seed(seeds: list[int], draw: Callable[[int], Tensor]) -> Tensor:
    """`draw` of each of R seeds, stacked, (R, ...); a seed that comes again is drawn once."""
    distinct = sorted(set(seeds))
    return torch.stack([draw(seed) for seed in distinct])[[distinct.index(s) for s in seeds]]


def batches(data: Tensor, seeds: list[int], size: int):
    """Batches (R, size, X) of data (R, N, X) without end, in the order of (seed, epoch)."""
    epoch = 0
    while True:
        order = each_seed(
            seeds,
            lambda s, e=epoch: torch.randperm(
                data.shape[1], generator=randomness.generator(s, "order", e)
            ),
        )
        for index in order.split(size, dim=1):
            yield torch.stack([one[i] for one, i in zip(data, index, strict=True)])
        epoch += 1


def train(
    replicas: Replicas,
    data: Tensor,
    seeds: list[int],
    plan: Plan,
    latent: int,
    beta: Callable[[int], float] = lambda step: 1.0,
) -> list[list[float]]:
    """Adam on the objectives of `replicas` of Amortised, of which each has its own data (R, N, X).

    `seeds` has a seed a replica; replicas of one seed see the same batches and noise. `beta` gives
    the weight of the rate at a step. Noise and the order of examples are keyed by the seed; which
    steps of a mixture are AVO steps is the same for every seed. Adam works on each number alone, so
    this is each replica's own training. Returns a curve: the replicas' batch ELBOs at beta = 1, in
    nats, at about 50 steps.
    """
    curve, adam = [], torch.optim.Adam(replicas.parameters(), plan.rate)
    first = replicas.members[0]
    source = batches(data, seeds, plan.batch)
    for step in range(plan.steps):
        factor = schedules.piecewise(step, plan.steps, MILESTONES, FACTORS)
        adam.param_groups[0]["lr"] = plan.rate * factor
        x = next(source)
        shape = (first.posterior.draws, plan.samples, x.shape[1], latent)
        noise = each_seed(
            seeds,
            lambda s, at=step, shape=shape: randomness.normal(
                shape, s, "posterior", at, dtype=data.dtype
            ),
        )
        choice = first.objective.choose(randomness.uniform((), 0, "objective", step).item())
        bound = replicas.backward((x, noise), choice, beta(step))
        adam.step()
        if step % max(plan.steps // 50, 1) == 0:
            curve.append(bound.tolist())
    return curve
