"""A captured function gives what the function gives; a whole step does, captured."""

import pytest
import torch
from side_by_side import training, walk
from test_compiled_step import assert_same, traced  # noqa: F401

from annealed.compute.cuda_graph import WARM_UP, Captured

CUDA = pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU is visible")


def recorded(function):
    """A stand-in for a graph: a replay calls the function on the recorded buffers."""
    return function


def test_a_replay_reads_the_inputs_of_its_call_and_leaves_earlier_results_alone():
    total = torch.zeros(())

    def function(a, b):
        total.add_(a.sum())
        return a * b, total

    captured, results = Captured(function, recorded), []
    for i in range(WARM_UP + 4):
        inputs = torch.full((2,), float(i)), torch.arange(2.0)
        before = [value.clone() for value in inputs]
        results.append(captured(*inputs))
        assert all(torch.equal(a, b) for a, b in zip(inputs, before, strict=True))
    for i, (product, _) in enumerate(results):
        assert product.tolist() == [0.0, float(i)]
    sums = [float(i * (i + 1)) for i in range(WARM_UP + 4)]
    assert [value.item() for _, value in results[WARM_UP:]] == sums[WARM_UP:]


@pytest.mark.usefixtures("traced")
@pytest.mark.parametrize("seeds", [1, 3])
def test_captured_steps_are_the_plain_ones_also_after_a_seed_left_and_a_state_was_loaded(
    seeds, grey
):
    fast, other = training("hvi_avo", range(seeds), "method.avo.rho=0.5", "trainer.compile=true")
    plain, adam = training("hvi_avo", range(seeds), "method.avo.rho=0.5")
    fast.whole.capture = lambda call: Captured(call, recorded)
    for module, optimiser in ((fast, other), (plain, adam)):
        module.metrics_seen = [walk(module, optimiser, 9, grey)]
        optimiser.load_state_dict(optimiser.state_dict())
        module.metrics_seen.append(walk(module, optimiser, 9, grey))
        module.replicas.select([seeds - 1], optimiser)
        module.metrics_seen.append(walk(module, optimiser, 9, grey))
    for actual, expected in zip(fast.metrics_seen, plain.metrics_seen, strict=True):
        torch.testing.assert_close(actual, expected, rtol=0, atol=1e-10)
    assert_same(fast, other, plain, adam, 1e-10)


@CUDA
def test_on_a_gpu_steps_as_cuda_graphs_are_those_without(grey):
    options = ["trainer.compile=true", "method.avo.rho=0.5"]
    metrics = []
    for graphs in (True, False):
        module, adam = training("hvi_avo", range(2), *options, device="cuda")
        if not graphs:
            module.whole.capture = None
        metrics.append(walk(module, adam, 12, grey.cuda()))
    torch.testing.assert_close(*metrics, rtol=0, atol=1e-8)
