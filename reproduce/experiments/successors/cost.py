"""What a training step of a row costs beside HVI's: evaluations of the decoder, time, memory."""

import json
import tempfile
import time
from collections.abc import Sequence
from itertools import accumulate
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.profiler import ProfilerActivity, profile

from annealed import config as configuration
from annealed.config.registry import method_class
from annealed.inference.objectives import path_terms
from annealed.methods.base import Method
from annealed.utils import randomness
from reproduce.experiments.successors.design import REFERENCE, Steps
from reproduce.results.timing import interleaved

PIXELS = 784
MODES = [(i + 0.5) / 10 for i in range(10)]  # the uniforms of ten steps: a rho of tenths is exact


class Counts:
    """Points z that a decoder was given, and those that a gradient came back to."""

    def __init__(self):
        self.calls = self.gradients = 0


class Probe(torch.autograd.Function):
    """The identity; counts the points of its argument, and of each gradient that passes back."""

    @staticmethod
    def forward(z: Tensor, counts: Counts) -> Tensor:
        """z (..., D) itself."""
        counts.calls += z.shape[:-1].numel()
        return z.view_as(z)

    @staticmethod
    def setup_context(ctx, inputs: tuple[Tensor, Counts], output: Tensor) -> None:
        """Keep where to count."""
        ctx.counts = inputs[1]

    @staticmethod
    def backward(ctx, slope: Tensor) -> tuple[Tensor, None]:
        """The gradient itself; that a further gradient passes it is no gradient in z."""
        ctx.counts.gradients += slope.shape[:-1].numel()
        return slope.view_as(slope), None


class Counted(nn.Module):
    """A decoder that counts its calls and the gradients in z that are taken of it, in points."""

    def __init__(self, decoder: nn.Module):
        super().__init__()
        self.decoder, self.counts = decoder, Counts()

    def forward(self, z: Tensor) -> Tensor:
        """What the decoder gives."""
        return self.decoder(Probe.apply(z, self.counts))


class Step:
    """Training steps of a row on a batch of random images; `overrides` are of its configuration."""

    def __init__(self, row: str, batch: int, seed: int = 0, overrides: Sequence[str] = ()):
        config = configuration.load(row, ["preset=short", f"seed={seed}", *overrides])
        self.method: Method = method_class(config.method)(config, PIXELS)
        self.adam = torch.optim.Adam(self.method.parameters(), 1e-4, fused=True)
        objective = self.method.objective
        levels = randomness.uniform((batch, PIXELS), seed, "binarise", 0)
        self.grey = (255 * levels).to(torch.uint8)
        self.uniforms = randomness.uniform((batch, PIXELS), seed, "binarise", 1)
        sizes, extra = (objective.samples, batch, 0), objective.extra_draws
        self.noise = self.method.noise("posterior", *sizes, extra_draws=extra)
        self.modes = [objective.draw_mode(uniform) for uniform in MODES]

    def loss(self, mode: float, each=None) -> Tensor:
        """The loss of a step whose objective's mode is `mode`; `each`: see `total_loss`."""
        one = torch.ones(())
        return self.method(self.grey, self.uniforms, self.noise, mode, one, one, each)[0]

    def take(self, mode: float) -> None:
        """The step: loss, gradients, Adam."""
        self.adam.zero_grad()
        self.loss(mode, Tensor.backward)
        self.adam.step()

    def ten(self) -> float:
        """Ten steps, of each mode as many as in training; returns their CPU seconds."""
        began = time.process_time()
        for mode in self.modes:
            self.take(mode)
        return time.process_time() - began


def evaluations(row: str, batch: int, overrides: Sequence[str] = ()) -> dict[str, float]:
    """Evaluations of the decoder an image, counted by running `row` with a decoder that counts.

    `sample_calls` and `sample_gradients` are those of one sample of the ELBO: decoder calls, and
    gradients d log p(x, z) / dz. `step_calls` and `step_gradients` are those of a training step,
    the mean over ten: its gradients are all that pass back to a z, those of the loss and those
    through the gradients of the path (second derivatives) among them.
    """
    step = Step(row, batch, overrides=overrides)
    step.method.target.decoder = counted = Counted(step.method.target.decoder)
    x = step.method.target.read(step.grey, step.uniforms)
    noise = step.method.noise("evaluate", 1, batch, 0)
    with torch.no_grad():
        path_terms(step.method.target, x, step.method.posterior(x, noise))
    sample, counted.counts = counted.counts, Counts()
    for mode in step.modes:
        step.loss(mode, Tensor.backward)
    whole, points = counted.counts, batch * len(step.modes)
    return {
        "sample_calls": sample.calls / batch,
        "sample_gradients": sample.gradients / batch,
        "step_calls": whole.calls / points,
        "step_gradients": whole.gradients / points,
    }


def peak(step: Step) -> float:
    """The most MB that torch allocates beside weights and Adam's state in ten steps on the CPU."""
    step.ten()  # makes Adam's state
    step.adam.zero_grad()
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        step.ten()
    with tempfile.TemporaryDirectory() as folder:
        trace = Path(folder, "trace.json")
        profiler.export_chrome_trace(str(trace))
        events = json.loads(trace.read_text(encoding="utf-8"))["traceEvents"]
    memory = [e for e in events if e.get("name") == "[memory]"]
    changes = [e["args"]["Bytes"] for e in sorted(memory, key=lambda e: e["args"]["Ev Idx"])]
    return max(accumulate(changes)) / 2**20


def measure(rows: Sequence[str], budget: Steps, seed: int) -> dict[str, dict[str, float]]:
    """The costs of each of `rows`, REFERENCE among them, by row.

    A step is the mean of ten. Rows take turns in this process; `milliseconds` are the median over
    rounds, of the CPU. `time_ratio` and `memory_ratio` are to REFERENCE's.
    """
    steps = {row: Step(row, budget.batch, seed) for row in rows}
    seconds = interleaved({row: step.ten for row, step in steps.items()}, budget.rounds)
    megabytes = {row: peak(step) for row, step in steps.items()}
    return {
        row: {
            **evaluations(row, budget.batch),
            "milliseconds": 1e3 * seconds[row] / len(MODES),
            "time_ratio": seconds[row] / seconds[REFERENCE],
            "megabytes": megabytes[row],
            "memory_ratio": megabytes[row] / megabytes[REFERENCE],
        }
        for row in rows
    }
