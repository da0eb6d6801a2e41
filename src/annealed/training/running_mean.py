"""Means that are taken in piece by piece, and over the processes of a run."""

from torch import Tensor


class Mean:
    """A running mean of tensors of one shape, on their device and in their precision."""

    def __init__(self):
        self.total, self.count = 0.0, 0

    def add(self, value: Tensor, weight: int = 1) -> None:
        """Take in `value`, the mean of `weight` items."""
        self.total, self.count = self.total + weight * value, self.count + weight

    @property
    def value(self) -> Tensor:
        """The mean so far."""
        return self.total / self.count


def sums_of(means: dict[str, Mean]) -> dict[str, tuple[Tensor, int]]:
    """The totals, on the CPU, and the counts of `means`, by name, to send to another process."""
    return {name: (mean.total.cpu(), mean.count) for name, mean in means.items()}


def pooled(sums: tuple[dict[str, tuple[Tensor, int]], ...]) -> dict[str, Mean]:
    """The means, by name, over all processes, from each one's totals and counts."""
    means: dict[str, Mean] = {}
    for by_name in sums:
        for name, (total, count) in by_name.items():
            mean = means.setdefault(name, Mean())
            mean.total, mean.count = mean.total + total, mean.count + count
    return means
