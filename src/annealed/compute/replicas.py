"""Seeds side by side: their parameters stacked, one forward and backward pass for all."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch._dynamo.exc import TorchDynamoException
from torch.func import functional_call, vmap

from annealed.compute.compiling import compiled, reason
from annealed.utils.errors import UsageError


class Replicas(nn.Module):
    """Modules of one kind, one a seed, whose parameters are slices of stacked ones, (R, ...).

    Each member stays usable: its parameters are views of its slices, so it can be scored or saved
    at any time. Replicas are independent: the loss is a sum over them.
    """

    def __init__(self, members: list[nn.Module], fast: bool = False, products: str = "torch"):
        super().__init__()
        self.members = tuple(members)  # a tuple, so that no parameter is registered twice
        device = next(members[0].parameters()).device
        self.compiled = compiled(stacked_loss, device, products) if fast else None
        self.names = [name for name, _ in members[0].named_parameters()]
        self.transposed = len(members) > 1
        self.proven = False  # whether a step side by side has succeeded
        for name in self.names:
            stack = torch.stack([module.get_parameter(name).detach() for module in members])
            stack = transpose_stack(stack, self.transposed).contiguous()
            self.register_parameter(_key(name), nn.Parameter(stack))
        # walking through modules for them takes a tenth of a small step
        self.stacks, self.first = list(self.parameters()), list(members[0].parameters())
        self._tie_members()

    def _tie_members(self) -> None:
        """Make the members' parameters views of the stacks, and stack the buffers that differ."""
        for name, stack in self.stacked().items():
            for module, value in zip(self.members, stack.detach(), strict=True):
                module.get_parameter(name).data = value
        buffers = [dict(module.named_buffers()) for module in self.members]
        first = buffers[0]
        different = {n for n in first if any(not torch.equal(first[n], b[n]) for b in buffers)}
        self.buffers_by_name = {
            n: torch.stack([b[n] for b in buffers]) if n in different else first[n] for n in first
        }
        self.buffer_dims = {n: 0 if n in different else None for n in first}

    def stacked(self) -> dict[str, Tensor]:
        """The parameters (R, ...) by the name they have in each member."""
        pairs = zip(self.names, self.stacks, strict=True)
        return {name: transpose_stack(stack, self.transposed) for name, stack in pairs}

    def model(self) -> tuple:
        """The first four arguments of `stacked_loss`."""
        return self.members[0], self.stacked(), self.buffers_by_name, self.buffer_dims

    def select(self, index: list[int], optimiser: torch.optim.Optimizer | None = None) -> None:
        """Go on with the replicas at `index` alone; the members that leave keep their values.

        The moments that `optimiser` has of the stacked parameters are cut to the same replicas.
        """
        for module in (m for i, m in enumerate(self.members) if i not in index):
            for parameter in module.parameters():
                parameter.data = parameter.data.clone()
        self.members = tuple(self.members[i] for i in index)
        self.first = list(self.members[0].parameters())
        for p in self.stacks:
            moments = optimiser.state.get(p, {}) if optimiser else {}
            for key, value in moments.items():
                if value.shape == p.shape:
                    moments[key] = value[index].clone()
            p.data, p.grad = p.data[index].clone(), None
        self._tie_members()

    def backward(self, per_replica: tuple[Tensor, ...], *common) -> Tensor:
        """Each replica's gradient, afresh; returns the metrics beside each loss, (R, ...).

        `per_replica` are the inputs of each replica, (R, ...), and `common` those of all; a module
        takes both and returns its loss and its metrics. Parameters that no loss reaches get no
        gradient. A replica alone and not compiled is handed Tensor.backward as `each`, to go
        through the parts of its loss one after another.
        """
        if len(self.members) == 1 and not self.compiled:
            (member,) = self.members
            for parameter in self.first:
                parameter.grad = None
            inputs = (value[0] for value in per_replica)
            _, metrics = member(*inputs, *common, each=Tensor.backward)
            self._set_gradients([parameter.grad for parameter in self.first], unstacked=True)
            return metrics[None]
        with self.explained():
            total, metrics = (self.compiled or stacked_loss)(*self.model(), per_replica, common)
        self._set_gradients(torch.autograd.grad(total, self.stacks, allow_unused=True))
        return metrics

    @contextmanager
    def explained(self) -> Iterator[None]:
        """Raise UsageError where a module cannot be computed side by side or compiled."""
        try:
            yield
        except RuntimeError as error:
            other = self.proven and not isinstance(error, TorchDynamoException)
            if other or isinstance(error, torch.OutOfMemoryError):
                raise
            raise UsageError(
                f"{type(self.members[0]).__name__} cannot be trained side by side or compiled "
                f"({reason(error)}); use trainer.replicas=1 and trainer.compile=false."
            ) from error
        self.proven = True

    def _set_gradients(self, gradients: Iterable[Tensor | None], unstacked: bool = False) -> None:
        """Set the gradients of the stacks; `unstacked` ones are those of the only member."""
        for p, gradient in zip(self.stacks, gradients, strict=True):
            if gradient is not None and unstacked:
                gradient = transpose_stack(gradient[None], self.transposed)
            p.grad = None if gradient is None else gradient.contiguous()

    def gradient_norms(self) -> Tensor:
        """The Euclidean norm of each replica's whole gradient, (R,)."""
        return norms_of(p.grad for p in self.stacks if p.grad is not None)

    def clip(self, norms: Tensor, limit: float) -> None:
        """Scale each replica's gradient down to the norm `limit` where its norm is above it."""
        for p in self.stacks:
            if p.grad is not None:
                p.grad.mul_(clip_factors(norms, limit, p))


def transpose_stack(stack: Tensor, transposed: bool) -> Tensor:
    """Matrices of several replicas, transposed: batched products return gradients so.

    Any other way round every gradient of a linear map is copied, a sixth of a step.
    """
    return stack.mT if transposed and stack.dim() == 3 else stack


def norms_of(gradients: Iterable[Tensor]) -> Tensor:
    """The Euclidean norm of each replica's whole gradient, parts (R, ...) -> (R,)."""
    squares = [g.reshape(len(g), -1).square().sum(1) for g in gradients]
    return torch.stack(squares).sum(0).sqrt()


def clip_factors(norms: Tensor, limit: float, like: Tensor) -> Tensor:
    """What scales each replica's gradient down to the norm `limit`, for parts of `like`'s shape."""
    scale = (limit / (norms + 1e-6)).clamp(max=1.0)
    return scale.reshape(-1, *[1] * (like.dim() - 1))


def stacked_loss(
    module: nn.Module,
    stacked: dict[str, Tensor],
    buffers: dict[str, Tensor],
    buffer_dims: dict[str, int | None],
    per_replica: tuple[Tensor, ...],
    common: tuple,
) -> tuple[Tensor, Tensor]:
    """The losses of all replicas summed, and the metrics of each, (R, ...); see `backward`."""

    def one_loss(parameters, buffers, per_replica):
        return functional_call(module, (parameters, buffers), (*per_replica, *common))

    if len(per_replica[0]) == 1:  # a batched product of one is slower than a plain one
        unstacked = {name: stack.squeeze(0) for name, stack in stacked.items()}
        loss, metrics = one_loss(unstacked, buffers, tuple(value[0] for value in per_replica))
        return loss, metrics[None]
    losses, metrics = vmap(one_loss, in_dims=(0, buffer_dims, 0))(stacked, buffers, per_replica)
    return losses.sum(), metrics


def _key(name: str) -> str:
    return name.replace(".", "/")
