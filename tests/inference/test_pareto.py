import math

import numpy as np
import pytest
import torch
from arviz import psislw

from annealed.inference.pareto import pareto_k, tail_length


def k_of(log_w: torch.Tensor) -> torch.Tensor:
    keep = min(tail_length(len(log_w)) + 1, len(log_w))
    return pareto_k(log_w.topk(keep, dim=0).values.flip(0))


@pytest.mark.parametrize("samples", [50, 500, 5000])
@pytest.mark.parametrize("spread", [0.3, 1.0, 3.0])
def test_agrees_with_arviz(samples, spread):
    g = torch.Generator().manual_seed(samples)
    log_w = spread * torch.randn(samples, 8, generator=g, dtype=torch.float64) - 90.0
    _, expected = psislw(log_w.T.numpy().copy())
    np.testing.assert_allclose(k_of(log_w).numpy(), np.asarray(expected), rtol=0, atol=2e-3)


@pytest.mark.parametrize("shape", [0.2, 0.5, 1.0])
def test_finds_the_shape_of_pareto_weights(shape):
    g = torch.Generator().manual_seed(0)
    uniforms = torch.rand(20_000, 20, generator=g, dtype=torch.float64)
    weights = ((1 - uniforms) ** -shape - 1) / shape
    assert abs(k_of(weights.log()).mean().item() - shape) < 0.08


@pytest.mark.parametrize("kind", [torch.float32, torch.float64])
def test_one_weight_beside_which_a_million_are_nothing_is_the_worst_that_there_is(kind):
    g = torch.Generator().manual_seed(0)
    log_w = torch.randn(1_000_000, 1, generator=g, dtype=kind) - 2000.0
    log_w[0] = 0.0
    assert k_of(log_w).tolist() == [math.inf]


def test_weights_without_spread_or_number_are_said_to_be_so():
    assert k_of(torch.zeros(500, 2, dtype=torch.float64)).tolist() == [-math.inf, -math.inf]
    assert k_of(torch.randn(10, 2, dtype=torch.float64)).isnan().all()
