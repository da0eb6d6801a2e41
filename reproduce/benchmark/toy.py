"""The toy model side by side: seeds in one process, compiled, against seeds in sequence."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from annealed import randomness
from annealed.avo import AVO, AVOOptions
from annealed.objectives import Step
from annealed.posteriors import GaussianHead, Posterior
from annealed.replicas import Replicas
from annealed.targets import Energy
from annealed.transitions import Refinement

STEPS, HIDDEN, BATCH = 10, 32, 128  # T, units, points a step


def four_modes(z: Tensor) -> Tensor:
    """An unnormalised mixture of four Gaussians on the axes."""
    centres = z.new_tensor([[-2.0, 0.0], [2.0, 0.0], [0.0, 2.0], [0.0, -2.0]])
    return (-(z[..., None, :] - centres).square().sum(-1) / 0.4).logsumexp(-1)


class Toy(nn.Module):
    """A path of T refinements in the plane under AVO."""

    def __init__(self, seed: int):
        super().__init__()
        with randomness.initialisation(seed):
            steps = [Refinement(2, 1, HIDDEN) for _ in range(STEPS)]
            self.posterior = Posterior(nn.Identity(), GaussianHead(1, 2), steps)
        self.target = Energy(four_modes, 0.0)
        self.objective = AVO(AVOOptions(rho=1.0), STEPS)

    def forward(self, noise: Tensor, each: Callable | None = None) -> tuple[Tensor, Tensor]:
        """noise (draws, S, 1, 2) -> the loss, twice."""
        step = Step(self.target, self.posterior, noise.new_ones(1, 1), noise, choice=1.0)
        ((value, _),) = self.objective(step)
        loss = -value.mean()
        if each is not None:
            each(loss)
        return loss, loss.detach()


def training(seeds: int, steps: int, device: torch.device, fast: bool = False):
    """`steps` steps of `seeds` seeds side by side, as a case."""
    replicas = Replicas([Toy(seed).to(device) for seed in range(seeds)], fast)
    adam = torch.optim.Adam(replicas.parameters(), 1e-3, fused=True)
    shape = (STEPS + 1, BATCH, 1, 2)

    def case() -> None:
        for step in range(steps):
            draws = [
                randomness.normal(shape, seed, "posterior", step, device=device)
                for seed in range(seeds)
            ]
            adam.zero_grad()
            replicas.backward((torch.stack(draws),))
            adam.step()

    return case
