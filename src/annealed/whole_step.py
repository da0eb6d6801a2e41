"""A whole optimiser step as one compiled function: the bound, its gradient, clipping and Adam."""

import torch
from torch import Tensor, nn
from torch.func import grad

from annealed.compiling import compiled
from annealed.replicas import Replicas, clip_factors, norms_of, together, turn


class WholeStep:
    """Optimiser steps of `replicas`, each one call of compiled code; `works` says if it compiles.

    The moments stay where torch's Adam keeps them, so that a checkpoint is the same with and
    without, and an update is Adam's up to rounding (Kingma & Ba 2014, arXiv 1412.6980).
    """

    def __init__(self, replicas: Replicas, products: str = "torch"):
        self.replicas = replicas
        self.function = compiled(step, replicas.stacks[0].device, products)
        self.names: dict[tuple, tuple[str, ...]] = {}  # of the parameters that a kind of step moves

    @property
    def works(self) -> bool:
        """Whether this machine compiles."""
        return self.function is not None

    def take(
        self,
        adam: torch.optim.Adam,
        rate: float,
        own: tuple[Tensor, ...],
        shared: tuple,
        clip: float | None = None,
    ) -> tuple[Tensor, Tensor]:
        """One step on the inputs of `Replicas.backward`: its word, and the gradients' norms, (R,).

        A group of `adam` learns at `rate`, or its `factor` times that. Each replica's gradient is
        scaled down to the norm `clip`. Parameters that no loss reaches are left alone, and no
        `.grad` is used. Raises UsageError as `Replicas.backward` does.
        """
        replicas = self.replicas
        parameters = dict(zip(replicas.names, replicas.stacks, strict=True))
        with replicas.explained():
            names = self.moved(own, shared)
            moments = {name: _moments(adam, parameters[name]) for name in names}
            factor = {
                id(p): group.get("factor", 1.0)
                for group in adam.param_groups
                for p in group["params"]
            }
            factors = tuple(factor[id(parameters[name])] for name in names)
            model = (
                replicas.members[0],
                parameters,
                replicas.buffers_by_name,
                replicas.buffer_dims,
            )
            constants = (
                replicas.turned,
                factors,
                adam.defaults["betas"],
                adam.defaults["eps"],
                clip,
            )
            rates = torch.full((), rate, dtype=torch.float64, device=own[0].device)
            with torch.no_grad():
                word, norms, *_ = self.function(*model, moments, rates, own, shared, constants)
        return word, norms

    def moved(self, own: tuple[Tensor, ...], shared: tuple) -> tuple[str, ...]:
        """The parameters that a step of this kind has a gradient for, from one not compiled."""
        kind = tuple(value for value in shared if not isinstance(value, Tensor))
        if kind not in self.names:
            r = self.replicas
            with torch.enable_grad():
                total, _ = together(
                    r.members[0], r.stacked(), r.buffers_by_name, r.buffer_dims, own, shared
                )
            found = torch.autograd.grad(total, r.stacks, allow_unused=True)
            there = zip(r.names, found, strict=True)
            self.names[kind] = tuple(name for name, gradient in there if gradient is not None)
        return self.names[kind]


def step(
    module: nn.Module,
    parameters: dict[str, Tensor],
    buffers: dict[str, Tensor],
    buffer_dims: dict[str, int | None],
    moments: dict[str, tuple[Tensor, Tensor, Tensor]],
    rate: Tensor,
    own: tuple[Tensor, ...],
    shared: tuple,
    constants: tuple,
) -> tuple[Tensor, ...]:
    """Move the parameters that have `moments`, and these, in place; see `WholeStep.take`."""
    turned, factors, (beta1, beta2), eps, clip = constants

    def loss(moving: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        stacked = {name: turn(p, turned) for name, p in {**parameters, **moving}.items()}
        return together(module, stacked, buffers, buffer_dims, own, shared)

    gradients, word = grad(loss, has_aux=True)({name: parameters[name] for name in moments})
    norms = norms_of(gradients.values())
    for _, _, count in moments.values():
        count.add_(1)
    counts = torch.stack([count for _, _, count in moments.values()]).double()
    kind = norms.dtype
    sizes = (rate * counts.new_tensor(factors) / (1.0 - beta1**counts)).to(kind)
    roots = (1.0 - beta2**counts).sqrt().to(kind)
    for i, (name, (mean, square, _)) in enumerate(moments.items()):
        p, gradient = parameters[name], gradients[name]
        if clip is not None:
            gradient = gradient * clip_factors(norms, clip, p)
        mean.lerp_(gradient, 1.0 - beta1)
        square.mul_(beta2).addcmul_(gradient, gradient, value=1.0 - beta2)
        p.sub_(sizes[i] * mean / (square.sqrt() / roots[i] + eps))
    return word, norms, sizes, roots  # the last two, or each element would compute them again


def _moments(adam: torch.optim.Adam, p: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Running means of the gradient and of its square, and the count of steps, begun at need."""
    state = adam.state[p]
    if not state:
        state["step"] = torch.zeros((), device=p.device)
        state["exp_avg"], state["exp_avg_sq"] = torch.zeros_like(p), torch.zeros_like(p)
    found = state["exp_avg"], state["exp_avg_sq"], state["step"]
    if p.device.type == "cuda":
        for value in (p, *found):  # or no CUDA graph may write to them
            torch._dynamo.mark_static_address(value, guard=False)
    return found
