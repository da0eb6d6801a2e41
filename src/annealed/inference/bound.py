"""A target, a posterior and an objective as one module, and whether they fit each other."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from annealed.inference.objectives import Objective, ObjectiveInputs, total_loss
from annealed.inference.posteriors import Posterior
from annealed.utils import randomness


class Bound(nn.Module):
    """A target, the posterior that is fitted to it, and the objective."""

    def __init__(self, target: nn.Module, posterior: Posterior, objective: Objective | None = None):
        super().__init__()
        self.target, self.posterior, self.objective = target, posterior, objective

    def forward(
        self,
        noise: Tensor,
        x: Tensor,
        mode: float = 0.0,
        beta: Tensor | float = 1.0,
        each: Callable[[Tensor], None] | None = None,
    ) -> tuple[Tensor, Tensor]:
        """noise (num_draws, S, B, D), x (B, X) -> the loss and the ELBO, nats an example.

        `mode` is the objective's, `beta` weights the rate in the loss alone; `each`: see
        `total_loss`.
        """
        inputs = ObjectiveInputs(self.target, self.posterior, x, noise, beta, mode=mode)
        loss, terms = total_loss(self.objective, inputs, each)
        return loss, terms.log_weight().mean().detach()


@torch.no_grad()
def check(bound: Bound, x: Tensor) -> int:
    """The size D of z; raises ValueError in one sentence where target and posterior do not fit.

    x (1, X) is an example; three paths are drawn and scored.
    """
    posterior, target = bound.posterior, bound.target
    if posterior.annealed and posterior.target is not target:
        raise ValueError("the posterior follows another target than the one that it is fitted to")
    try:
        base, _ = posterior.start(x)
        dim = base.loc.shape[-1]
        shape = (posterior.num_draws, 3, len(x), dim)
        noise = randomness.normal(shape, 0, "init", 0).to(base.loc)
        if posterior.annealed:  # its path reads the target, from z_0 on
            check_target(target, x, base.rsample(noise[posterior.num_start_draws]))
        z = posterior(x, noise).z[-1]
    except RuntimeError as error:
        reason = str(error).strip().partition("\n")[0]
        raise ValueError(f"the posterior's parts do not fit each other or x: {reason}") from error
    check_target(target, x, z)
    return dim


def check_target(target: nn.Module, x: Tensor, z: Tensor) -> None:
    """Raise ValueError in one sentence where the target does not score z (S, 1, D), as it must."""
    try:
        scores = target(x, z)
    except TypeError as error:
        raise ValueError(str(error)) from error
    except (RuntimeError, IndexError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise ValueError(
            f"the target does not take z of shape (S, B, D) = {tuple(z.shape)}, the posterior's: "
            f"{reason}"
        ) from error
    for score in scores:
        if score.shape != z.shape[:-1]:
            raise ValueError(
                f"the target maps z of shape {tuple(z.shape)} to {tuple(score.shape)}; it must "
                f"give one number a sample, (S, B) = {tuple(z.shape[:-1])}"
            )
        if not score.isfinite().all():
            raise ValueError(
                f"the target's log density is {score.flatten().tolist()} at three draws of the "
                "posterior; it must be finite where the posterior starts"
            )
    with torch.enable_grad():
        if not sum(score.sum() for score in target(x, z.requires_grad_())).requires_grad:
            raise ValueError(
                "the target's log density has no gradient in z; compute it from z by functions of "
                "torch alone, without detach, item or whole numbers"
            )
