import math
from decimal import Decimal, getcontext

import numpy as np
import pytest
import torch
from scipy import stats

from annealed.models.likelihoods import bernoulli, log_partition
from annealed.models.logistic import (
    CEILING,
    FLOOR,
    DiscretisedLogistic,
    LogisticMixture,
    level_log_prob,
    log_scale,
)
from annealed.utils import randomness

ALL = torch.arange(256, dtype=torch.float64) / 255


def raw_of(scale: torch.Tensor) -> torch.Tensor:
    """What the decoder returns for a log-scale above the floor: the inverse of `log_scale`."""
    return FLOOR + torch.log(torch.expm1(scale - FLOOR))


def test_bernoulli_is_that_of_torch_distributions_also_far_out():
    logits = torch.linspace(-80, 80, 2 * 3 * 5, dtype=torch.float64).reshape(2, 3, 5)
    x = (torch.arange(15).reshape(3, 5) % 2).double()
    expected = torch.distributions.Bernoulli(logits=logits).log_prob(x).sum(-1)
    torch.testing.assert_close(bernoulli(logits, x), expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("width", [1, 5, 64, 96, 784])
def test_without_gradients_the_bernoulli_is_the_same_number(width):
    g = torch.Generator().manual_seed(width)
    logits = 20 * torch.randn(3, 7, width, generator=g, dtype=torch.float64)
    logits[0, 0], logits[0, 1], logits[0, 2] = 0.0, 1e4, -1e4  # 0: the largest product
    expected = torch.logaddexp(logits, torch.zeros(())).sum(-1)
    torch.testing.assert_close(log_partition(logits), expected, rtol=1e-12, atol=width * 2.1e-9)
    with torch.no_grad():
        torch.testing.assert_close(log_partition(logits), expected, rtol=1e-13, atol=1e-12)
        single = log_partition(logits.float()).double()
    torch.testing.assert_close(single, expected, rtol=1e-6, atol=1e-4)


@pytest.mark.parametrize("kind", [torch.float32, torch.float64])
def test_the_gradient_of_the_bernoulli_is_the_probability_also_at_zero_and_far_out(kind):
    logits = torch.tensor([0.0, -0.0, 1e-30, 3.0, -3.0, 40.0, -40.0, 1e4, -1e4], dtype=kind)
    logits.requires_grad_()
    (gradient,) = torch.autograd.grad(log_partition(logits), logits)
    torch.testing.assert_close(gradient, logits.detach().sigmoid())
    single = log_partition(torch.full((784,), -20.0, dtype=kind, requires_grad=True))
    assert abs(single.item() - 784 * math.log1p(math.exp(-20))) < 784 * torch.finfo(kind).eps


def test_without_gradients_what_is_not_a_number_stays_so():
    logits = torch.zeros(4, 64)
    logits[0, 3], logits[1, 5], logits[2, 7] = torch.nan, torch.inf, -torch.inf
    with torch.no_grad():
        actual = log_partition(logits)
    assert actual[0].isnan()
    assert actual[1] == torch.inf
    assert actual[2:].tolist() == pytest.approx([63 * math.log(2), 64 * math.log(2)])


@pytest.mark.parametrize("raw", [-100.0, -7.0, -3.0, 0.0, 4.0, 100.0])
@pytest.mark.parametrize("loc", [-1e3, -1.0, -0.3, 0.0, 1 / 255, 0.9999, 7.0])
def test_the_256_levels_sum_to_one(loc, raw):
    loc, raw = torch.tensor([[loc]]).double(), torch.tensor([[raw]]).double()
    total = level_log_prob(loc, raw, ALL).exp().sum()
    assert abs(total - 1.0) < 1e-12
    mixture, g = LogisticMixture(3), torch.Generator().manual_seed(0)
    logits = torch.randn(3, generator=g, dtype=torch.float64)
    spread = torch.cat([logits, loc[0] + torch.arange(3) / 7, raw[0] + torch.arange(3)])
    each = mixture(spread.expand(1, 256, -1), ALL[:, None])
    assert abs(each.exp().sum() - 1.0) < 1e-12


def exact(loc: float, scale: float, level: int) -> Decimal:
    """The mass of a level's bin as a difference of two logistic CDFs, in 1,200 digits."""
    getcontext().prec = 1200  # a tail is 10^-950

    def cdf(pixel: Decimal) -> Decimal:
        return 1 / (1 + (-(pixel - Decimal(loc)) / Decimal(scale).exp()).exp())

    centre, half = 2 * Decimal(level) / 255 - 1, Decimal(1) / 255
    above = Decimal(1) if level == 255 else cdf(centre + half)
    return above - (Decimal(0) if level == 0 else cdf(centre - half))


@pytest.mark.parametrize("level", [0, 1, 128, 255])
@pytest.mark.parametrize("scale", [-6.9, -3.0, 3.0])
@pytest.mark.parametrize("loc", [-1.2, 0.0021])
def test_a_level_has_the_mass_of_its_bin_also_far_from_the_location(loc, scale, level):
    raw = raw_of(torch.tensor([scale], dtype=torch.float64))
    scale = log_scale(raw).item()  # as rounded
    actual = level_log_prob(torch.tensor([loc], dtype=torch.float64), raw, ALL[level])
    expected = float(exact(loc, scale, level).ln())
    assert actual.item() == pytest.approx(expected, rel=1e-9, abs=1e-12)


def test_a_scale_stays_between_floor_and_ceiling_and_is_its_output_well_above_the_floor():
    raw = torch.tensor([-1e4, FLOOR, 0.0, 3.0, 1e4], dtype=torch.float64)
    actual = log_scale(raw)
    assert actual[0] == FLOOR
    assert actual[1] == pytest.approx(FLOOR + math.log(2))
    torch.testing.assert_close(actual[2:4], raw[2:4], rtol=0, atol=1e-3)
    assert actual[4] == CEILING


@pytest.mark.parametrize("likelihood", [DiscretisedLogistic(), LogisticMixture(2)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_values_and_gradients_are_finite_at_extremes(likelihood, dtype):
    extremes = torch.tensor([-1e6, -300.0, -7.0, 0.0, 7.0, 300.0, 1e6])
    count = likelihood.parameters
    grid = torch.cartesian_prod(*[extremes] * 3)[:, torch.arange(count) % 3]
    outputs = grid.to(dtype).requires_grad_()
    for x in (0.0, 1 / 255, 0.5, 254 / 255, 1.0):
        log_prob = likelihood(outputs[None], torch.full((len(grid), 1), x))
        assert log_prob.dtype == torch.float32
        assert torch.isfinite(log_prob).all()
        (gradient,) = torch.autograd.grad(log_prob.sum(), outputs)
        assert torch.isfinite(gradient).all()
        assert (log_prob <= 1e-6).all()


def test_the_gradient_is_that_of_finite_differences():
    g = torch.Generator().manual_seed(0)
    for likelihood in (DiscretisedLogistic(), LogisticMixture(2)):
        outputs = torch.randn(3, 4, likelihood.parameters * 5, generator=g, dtype=torch.float64)
        x = torch.randint(0, 256, (4, 5), generator=g) / 255.0
        x[0, 0], x[1, 1] = 0.0, 1.0
        assert torch.autograd.gradcheck(
            lambda o, x=x, p=likelihood: p(o, x.double()), outputs.requires_grad_()
        )


def test_a_mixture_is_the_weighted_sum_of_its_components_value_by_value():
    g = torch.Generator().manual_seed(0)
    logits, loc, raw = torch.randn(3, 2, 4, 3, 5, generator=g, dtype=torch.float64)  # S, B, K, X
    x = torch.randint(0, 256, (4, 5), generator=g).double() / 255
    outputs = torch.stack([logits, loc, raw], dim=2).flatten(2)
    expected = torch.zeros(2, 4, dtype=torch.float64)
    weights = logits.exp() / logits.exp().sum(2, keepdim=True)
    for s, b, i in np.ndindex(2, 4, 5):
        one = DiscretisedLogistic()
        parts = [
            weights[s, b, k, i]
            * one(torch.stack([loc[s, b, k, i], raw[s, b, k, i]])[None, None], x[b, i][None])
            .exp()
            .squeeze()
            for k in range(3)
        ]
        expected[s, b] += sum(parts).log()
    torch.testing.assert_close(LogisticMixture(3)(outputs, x), expected, rtol=0, atol=1e-10)


@pytest.mark.parametrize("likelihood", [DiscretisedLogistic(), LogisticMixture(3)])
def test_draws_have_the_levels_probabilities(likelihood):
    outputs = torch.tensor(
        {2: [0.9, -2.0], 9: [0.5, 0, 1, -1, 0.9, 0.2, -2, -4, -1.0]}[likelihood.parameters]
    ).double()
    n = 20_000
    uniforms = randomness.uniform((n, 1), 0, "pictures").double()
    drawn = (255 * likelihood.draw(outputs.expand(n, -1), uniforms)).round().long().squeeze()
    expected = n * likelihood(outputs.expand(1, 256, -1), ALL[:, None]).exp().squeeze().numpy()
    counts = np.bincount(drawn, minlength=256)
    bins = (np.cumsum(expected) // 50).astype(int)
    seen, wanted = (np.bincount(bins, weights=w) for w in (counts, expected))
    some = wanted > 10
    assert some.sum() > 20
    assert (
        stats.chisquare(seen[some], wanted[some] * seen[some].sum() / wanted[some].sum()).pvalue
        > 1e-3
    )
    assert (drawn == 255).any()


def test_a_mean_is_the_location_where_the_density_lies_within_the_range():
    outputs = torch.tensor([[0.5, -5.0], [3.0, -5.0]])
    assert DiscretisedLogistic().mean(outputs).flatten().tolist() == [0.75, 1.0]
    mixed = torch.tensor([[0.0, 0.0, -0.5, 0.5, -5.0, -5.0]])
    assert LogisticMixture(2).mean(mixed).item() == pytest.approx(0.5)


def test_levels_are_read_as_they_are_and_binary_pixels_by_their_uniforms():
    grey = torch.arange(256, dtype=torch.uint8)[None]
    uniforms = randomness.uniform((1, 256), 0, "binarise")
    assert torch.equal(DiscretisedLogistic().read(grey, uniforms), grey / 255)
    assert torch.equal(bernoulli.read(grey, uniforms), randomness.binarise(grey, uniforms))
