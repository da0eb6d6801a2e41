"""What is said of rows and pairs: the verdict, the p-values, Holm's correction."""

import re
from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from results import result
from scipy import stats

from reproduce.experiments.estimators import page
from reproduce.results import published, statistics
from reproduce.table import nll_table, report
from reproduce.table.source import devices, headline

NEAR = published.tolerance()


def by_closure(p: np.ndarray) -> list[float]:
    """Holm's adjusted p-values as a closed test: every set of hypotheses, each by Bonferroni."""
    sets = [s for n in range(1, len(p) + 1) for s in combinations(range(len(p)), n)]
    return [
        max(min(1.0, len(s) * min(p[j] for j in s)) for s in sets if i in s) for i in range(len(p))
    ]


@pytest.mark.parametrize("seed", range(4))
def test_holms_correction_is_the_closed_test_of_bonferronis(seed):
    p = np.random.default_rng(seed).uniform(size=6) ** 3
    assert statistics.holm(p) == pytest.approx(by_closure(p))
    assert (statistics.holm(p) > p).any()


def test_a_pair_without_a_p_value_is_not_counted():
    p = np.array([0.02, np.nan, 0.03])
    assert statistics.holm(p)[[0, 2]] == pytest.approx(by_closure(p[[0, 2]]))
    assert np.isnan(statistics.holm(p)[1])
    assert np.isnan(statistics.holm([np.nan, np.nan])).all()


def noisy(seeds: int, shift: float, seed: int = 0) -> np.ndarray:
    """Differences (seeds, 300) around `shift`, with a spread over seeds and one over images."""
    g = np.random.default_rng(seed)
    by_seed, by_image = g.normal(0.0, 0.2, (seeds, 1)), g.normal(0.0, 1.0, (1, 300))
    return shift + by_seed + by_image + g.normal(0.0, 0.1, (seeds, 300))


def test_p_over_seeds_is_students():
    difference = noisy(4, 0.2)
    expected = stats.ttest_1samp(difference.mean(1), 0.0).pvalue
    assert statistics.compare(difference)["p_t"] == pytest.approx(expected)


def test_the_bootstraps_p_is_that_of_its_own_spread():
    difference = noisy(40, 0.0)
    difference += 0.1 - difference.mean()
    error = (difference.mean(1).var() / 40 + difference.mean(0).var() / 300) ** 0.5
    expected = 2 * stats.norm.sf(0.1 / error)
    assert 0.05 < expected < 0.5
    assert statistics.compare(difference)["p_bootstrap"] == pytest.approx(expected, rel=0.1)


@pytest.mark.parametrize("shift", [-0.6, -0.3, 0.0, 0.2, 0.4])
def test_each_p_agrees_with_its_interval(shift):
    compared = statistics.compare(noisy(3, shift))
    for p, low, high in (
        ("p_t", "t_low", "t_high"),
        ("p_bootstrap", "bootstrap_low", "bootstrap_high"),
    ):
        assert (compared[p] < 0.05) == (compared[low] > 0 or compared[high] < 0)


@pytest.mark.parametrize("signs", [(1, 1, 1), (1, 1, -1), (-1, -1, -1), (-1, 1, -1)])
def test_the_bootstrap_of_three_seeds_calls_any_agreement_of_sign_a_difference(signs):
    each = np.array(signs) * np.array([0.1, 2.0, 0.3])
    compared = statistics.compare(np.tile(each[:, None], (1, 50)))
    assert (compared["p_bootstrap"] < 0.05) == (abs(sum(signs)) == 3)
    assert compared["p_t"] > 0.05  # as the page says of it


def test_one_seed_has_neither_p_nor_interval():
    compared = statistics.compare(noisy(1, 3.0))
    both = ("t_low", "t_high", "p_t", "bootstrap_low", "bootstrap_high", "p_bootstrap")
    assert np.isnan([compared[name] for name in both]).all()
    pairs = statistics.adjust(pd.DataFrame([{"row": "hvi", "against": "vae", **compared}]))
    assert "| one seed | - | - | - | - | - | - | one seed |" in report.paired_table(pairs)


