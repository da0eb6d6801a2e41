from itertools import pairwise

import pytest

from annealed.inference.schedules import alphas, cyclical, linear_warmup, piecewise


def test_warm_up_rises_linearly_to_one_and_stays():
    assert [linear_warmup(step, 4) for step in range(6)] == [0.25, 0.5, 0.75, 1.0, 1.0, 1.0]
    assert linear_warmup(0, 0) == 1.0


def test_cyclical_beta_rises_and_stays_in_every_cycle():
    actual = [cyclical(step, 24, 3, 0.5) for step in range(24)]
    assert actual == [0.25, 0.5, 0.75, 1.0, 1.0, 1.0, 1.0, 1.0] * 3
    assert [cyclical(step, 8, 2, 0.0) for step in range(8)] == [1.0] * 8
    assert [cyclical(step, 8, 2, 1.0) for step in range(4)] == [0.25, 0.5, 0.75, 1.0]
    ragged = [cyclical(step, 10, 3, 0.5) for step in range(10)]
    assert min(ragged) > 0.0
    assert max(ragged) == 1.0


@pytest.mark.parametrize("kind", ["linear", "geometric"])
@pytest.mark.parametrize("first", [None, 0.05])
@pytest.mark.parametrize("steps", [1, 2, 5, 10])
def test_alphas_rise_to_one(kind, first, steps):
    actual = alphas(kind, steps, first)
    assert len(actual) == steps
    assert actual[-1] == 1.0
    assert actual[0] > 0.0
    assert all(a < b for a, b in pairwise(actual))


def test_alphas_have_the_spacing_of_their_name():
    assert alphas("linear", 4) == pytest.approx([0.25, 0.5, 0.75, 1.0])
    assert alphas("linear", 3, 0.2) == pytest.approx([0.2, 0.6, 1.0])
    assert alphas("geometric", 3, 0.01) == pytest.approx([0.01, 0.1, 1.0])
    with pytest.raises(ValueError, match="accepted: linear, geometric"):
        alphas("cosine", 3)
    for first in (0.0, 1.0, 1.5, float("nan")):
        with pytest.raises(ValueError, match=f"first of the alphas is {first}; accepted: above 0"):
            alphas("linear", 3, first)


def test_learning_rate_falls_at_its_milestones():
    actual = [piecewise(step, 100, [0.5, 0.9], [0.3, 0.1]) for step in (0, 49, 50, 89, 90, 99)]
    assert actual == [1.0, 1.0, 0.3, 0.3, 0.1, 0.1]
    assert piecewise(5, 10, [], []) == 1.0
