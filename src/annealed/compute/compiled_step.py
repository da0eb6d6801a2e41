"""A whole optimiser step as one compiled function: the bound, its gradient, clipping and Adam."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.func import grad

from annealed.compute.compiling import compiled
from annealed.compute.cuda_graph import Captured
from annealed.compute.replicas import (
    Replicas,
    clip_factors,
    norms_of,
    stacked_loss,
    transpose_stack,
)


def whole_steps(replicas: Replicas, products: str = "torch") -> "WholeStep | None":
    """Whole steps of `replicas`; None where nothing compiles. `products`: see `compiled`."""
    device = replicas.stacks[0].device
    function = compiled(adam_step, device, products, graphs=False)
    if function is None:
        return None
    return WholeStep(replicas, function, Captured if device.type == "cuda" else None)


class WholeStep:
    """Optimiser steps of `replicas`, each one call of `function`, which is `adam_step` compiled.

    The moments stay where torch's Adam keeps them, so that a checkpoint is the same with and
    without, and an update is Adam's up to rounding (Kingma & Ba 2014, arXiv 1412.6980). `capture`
    wraps a function of the inputs alone, as `Captured` does.
    """

    def __init__(self, replicas: Replicas, function: Callable, capture: Callable | None = None):
        self.replicas, self.function, self.capture = replicas, function, capture
        # by kind of step: the parameters that it moves, and the factor of each one's rate
        self.moved_by_kind: dict[tuple, tuple[tuple[str, ...], Tensor]] = {}
        self.steps: dict[tuple, _Step] = {}

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
        with self.replicas.explained():
            step = self.step(adam, per_replica, common, clip)
            tensors = (value for value in common if isinstance(value, Tensor))
            with torch.no_grad():
                metrics, norms = step.call(rate * step.factors, *per_replica, *tensors)
        return metrics, norms

    def step(
        self,
        adam: torch.optim.Adam,
        per_replica: tuple[Tensor, ...],
        common: tuple,
        clip: float | None,
    ) -> "_Step":
        """The step of this kind and these shapes, made anew where what it moves has moved."""
        kind = *_constants(common), clip, *(value.shape for value in per_replica)
        step = self.steps.get(kind)
        if step is None or not step.holds(adam):
            self.steps = {k: other for k, other in self.steps.items() if other.holds(adam)}
            step = self.steps[kind] = self._bind(adam, per_replica, common, clip)
        return step

    def _bind(
        self,
        adam: torch.optim.Adam,
        per_replica: tuple[Tensor, ...],
        common: tuple,
        clip: float | None,
    ) -> "_Step":
        replicas, function = self.replicas, self.function
        parameters = dict(zip(replicas.names, replicas.stacks, strict=True))
        names, factors = self.moved(adam, per_replica, common)
        moments = {name: _moments(adam, parameters[name]) for name in names}
        buffers = (replicas.buffers_by_name, replicas.buffer_dims)
        model = (replicas.members[0], parameters, *buffers)
        constants = (replicas.transposed, adam.defaults["betas"], adam.defaults["eps"], clip)
        count = len(per_replica)

        def call(rates: Tensor, *inputs: Tensor) -> tuple[Tensor, Tensor]:
            tensors = iter(inputs[count:])
            both = tuple(next(tensors) if isinstance(v, Tensor) else v for v in common)
            metrics, norms, *_ = function(*model, moments, rates, inputs[:count], both, constants)
            return metrics, norms

        first = parameters[names[0]]
        return _Step(
            self.capture(call) if self.capture else call,
            factors,
            first,
            first.data_ptr(),
            moments[names[0]][0],
        )

    def moved(
        self, adam: torch.optim.Adam, per_replica: tuple[Tensor, ...], common: tuple
    ) -> tuple[tuple[str, ...], Tensor]:
        """The parameters that a step of this kind moves, and the factors of their rates, (P,).

        A backward pass that is not compiled finds them, once a kind.
        """
        kind = _constants(common)
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


@dataclass
class _Step:
    """A step bound to its parameters and moments; `call` takes the rates, (P,), and the inputs."""

    call: Callable[..., tuple[Tensor, Tensor]]
    factors: Tensor
    parameter: Tensor  # one that it moves, ...
    address: int  # ... where that lay ...
    mean: Tensor  # ... and its first moment

    def holds(self, adam: torch.optim.Adam) -> bool:
        """Whether parameters and moments are where they were; all are replaced at a time."""
        lies = self.parameter.data_ptr() == self.address
        return lies and adam.state[self.parameter].get("exp_avg") is self.mean


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
    return state["exp_avg"], state["exp_avg_sq"], state["step"]


def _constants(common: tuple) -> tuple:
    """What of a loss's common inputs is not a tensor, and so is a part of the function."""
    return tuple(value for value in common if not isinstance(value, Tensor))
