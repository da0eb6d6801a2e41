"""The published order of rows, against the order of made-up seeds."""

from itertools import product

import numpy as np
import pytest
from results import bounds, commit_made_up
from scipy import stats

from reproduce.results import bootstrap, order
from reproduce.table import published_order

PUBLISHED = ("hvi_avo", "cc_lin_iaf", "iaf", "vae", "hvi")
METRICS = bounds([-91.0, -90.0])


def committed(results, nll, overrides=("preset=paper",), images=40, spread=0.0):
    """Runs of the rows of `nll`, whose values are the NLLs of their seeds, nats."""
    g = np.random.default_rng(0)
    of_image = spread * g.normal(size=images)
    of_image -= of_image.mean()
    return [
        commit_made_up(results, row, seed, METRICS, -(value + of_image), *overrides)
        for row, values in nll.items()
        for seed, value in enumerate(values)
    ]


def test_pairs_are_of_the_rows_with_a_published_number_the_better_first(tmp_path):
    nll = {row: [86.0 + i + 0.1 * s for s in range(3)] for i, row in enumerate(PUBLISHED)}
    made = committed(tmp_path, nll | {"iwae": [80.0, 80.1, 80.2]})
    assert list(order.ranked(made)) == list(PUBLISHED)
    pairs = order.pairs(made)
    assert len(pairs) == 10
    assert pairs.published.max() < 0
    assert list(zip(pairs.row, pairs.against, strict=True))[:2] == [
        ("hvi_avo", "cc_lin_iaf"),
        ("hvi_avo", "iaf"),
    ]
    assert set(pairs.order) == {order.AS_PUBLISHED}


def test_a_pair_is_settled_by_students_interval_over_its_seeds(tmp_path):
    nll = {"hvi_avo": [86.9, 87.1, 87.0], "vae": [86.4, 86.5, 86.6], "hvi": [86.5, 86.3, 86.9]}
    pairs = order.pairs(committed(tmp_path, nll)).set_index(["row", "against"])
    for (first, second), line in pairs.iterrows():
        expected = stats.ttest_rel(nll[first], nll[second])
        low, high = expected.confidence_interval()
        assert (line.t_low, line.t_high) == pytest.approx((low, high), abs=1e-4)
        assert line.p_t == pytest.approx(expected.pvalue, abs=1e-3)
    settled = [order.REVERSED, order.OPEN, order.OPEN]
    assert pairs.order.tolist() == settled
    assert pairs.order["hvi_avo", "vae"] == order.REVERSED
    text = published_order.settled(pairs.reset_index())
    assert "1 of 3 pairs lie in that order" in text
    assert "0 are settled as published, 1 reversed and 2 not settled" in text


def test_tau_is_kendalls(tmp_path):
    for seed in range(5):
        means = np.random.default_rng(seed).normal(size=5)
        first, second = np.triu_indices(5, 1)
        expected = stats.kendalltau(np.arange(5), means).statistic
        assert order.tau(means[first] - means[second]) == pytest.approx(expected)
    assert f"{order.tau(np.array([1.0, -1.0])):+.2f}" == "+0.00"


def test_draws_of_seeds_have_the_shares_of_all_that_are_possible(tmp_path):
    nll = {"hvi_avo": [86.0, 87.0, 88.0], "iaf": [86.9, 86.8, 87.6], "vae": [87.23, 87.9, 86.6]}
    drawn = order.resampled(committed(tmp_path, nll, spread=3.0))
    values = np.array(list(nll.values()))
    means = np.array([values[:, list(d)].mean(1) for d in product(range(3), repeat=3)])
    whole = ((means[:, 0] < means[:, 1]) & (means[:, 1] < means[:, 2])).mean()
    best = ((means[:, 0] < means[:, 1]) & (means[:, 0] < means[:, 2])).mean()
    assert 0.1 < whole < best < 0.9
    error = 4 * 0.5 / bootstrap.RESAMPLES**0.5
    assert (drawn["whole"], drawn["best"]) == pytest.approx((whole, best), abs=error)


def test_draws_of_images_are_the_same_for_every_row_and_may_turn_the_order(tmp_path):
    g = np.random.default_rng(1)
    images = {"hvi_avo": g.normal(86.0, 1.0, 200), "vae": g.normal(86.05, 1.0, 200)}
    made = [
        commit_made_up(tmp_path, row, seed, METRICS, -values, "preset=paper")
        for row, values in images.items()
        for seed in (0, 1)
    ]
    difference = images["hvi_avo"] - images["vae"]
    expected = stats.norm.cdf(-difference.mean() / (difference.std() / 200**0.5))
    assert 0.02 < expected < 0.98
    assert order.resampled(made)["whole"] == pytest.approx(expected, abs=0.02)


def test_far_apart_the_published_order_is_certain_and_one_seed_says_nothing_of_it(tmp_path):
    nll = {row: [86.0 + i, 86.1 + i] for i, row in enumerate(PUBLISHED)}
    made = committed(tmp_path / "two", nll)
    sure = {"whole": 1.0, "best": 1.0, "tau_low": 1.0, "tau_high": 1.0}
    assert order.resampled(made) == {"seeds": 2, **sure}
    text = published_order.markdown(made, order.pairs(made))
    assert "HVI-AVO (86.06), ccLinIAF (86.10), IAF (86.70), VAE (87.50), HVI (87.62)" in text
    assert "10 of 10 pairs lie in that order, Kendall's tau +1.00" in text
    assert "draws of the 2 seeds that all these rows have and of images 100.0 % have the" in text
    alone = committed(tmp_path / "one", {row: values[:1] for row, values in nll.items()})
    assert order.resampled(alone) == {}
    assert set(order.pairs(alone).order) == {order.OPEN}
    assert "draws" not in published_order.markdown(alone, order.pairs(alone))


def test_the_number_of_seeds_drawn_from_is_that_of_the_seeds_that_every_row_has(tmp_path):
    nll = {"hvi_avo": [86.0, 86.1, 86.2], "iaf": [87.0, 87.1], "vae": [88.0, 88.1, 88.2]}
    made = committed(tmp_path, nll)
    assert order.resampled(made)["seeds"] == 2
    text = published_order.markdown(made, order.pairs(made))
    assert "draws of the 2 seeds that all these rows have" in text
    assert "| HVI-AVO | VAE | -1.44 | 3 |" in text


def test_other_data_have_no_published_order(tmp_path):
    nll = {"hvi_avo": [86.0, 86.1], "vae": [87.0, 87.1]}
    made = committed(tmp_path, nll, ("preset=paper", "data.name=digits"))
    assert not len(order.pairs(made))
    assert order.resampled(made) == {}
