"""Seeds side by side: their parameters stacked, one forward and backward pass for all."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch._dynamo.exc import TorchDynamoException
from torch.func import functional_call, vmap

from annealed.compute.compiling import compiled
from annealed.utils.errors import UsageError


class Replicas(nn.Module):
    """Modules of one kind, one a seed, whose parameters are slices of stacked ones, (R, ...).

    Each member stays whole: it shares memory with its slice, so it can be scored or saved at any
    time. What one replica does never reaches another: the loss is a sum over replicas.
    """

    def __init__(self, members: list[nn.Module], fast: bool = False, products: str = "torch"):
        super().__init__()
        self.members = tuple(members)  # a tuple, so that no parameter is registered twice
        device = next(members[0].parameters()).device
        self.compiled = compiled(stacked_loss, device, products) if fast else None
        self.names = [name for name, _ in members[0].named_parameters()]
        self.transposed = len(members) > 1
        self.proven = False  # whether a step was ever taken side by side
        for name in self.names:
            stack = torch.stack([module.get_parameter(name).detach() for module in members])
            stack = transpose_stack(stack, self.transposed).contiguous()
            self.register_parameter(_key(name), nn.Parameter(stack))
        # walking through modules for them takes a tenth of a small step
        self.stacks, self.first = list(self.parameters()), list(members[0].parameters())
        self._tie()

    def _tie(self) -> None:
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
        """What `stacked_loss` needs to know of the replicas."""
        return self.members[0], self.stacked(), self.buffers_by_name, self.buffer_dims

    def keep(self, index: list[int], optimiser: torch.optim.Optimizer | None = None) -> None:
        """Go on with the replicas at `index` alone; what leaves keeps its values as they are.

        The moments that `optimiser` has of the stacked parameters are cut to the same replicas.
        """
        leaving = [m for i, m in enumerate(self.members) if i not in index]
        for module in leaving:
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
        self._tie()

    def backward(self, per_replica: tuple[Tensor, ...], *common) -> Tensor:
        """Each replica's gradient, afresh; returns the metrics beside each loss, (R, ...).

        `per_replica` are the inputs that replicas do not share, (R, ...), and `common` those they
        do; a module takes both and returns its loss and its metrics. Parameters that no loss
        reaches get no gradient. A replica alone and not compiled is handed Tensor.backward as
        `each`, to go through the parts of its loss one after another.
        """
        if len(self.members) == 1 and not self.compiled:
            (alone,) = self.members
            for parameter in self.first:
                parameter.grad = None
            _, metrics = alone(*(value[0] for value in per_replica), *common, each=Tensor.backward)
            self._take([parameter.grad for parameter in self.first], alone=True)
            return metrics[None]
        with self.explained():
            total, metrics = (self.compiled or stacked_loss)(*self.model(), per_replica, common)
        self._take(torch.autograd.grad(total, self.stacks, allow_unused=True))
        return metrics

    @contextmanager
    def explained(self) -> Iterator[None]:
        """Raise UsageError where a module cannot be computed side by side or compiled."""
        try:
            yield
        except RuntimeError as error:
            known = self.proven and not isinstance(error, TorchDynamoException)
            if known or isinstance(error, torch.OutOfMemoryError):
                raise
            reason = str(error).strip().partition("\n")[0]
            raise UsageError(
                f"{type(self.members[0]).__name__} cannot be trained side by side or compiled "
                f"({reason}); use trainer.replicas=1 and trainer.compile=false."
            ) from error
        self.proven = True

    def _take(self, gradients: Iterable[Tensor | None], alone: bool = False) -> None:
        """Make `gradients` those of the stacked parameters; `alone` means of the one member."""
        for p, gradient in zip(self.stacks, gradients, strict=True):
            if gradient is not None and alone:
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

    def one(parameters, buffers, per_replica):
        return functional_call(module, (parameters, buffers), (*per_replica, *common))

    if len(per_replica[0]) == 1:  # a batched product of one is slower than a plain one
        alone = {name: stack.squeeze(0) for name, stack in stacked.items()}
        loss, metrics = one(alone, buffers, tuple(value[0] for value in per_replica))
        return loss, metrics[None]
    losses, metrics = vmap(one, in_dims=(0, buffer_dims, 0))(stacked, buffers, per_replica)
    return losses.sum(), metrics


def _key(name: str) -> str:
    return name.replace(".", "/")