def test_a_difference_of_a_bias_has_words_of_its_own():
    same = {"row": "hvi", "against": "vae", "effect": 1.0, "p_t": 0.01, "p_bootstrap": 0.01}
    lines = [
        {**same, "seeds": seeds, "difference": gap, "t_low": gap, "t_high": gap}
        | {"bootstrap_low": gap, "bootstrap_high": gap, "holm_t": p, "holm_bootstrap": p}
        for seeds, gap, p in ((3, -1.0, 0.01), (3, 1.0, 0.01), (3, 1.0, 0.5), (1, 1.0, np.nan))
    ]
    text = report.paired_table(pd.DataFrame(lines), page.WORDS["IS less AIS"])
    shown = [line.split("|")[-2].strip() for line in text.splitlines()[2:]]
    assert shown == ["flatters the first", "flatters the second", "not shown", "one seed"]


def test_the_page_reads_the_adjusted_p_over_seeds():
    seeds = [[-0.5, -0.501, -0.502], [0.5, 0.501, 0.502], [0.2, 0.3, 0.44], [-0.2, -0.3, -0.44]]
    lines = [
        {
            "row": f"r{i}",
            "against": "vae",
            **statistics.compare(np.tile(np.array(each)[:, None], 9)),
        }
        for i, each in enumerate([*seeds, [0.4]])
    ]
    pairs = statistics.adjust(pd.DataFrame(lines))
    assert (pairs.p_t[2:4] < 0.05).all()  # alone each would be shown
    assert list(pairs.holm_t[:4]) == pytest.approx(by_closure(pairs.p_t[:4].to_numpy()))
    text = report.paired_markdown(pairs)
    shown = [line.split("|")[-2].strip() for line in text.splitlines() if re.match(r"\| r\d", line)]
    assert shown == ["first is better", "second is better", "not shown", "not shown", "one seed"]
    assert "over all 4 pairs" in text


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (-NEAR + 0.01, NEAR - 0.01, "reproduced"),
        (-NEAR - 0.01, 0.0, "undecided"),
        (0.0, NEAR + 0.01, "undecided"),
        (-9.0, 9.0, "undecided"),
        (-9.0, -NEAR - 0.01, "better"),
        (NEAR + 0.01, 9.0, "worse"),
    ],
)
def test_a_verdict_needs_the_whole_interval(low, high, expected):
    assert published.verdict("short", 3, 87.5 + low, 87.5 + high, 87.5) == expected
    assert published.verdict("short", 3, 87.5 + low, 87.5 + high, np.nan) == "not comparable"
    assert published.verdict("quick", 3, 87.5 + low, 87.5 + high, 87.5) == "not comparable"


@pytest.mark.parametrize(
    ("changes", "values", "expected"),
    [
        ({}, [87.45, 87.50, 87.55], "reproduced"),
        ({}, [87.0, 87.5, 88.0], "undecided"),
        ({}, [85.0, 85.1, 85.2], "better"),
        ({}, [89.0, 89.1, 89.2], "worse"),
        ({}, [87.5], "one seed, no verdict"),
        ({"split": "validation"}, [87.45, 87.50, 87.55], "not comparable"),
        ({"data": "mnist_static"}, [87.45, 87.50, 87.55], "reproduced"),
        ({"data": "digits"}, [87.45, 87.50, 87.55], "not comparable"),
        ({"row": "iwae"}, [87.45, 87.50, 87.55], "not comparable"),
        ({"row": "mine"}, [87.45, 87.50, 87.55], "not comparable"),
        ({"preset": "quick"}, [87.45, 87.50, 87.55], "not comparable"),
    ],
)
def test_a_rows_verdict_is_by_its_seeds(changes, values, expected):
    results = [
        result(**{"row": "vae", "seed": s, "nll": v, **changes}) for s, v in enumerate(values)
    ]
    frame = nll_table.summarise(results)
    assert frame.verdict.tolist() == [expected]
    text = nll_table.markdown(frame, *headline(results, "short"), 500)
    assert f"| {expected} | {len(values)} |" in text
    assert f"{NEAR:.2f} nats of the published number" in text


def test_rows_of_other_devices_are_named_with_them():
    on = {"vae": "CPU", "hvi": "GPU", "hvi_avo": "CPU"}
    made = [
        result(row=row, seed=seed, nll=87.0, training={"sessions": [{"device": device}]})
        for row, device in on.items()
        for seed in (0, 1)
    ]
    assert devices(made) == "trained on CPU (HVI on GPU: train min do not compare)"
    assert devices(made[:2]) == "trained on CPU"


def test_the_tolerance_is_the_sum_of_its_reasons():
    parts = published.read()["tolerance"]["parts"].values()
    size = sum(part["nats"] ** 2 for part in parts) ** 0.5
    assert 0.0 <= NEAR - size < 0.05
    assert all(part["because"] in published.rule() for part in parts)
