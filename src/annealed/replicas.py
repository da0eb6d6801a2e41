"""Seeds side by side: their parameters stacked, one forward and backward pass for all."""

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap

from annealed import randomness
from annealed.compiling import compiled
from annealed.method import Method


class Replicas(nn.Module):
    """Methods of one row, one a seed, whose parameters are slices of stacked ones, (R, ...).

    Each method stays whole: it shares memory with its slice, so it can be scored or saved at any
    time. What one replica does never reaches another: the loss is a sum over replicas.
    """

    def __init__(self, methods: list[Method], fast: bool = False):
        super().__init__()
        self.methods = tuple(methods)  # a tuple, so that no parameter is registered twice
        self.compiled = compiled(together, methods[0].device) if fast else None
        self.names = [name for name, _ in methods[0].named_parameters()]
        for name in self.names:
            slices = [method.get_parameter(name).detach() for method in methods]
            self.register_parameter(_key(name), nn.Parameter(torch.stack(slices)))
        self._tie()

    def _tie(self) -> None:
        for name, stack in self.stacked().items():
            for method, value in zip(self.methods, stack.detach(), strict=True):
                method.get_parameter(name).data = value
        buffers = [dict(method.named_buffers()) for method in self.methods]
        first = buffers[0]
        own = {n for n in first if any(not torch.equal(first[n], b[n]) for b in buffers)}
        self.buffers_by_name = {
            n: torch.stack([b[n] for b in buffers]) if n in own else first[n] for n in first
        }
        self.buffer_dims = {n: 0 if n in own else None for n in first}

    def stacked(self) -> dict[str, nn.Parameter]:
        """The parameters (R, ...) by the name they have in each method."""
        return {name: self.get_parameter(_key(name)) for name in self.names}

    def keep(self, index: list[int], optimiser: torch.optim.Optimizer | None = None) -> None:
        """Go on with the replicas at `index` alone; what leaves keeps its values as they are.

        The moments that `optimiser` has of the stacked parameters are cut to the same replicas.
        """
        leaving = [m for i, m in enumerate(self.methods) if i not in index]
        for method in leaving:
            for parameter in method.parameters():
                parameter.data = parameter.data.clone()
        self.methods = tuple(self.methods[i] for i in index)
        for stack in self.stacked().values():
            moments = optimiser.state.get(stack, {}) if optimiser else {}
            for key, value in moments.items():
                if value.shape == stack.shape:
                    moments[key] = value[index].clone()
            stack.data, stack.grad = stack.data[index].clone(), None
        self._tie()

    def backward(
        self, grey: Tensor, uniforms: Tensor, noise: Tensor, choice: float, warmth: list[Tensor]
    ) -> Tensor:
        """Add each replica's gradient for its own batch; returns the means of SUMMARY, (R, 3).

        grey (R, B, X) uint8 and uniforms (R, B, X) make the binary batch, noise (R, draws, S, B, D)
        the path. `warmth` holds beta and temper. Parameters that no loss reaches get no gradient.
        """
        batch = (grey, uniforms, noise)
        if len(self.methods) == 1 and not self.compiled:  # part by part, as the objective has them
            x = randomness.binarise(grey[0], uniforms[0]).to(noise.dtype)
            alone = {name: stack.squeeze(0) for name, stack in self.stacked().items()}
            arguments = (x, noise[0], choice, *warmth, Tensor.backward)
            _, means = functional_call(self.methods[0], alone, arguments)
            return means[None]
        loss = self.compiled or together
        model = (self.methods[0], self.stacked(), self.buffers_by_name, self.buffer_dims)
        total, means = loss(*model, *batch, choice, *warmth)
        total.backward()
        return means

    def gradient_norms(self) -> Tensor:
        """The Euclidean norm of each replica's whole gradient, (R,)."""
        found = [p.grad for p in self.parameters() if p.grad is not None]
        return torch.stack([g.reshape(len(g), -1).square().sum(1) for g in found]).sum(0).sqrt()

    def clip(self, norms: Tensor, limit: float) -> None:
        """Scale each replica's gradient down to the norm `limit` where its norm is above it."""
        scale = (limit / (norms + 1e-6)).clamp(max=1.0)
        for p in self.parameters():
            if p.grad is not None:
                p.grad.mul_(scale.reshape(-1, *[1] * (p.dim() - 1)))


def together(
    method: Method,
    stacked: dict[str, Tensor],
    buffers: dict[str, Tensor],
    buffer_dims: dict[str, int | None],
    grey: Tensor,
    uniforms: Tensor,
    noise: Tensor,
    choice: float,
    beta: Tensor,
    temper: Tensor,
) -> tuple[Tensor, Tensor]:
    """The losses of all replicas summed, and their means of SUMMARY, (R, 3); see `backward`."""
    x = randomness.binarise(grey, uniforms).to(noise.dtype)

    def one(parameters, buffers, x, noise):
        return functional_call(method, (parameters, buffers), (x, noise, choice, beta, temper))

    losses, means = vmap(one, in_dims=(0, buffer_dims, 0, 0))(stacked, buffers, x, noise)
    return losses.sum(), means


def _key(name: str) -> str:
    return name.replace(".", "/")
