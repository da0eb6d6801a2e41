"""A whole optimiser step as one compiled function: the bound, its gradient, clipping and Adam."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.func import grad

from annealed.compute.compiling import compiled
from annealed.compute.replicas import (
    Replicas,
    clip_factors,
    norms_of,
    stacked_loss,
    transpose_stack,
)


def whole_steps(replicas: Replicas, products: str = "torch") -> "WholeStep | None":
    """Whole steps of `replicas`; None where nothing compiles. `products`: see `compiled`."""
    function = compiled(adam_step, replicas.stacks[0].device, products)
    return WholeStep(replicas, function) if function else None


class WholeStep:
    """Optimiser steps of `replicas`, each one call of `function`, which is `adam_step` compiled.

    The moments stay where torch's Adam keeps them, so that a checkpoint is the same with and
    without, and an update is Adam's up to rounding (Kingma & Ba 2014, arXiv 1412.6980).
    """

    def __init__(self, replicas: Replicas, function: Callable):
        self.replicas, self.function = replicas, function
        # by kind of step: the parameters that it moves, and the factor of each one's rate
        self.moved_by_kind: dict[tuple, tuple[tuple[str, ...], Tensor]] = {}

    def take(
        self,
        adam: torch.optim.Adam,
        rate: float,
        per_replica: tuple[Tensor, ...],
        common: tuple,
        clip: float | None = None,
    ) -> tuple[Tensor, Tensor]:
        """One step on the inputs of `Replicas.backward`: its metrics and gradient norms, (R,).

        A group of `adam` learns at `rate`, or its `factor` times that. Each replica's gradient is
        scaled down to the norm `clip`. Parameters that no loss reaches are left alone, and no
        `.grad` is used. Raises UsageError as `Replicas.backward` does.
        """
        replicas = self.replicas
        parameters = dict(zip(replicas.names, replicas.stacks, strict=True))
        with replicas.explained():
            names, factors = self.moved(adam, per_replica, common)
            moments = {name: _moments(adam, parameters[name]) for name in names}
            buffers = (replicas.buffers_by_name, replicas.buffer_dims)
            model = (replicas.members[0], parameters, *buffers)
            constants = (replicas.transposed, adam.defaults["betas"], adam.defaults["eps"], clip)
            with torch.no_grad():
                metrics, norms, *_ = self.function(
                    *model, moments, rate * factors, per_replica, common, constants
                )
        return metrics, norms

    def moved(
        self, adam: torch.optim.Adam, per_replica: tuple[Tensor, ...], common: tuple
    ) -> tuple[tuple[str, ...], Tensor]:
        """The parameters that a step of this kind moves, and the factors of their rates, (P,).

        A backward pass that is not compiled finds them, once a kind.
        """
        kind = tuple(value for value in common if not isinstance(value, Tensor))
        if kind not in self.moved_by_kind:
            replicas = self.replicas
            with torch.enable_grad():
                total, _ = stacked_loss(*replicas.model(), per_replica, common)
            gradients = torch.autograd.grad(total, replicas.stacks, allow_unused=True)
            groups = adam.param_groups
            factor_of = {id(p): g.get("factor", 1.0) for g in groups for p in g["params"]}
            triples = zip(replicas.names, replicas.stacks, gradients, strict=True)
            moved = [(name, factor_of[id(p)]) for name, p, g in triples if g is not None]
            names, factors = zip(*moved, strict=True)
            self.moved_by_kind[kind] = names, total.new_tensor(factors, dtype=torch.float64)
        return self.moved_by_kind[kind]


def adam_step(
    module: nn.Module,
    parameters: dict[str, Tensor],
    buffers: dict[str, Tensor],
    buffer_dims: dict[str, int | None],
    moments: dict[str, tuple[Tensor, Tensor, Tensor]],
    rates: Tensor,
    per_replica: tuple[Tensor, ...],
    common: tuple,
    constants: tuple,
) -> tuple[Tensor, ...]:
    """Move the parameters that have `moments`, and these, in place, at `rates`, float64 (P,).

    See `WholeStep.take`.
    """
    transposed, (beta1, beta2), eps, clip = constants

    def loss(moving):
        stacked = {
            name: transpose_stack(p, transposed) for name, p in {**parameters, **moving}.items()
        }
        return stacked_loss(module, stacked, buffers, buffer_dims, per_replica, common)

    gradients, metrics = grad(loss, has_aux=True)({name: parameters[name] for name in moments})
    norms = norms_of(gradients.values())
    for _, _, count in moments.values():
        count.add_(1)
    counts = torch.stack([count for _, _, count in moments.values()]).double()
    kind = norms.dtype
    sizes = (rates / (1.0 - beta1**counts)).to(kind)
    roots = (1.0 - beta2**counts).sqrt().to(kind)
    for i, (name, (mean, square, _)) in enumerate(moments.items()):
        p, gradient = parameters[name], gradients[name]
        if clip is not None:
            gradient = gradient * clip_factors(norms, clip, p)
        mean.lerp_(gradient, 1.0 - beta1)
        square.mul_(beta2).addcmul_(gradient, gradient, value=1.0 - beta2)
        p.sub_(sizes[i] * mean / (square.sqrt() / roots[i] + eps))
    return metrics, norms, sizes, roots  # the last two, or each element would compute them again


def _moments(adam: torch.optim.Adam, p: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Running means of the gradient and of its square, and the count of steps, begun at need."""
    state = adam.state[p]
    if not state:
        state["step"] = torch.zeros((), device=p.device)
        state["exp_avg"], state["exp_avg_sq"] = torch.zeros_like(p), torch.zeros_like(p)
    moments = state["exp_avg"], state["exp_avg_sq"], state["step"]
    if p.device.type == "cuda":
        for value in (p, *moments):  # or no CUDA graph may write to them
            torch._dynamo.mark_static_address(value, guard=False)
    return moments
