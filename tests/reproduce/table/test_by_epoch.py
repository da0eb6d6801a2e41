"""How far AVO lies ahead by epoch: on metrics whose differences are known."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from results import bounds, commit_made_up
from scipy import stats

from annealed.config.registry import METHODS
from reproduce.table import by_epoch, curves, report

PAPER = ("preset=paper", "trainer.epochs=2000")
RISE = -100.0 + 5.0 * (1.0 - np.exp(-np.arange(1, 121) / 40.0))  # a bound by epoch, nats
LOG_PROB = np.random.default_rng(0).normal(-87.0, 9.0, 50)


def gathered(results, runs):
    """`curves.gather` of runs with these metrics, by row and seed."""
    made = [commit_made_up(results, *k, frame, LOG_PROB, *PAPER) for k, frame in runs.items()]
    return curves.gather(made)


def differences(results, first, second, row="hvi"):
    """Those of HVI-AVO less `row`, each a list of metrics, one a seed."""
    runs = {("hvi_avo", seed): frame for seed, frame in enumerate(first)}
    runs |= {(row, seed): frame for seed, frame in enumerate(second)}
    return by_epoch.differences(gathered(results, runs), "hvi_avo", row)


def test_a_difference_of_each_seed_is_its_mean_with_students_interval(tmp_path):
    shifts, wider = [-0.3, -0.5, -0.7], [0.1, 0.2, 0.6]
    first = [bounds(RISE + s, RISE + s + 1.0 + w) for s, w in zip(shifts, wider, strict=True)]
    lines = differences(tmp_path, first, [bounds(RISE)] * 3)
    assert list(lines.index) == list(range(1, 121))
    assert lines.bound[:9].isna().all()  # the mean is over ten epochs
    for kind, values in (("bound", shifts), ("gap", wider)):
        low, high = stats.t.interval(0.95, 2, np.mean(values), stats.sem(values))
        of_kind = lines.loc[10:, [kind, f"{kind}_low", f"{kind}_high"]].to_numpy()
        assert of_kind == pytest.approx(np.tile([np.mean(values), low, high], (111, 1)), abs=1e-4)
        assert set(lines.loc[10:, f"{kind}_seeds"]) == {3}


def test_bounds_that_depend_on_elbo_steps_alone_are_equal_at_equal_elbo_steps(tmp_path):
    steps = 500.0 * np.arange(1, 121)
    first, second = (bounds(-100.0 + 1e-4 * share * steps) for share in (0.8, 1.0))
    lines = differences(tmp_path, [first] * 2, [second] * 2)
    assert list(lines.elbo_steps) == pytest.approx(0.8 * steps)
    assert lines.at_steps[lines.at_steps.notna()].to_numpy() == pytest.approx(0.0, abs=1e-4)
    assert lines.at_steps[11:].notna().all()  # after one epoch the other had made no step fewer
    last_ten = -1e-4 * 0.2 * steps[-10:]
    assert lines.bound[120] == pytest.approx(last_ten.mean(), abs=1e-4)


def test_a_share_of_the_steps_of_a_row_is_under_the_elbo(tmp_path):
    runs = {(row, 0): bounds(RISE) for row in ("vae", "hvi_avo", "hvi_nvi")}
    metrics = gathered(tmp_path, runs)
    assert metrics[metrics.epoch == 9].set_index("row").elbo_steps.to_dict() == {
        "vae": 5000,
        "hvi_avo": 4000,
        "hvi_nvi": 4000,
    }


def test_at_other_learning_rates_there_is_nothing_to_compare(tmp_path):
    rate = np.where(np.arange(120) < 60, 1e-3, 3e-4)  # of both; AVO's row gets there at 48 epochs
    lines = differences(tmp_path, [bounds(RISE, rate=rate)] * 2, [bounds(RISE, rate=rate)] * 2)
    known = set(lines.index[lines.at_steps.notna()])
    assert known == {*range(11, 61), *range(86, 121)}  # 0.8 times 77 epochs is over 61
    assert lines.bound[10:].notna().all()


def test_while_one_is_warmed_up_and_the_other_is_not_there_is_nothing_to_compare(tmp_path):
    weight = np.minimum(np.arange(1, 121) / 40, 1.0)
    lines = differences(tmp_path, [bounds(RISE, warmup=weight)], [bounds(RISE, warmup=weight)])
    # at equal ELBO steps the row without AVO is warmed up 40 epochs at 50 of the row with it
    assert list(lines.index[lines.at_steps.notna()]) == list(range(59, 121))
    assert lines.bound[10:].notna().all()


def test_a_panel_with_nothing_to_compare_says_so(tmp_path):
    weight = np.arange(1, 121) / 200
    lines = {"hvi": differences(tmp_path, *[[bounds(RISE, warmup=weight)]] * 2)}
    some, none = Figure().subplots(1, 2)
    curves._difference(some, "bound", "all", lines)
    curves._difference(none, "at_steps", "at equal ELBO steps", lines)
    assert [text.get_text() for text in none.texts] == [curves.NONE]
    assert not some.texts
    assert not none.lines
    assert len(some.lines) == 2


def test_each_seed_counts_until_it_stopped_in_either_row(tmp_path):
    g = np.random.default_rng(0)
    lengths = {"hvi_avo": [120, 70, 30], "hvi": [90, 100, 45]}
    values = {r: [g.normal(-90.0, 1.0, n) for n in of] for r, of in lengths.items()}
    lines = differences(tmp_path, *([bounds(v) for v in values[r]] for r in values))
    assert list(lines.index) == list(range(1, 91))
    for epoch in (9, 29, 30, 31, 70, 71, 90):
        each = []
        for a, b in zip(*values.values(), strict=True):
            if 9 <= epoch <= min(len(a), len(b)):
                each.append(np.mean(a[epoch - 9 : epoch] - b[epoch - 9 : epoch]))
        mean = np.mean(each) if each else np.nan
        assert lines.bound[epoch] == pytest.approx(mean, abs=1e-4, nan_ok=True)
        assert lines.bound_seeds[epoch] == len(each)
        several = len(each) > 1
        low = stats.t.interval(0.95, len(each) - 1, mean, stats.sem(each))[0] if several else np.nan
        assert lines.bound_low[epoch] == pytest.approx(low, abs=1e-3, nan_ok=True)


def test_when_avo_overtakes_is_the_last_crossing(tmp_path):
    ahead = 0.01 * (np.arange(1, 121) - 80.0)
    ahead[:20] = 3.0  # and it was ahead before
    frames = [bounds(RISE + ahead + 0.001 * s) for s in (-1, 0, 1)]
    metrics = gathered(
        tmp_path,
        {(r, s): f for r in ("hvi_avo", "hvi") for s, f in enumerate(frames)}
        | {("hvi", s): bounds(RISE) for s in range(3)},
    )
    lines = by_epoch.differences(metrics, "hvi_avo", "hvi")
    # the mean of the ten epochs up to e is 0.01 (e - 4.5 - 80)
    assert by_epoch.ahead_from(lines, "bound") == 85.0
    assert np.isnan(by_epoch.ahead_from(lines.assign(bound=-lines.bound), "bound"))
    lines.loc[110:, ["bound", "bound_seeds"]] = -1.0, 1  # where one seed is left
    assert by_epoch.ahead_from(lines, "bound") == 85.0
    text = by_epoch.markdown(metrics)
    cells = [c.strip() for c in text.splitlines()[2].split("|")][1:-1]
    assert cells[:4] == ["HVI-AVO", "HVI", "validation bound, equal epochs", "120"]
    assert cells[-3] == "85"
    assert cells[8] == "+0.35 ± 0.00"  # at epoch 120


def test_the_csv_is_every_hundredth_of_the_epochs_and_what_the_text_shows(tmp_path):
    long = -100.0 + 0.01 * np.arange(1, 1001)
    runs = {("hvi", s): bounds(long) for s in range(3)}
    runs |= {("hvi_avo", s): bounds(long[:n] - 0.25) for s, n in enumerate((1000, 1000, 600))}
    runs |= {("vae", s): bounds(long[:n]) for s, n in enumerate((1000, 300, 300))}
    metrics = gathered(tmp_path / "results", runs)
    report.write_curves(metrics, tmp_path)
    frame = pd.read_csv(tmp_path / "curves.csv")
    of_hvi = frame[frame.against == "hvi"].set_index("epochs")
    assert list(of_hvi.index) == list(range(10, 1001, 10))
    assert of_hvi.bound.to_numpy() == pytest.approx(-0.25, abs=1e-4)
    assert of_hvi.bound_seeds.loc[[600, 610]].tolist() == [3, 2]
    text = (tmp_path / "curves.md").read_text(encoding="utf-8")
    assert "| HVI-AVO | HVI | validation bound, equal epochs | 1000 | -0.25 ± 0.00 |" in text
    assert "| -0.25 ± 0.00 (of 2) | -0.25 ± 0.00 (of 2) | never | 0 % | 100 % |" in text
    assert "| HVI-AVO | VAE | validation bound, equal epochs | 1000 |" in text
    assert "| -0.25 (of 1) | -0.25 (of 1) | -0.25 (of 1) | never (to 300) |" in text
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")


def test_a_table_without_avo_has_its_curves_and_no_differences(tmp_path):
    metrics = gathered(tmp_path / "results", {("vae", 0): bounds(RISE), ("iaf", 0): bounds(RISE)})
    report.write_curves(metrics, tmp_path)
    assert not (tmp_path / "curves.csv").exists()
    assert "ahead" not in (tmp_path / "curves.md").read_text(encoding="utf-8")
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")


def test_three_epochs_have_a_difference_too(tmp_path):
    first, second = [bounds([-9.0, -8.0, -7.0])] * 2, [bounds([-10.0, -9.0, -8.0])] * 2
    lines = differences(tmp_path, first, second)
    assert lines.bound.tolist() == pytest.approx([1.0, 1.0, 1.0])


def test_a_run_that_broke_off_at_once_leaves_the_figure_whole(tmp_path):
    runs = {("hvi", 0): bounds(RISE), ("hvi", 1): bounds(RISE[:3]), ("vae", 0): bounds(RISE[:2])}
    report.write_curves(gathered(tmp_path / "results", runs), tmp_path)
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")


def test_the_figures_bands_are_of_the_seeds_in_training_and_dots_where_they_stop(tmp_path):
    runs = {("hvi", s): bounds(RISE[:n] + s) for s, n in enumerate((120, 80))}
    runs[("vae", 0)] = bounds(RISE[:100])
    axes = list(Figure().subplots(1, 3))
    curves._bounds(gathered(tmp_path, runs), axes)
    stopped, mean, dots = (axes[0].lines[i] for i in (3, 0, 1))
    assert stopped.get_xdata().tolist() == [100]
    assert mean.get_xdata()[-1] == 120
    values = dict(zip(mean.get_xdata(), mean.get_ydata(), strict=True))
    assert min(values) == 13  # a tenth is left out
    assert values[80] == pytest.approx(RISE[79] + 0.5, abs=1e-4)
    assert values[81] == pytest.approx(RISE[80], abs=1e-4)
    assert dots.get_xdata().tolist() == [80]
    assert dots.get_ydata() == pytest.approx([RISE[79] + 1.0], abs=1e-4)


def test_no_two_rows_of_a_figure_look_alike():
    rows = sorted(METHODS)
    metrics = pd.concat([bounds(RISE[:30]).assign(row=row, seed=0) for row in rows])
    axes = list(Figure().subplots(1, 3))
    curves._bounds(metrics, axes)
    lines = axes[0].get_lines()[::2]  # a row's dots follow its line
    looks = {line.get_label(): (line.get_linestyle(), line.get_color()) for line in lines}
    assert len(looks) == len(set(looks.values())) == len(rows)
    assert looks["IAF-AVO"] == ("--", looks["IAF"][1])
