"""A function of tensors as a CUDA graph: one launch, however many kernels it has."""

from collections.abc import Callable

import torch
from torch import Tensor

WARM_UP = 3  # calls before recording, in which libraries load their kernels


class Captured:
    """`function`, from the call after WARM_UP on as a recorded graph.

    Its arguments are tensors that keep their shapes and types; what else it reads or writes must
    stay where it lies in memory. Results are copies, so later calls leave them alone. Where a
    function has 250 tensors, as a whole optimiser step of HVI, a replay is spared the checks of
    each that torch's own graphs make at every call.
    """

    def __init__(
        self, function: Callable[..., tuple[Tensor, ...]], recorder: Callable | None = None
    ):
        self.function, self.recorder = function, recorder or record
        self.calls, self.replay = 0, None

    def __call__(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        """What `function` returns of `inputs`."""
        self.calls += 1
        if self.calls <= WARM_UP:
            return self.function(*inputs)
        if self.replay is None:
            self.inputs = [value.clone() for value in inputs]
            self.replay = self.recorder(lambda: self.function(*self.inputs))
        else:
            for buffer, value in zip(self.inputs, inputs, strict=True):
                buffer.copy_(value)
        return tuple(value.clone() for value in self.replay())


def record(function: Callable[[], tuple[Tensor, ...]]) -> Callable[[], tuple[Tensor, ...]]:
    """`function` recorded, not run: each call of what comes back runs it, into the same tensors."""
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph, capture_error_mode="thread_local"):
        outputs = function()

    def replay() -> tuple[Tensor, ...]:
        graph.replay()
        return outputs

    return replay
