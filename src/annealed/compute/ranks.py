"""The processes that train one run together: each one's share of a batch, and sums over all."""

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor


class Ranks:
    """A process, `rank` of `world`, among those that train one run.

    All have the same global batch and noise and each takes a slice, so that together they see what
    one process would. With a world of one nothing is cut, sent or rounded.
    """

    def __init__(self, rank: int = 0, world: int = 1):
        self.rank, self.world = rank, world

    @property
    def leads(self) -> bool:
        """Whether this process is the one that writes, logs and scores."""
        return self.rank == 0

    def share(self, batch: int) -> tuple[slice, float]:
        """The slice of a global batch that this process takes, and its weight in the batch's mean.

        With fewer images than processes some have none: such a one takes the first at weight 0,
        since only a backward pass shows which parameters get a gradient.
        """
        first, end = (r * batch // self.world for r in (self.rank, self.rank + 1))
        if first == end:
            return slice(0, 1), 0.0
        return slice(first, end), (end - first) / batch

    def takes(self, index: int) -> bool:
        """Whether this process takes the validation batch `index`."""
        return index % self.world == self.rank

    def mean(self, values: list[Tensor], weight: float) -> list[Tensor]:
        """The sums over all processes of each of `values` times its process's `weight`.

        One message; every process gets the same bits.
        """
        if self.world == 1:
            return values
        flat = weight * torch.cat([value.reshape(-1) for value in values])
        dist.all_reduce(flat)
        sums = flat.split([value.numel() for value in values])
        return [total.view(value.shape) for total, value in zip(sums, values, strict=True)]

    def gather(self, value: Any) -> list[Any]:
        """The `value` of each process, by rank."""
        if self.world == 1:
            return [value]
        values = [None] * self.world
        dist.all_gather_object(values, value)
        return values
