"""The bootstrap over seeds and images: each draw one at a time, and its exact moments."""

import numpy as np
import pytest

from annealed.utils import randomness
from reproduce.results import bootstrap

G = np.random.default_rng(0)


def test_each_mean_is_that_of_the_seeds_and_images_that_were_drawn():
    values = G.normal(size=(2, 4, 30))
    means = bootstrap.means(values, 4, 30)
    assert means.shape == (bootstrap.RESAMPLES, 2)
    rng = np.random.default_rng(randomness.derive(0, "usage", 4, 30))
    for actual in means[:50]:
        seeds, images = rng.integers(4, size=4), rng.integers(30, size=30)
        np.testing.assert_allclose(actual, values[:, seeds][:, :, images].mean((1, 2)), atol=1e-14)


@pytest.mark.parametrize(("seeds", "images"), [(3, 40), (1, 40), (6, 1), (2, 700)])
def test_mean_and_variance_over_draws_are_those_of_all_that_are_possible(seeds, images):
    values = G.normal(size=(seeds, images)) + G.normal(size=(seeds, 1)) + G.normal(size=images)
    means = bootstrap.means(values, seeds, images)
    # by the variance of a mean of draws, first given the seeds and then over them
    seed, image = values - values.mean(0), values - values.mean(1, keepdims=True)
    both = image - image.mean(0)
    variance = (seed.mean(1) ** 2).mean() / seeds + (image.mean(0) ** 2).mean() / images
    variance += (both**2).mean() / (seeds * images)
    error = 5 * (variance / bootstrap.RESAMPLES) ** 0.5
    assert means.mean() == pytest.approx(values.mean(), abs=error)
    assert means.var() == pytest.approx(variance, rel=0.1)


def test_another_key_gives_other_draws_and_the_same_one_the_same():
    values = G.normal(size=(3, 20))
    first, again, other = (bootstrap.means(values, key) for key in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
