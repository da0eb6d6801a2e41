import json
import sys

import numpy as np
import pandas as pd
import pytest
import torch
from commands import Command, sentence
from gaussians import gaussian_kl
from scipy import stats

from annealed.utils.errors import UsageError
from reproduce.experiments import paths
from reproduce.experiments.invertible import design, digits, page, run, summary, tables
from reproduce.experiments.invertible.__main__ import main
from reproduce.experiments.units import finish
from reproduce.pages import commentary
from reproduce.scheduling.run_grid import run_grid

SETTINGS = [
    design.Setting("four modes (d)", "iaf", 2, "ELBO"),
    design.Setting("four modes (d)", "iaf", 2, "AVO"),
    design.Setting("rotated Gaussian, 8-D", "householder", 2, "ELBO"),
]
TINY = paths.Budget(steps=4, samples=4, draws=200, hidden=4)
CODE = {"commit": "abc"}


def unit(setting, places, budget=TINY):
    """A setting's unit where its tiny results are."""
    return run.unit(setting, budget, places[setting].parents[4], "full")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The results of three tiny settings with two seeds, and where they are."""
    runs = tmp_path_factory.mktemp("runs")
    places = {setting: run.folder(runs, "full", setting) for setting in SETTINGS}
    results = {}
    for setting in SETTINGS:
        results |= finish(unit(setting, places), [0, 1], CODE)
    return results, places


def image_result(row, seed, nll):
    """A digits result with its images, as `digits.results` reads it."""
    g = torch.Generator().manual_seed(seed)
    images = -nll + torch.randn(20, generator=g).numpy()
    return {
        "status": "finished",
        "row": row,
        "seed": seed,
        "data_digest": "d" * 64,
        "nll": -images.mean(),
        "nll_mc_error": 0.01,
        "elbo": -nll - 0.3,
        "k_hat_untrusted": 0.1,
        "samples": 50,
        "test_images": 20,
        "training": {"seconds": 60.0, "sessions": [{"commit": "abc"}]},
        "provenance": {"commit": "abc"},
        "images": images,
    }


IMAGES = [
    image_result(row, seed, 22.0 + 0.1 * seed + 0.5 * (row == "iaf_avo"))
    for row in ("iaf", "iaf_avo")
    for seed in (0, 1)
]


def test_results_that_are_there_are_not_made_again(made, monkeypatch):
    results, places = made
    monkeypatch.setattr(run, "fit_posterior", None)
    for setting in SETTINGS:
        assert finish(unit(setting, places), [0, 1], CODE) == {setting: results[setting]}


def test_a_seed_that_is_missing_is_added_beside_the_others(made):
    results, places = made
    setting = SETTINGS[1]
    before = (places[setting] / "seed0.json").read_bytes()
    three = finish(unit(setting, places), [0, 1, 2], CODE)[setting]
    assert three[:2] == results[setting]
    assert three[2]["trained_beside"] == [2]
    assert (places[setting] / "seed0.json").read_bytes() == before


def test_a_result_of_another_setup_is_refused(made):
    _, places = made
    other = paths.Budget(steps=5, samples=4, draws=200, hidden=4)
    with pytest.raises(UsageError, match="another setup"):
        finish(unit(SETTINGS[0], places, other), [0], CODE)


def test_intervals_and_paired_differences_are_those_of_the_seeds(made):
    results, _ = made
    seeds = summary.toy_seeds({setting: results[setting] for setting in SETTINGS})
    table = summary.toy_summary(seeds).set_index(["target", "objective"])
    a, b = ([r["kl"] for r in results[setting]] for setting in SETTINGS[:2])
    line = table.loc[("four modes (d)", "AVO")]
    low, high = stats.t.interval(0.95, 1, np.mean(b), stats.sem(b))
    assert (line.kl, line.kl_half) == pytest.approx((np.mean(b), (high - low) / 2))
    gap = np.subtract(b, a)
    low, high = stats.t.interval(0.95, 1, gap.mean(), stats.sem(gap))
    assert line.kl_difference == pytest.approx(gap.mean())
    assert line.kl_difference_half == pytest.approx((high - low) / 2)
    assert table.loc[("rotated Gaussian, 8-D", "ELBO"), "lost"] == 0


def test_the_digits_results_are_those_of_every_seed_of_every_run(tmp_path):
    plan = run_grid("quick", "digits", ["iaf", "iaf_avo"], 3, replicas=2, runs=str(tmp_path))
    for path in [path for work in plan for path in work.results()]:
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps({"status": "finished", "name": str(path)}), encoding="utf-8")
        np.savez(path.with_suffix(".npz"), log_prob=np.array([float(path.parent.name[4:])]))
    results = digits.results(plan)
    assert len({r["name"] for r in results}) == 6
    assert sorted(r["images"].item() for r in results) == [0.0, 0.0, 1.0, 1.0, 2.0, 2.0]


def test_the_digits_difference_is_paired_by_seed_and_image():
    table = digits.digits_summary(IMAGES).set_index("row")
    assert table.loc["iaf_avo", "difference"] == pytest.approx(0.5, abs=1e-5)
    assert table.loc["iaf_avo", "images_half"] == pytest.approx(0.0, abs=1e-5)
    assert np.isnan(table.loc["iaf", "difference"])


def test_digits_seeds_that_diverged_are_counted_and_a_row_without_others_is_named():
    places = (("iaf", 2), ("householder", 0))
    lost = [{"status": "diverged", "row": row, "seed": s} for row, s in places]
    text = tables.nll(digits.digits_summary([*IMAGES, *lost]))
    assert "| IAF | 2 (1 diverged) | 2" in text
    assert "| IAF-AVO | 2 | 2" in text
    assert "| Householder | 0 (1 diverged) | - |" in text
    assert "diverged" not in digits.digits_summary(IMAGES)


def test_a_reading_is_shown_under_its_own_numbers_alone(made, tmp_path):
    results, places = made
    note = tmp_path / "reading.md"
    note.write_text(
        f"<!-- written for none -->\nYes.\n{commentary.BREAK}\nBecause.\n", encoding="utf-8"
    )
    arguments = results, IMAGES, places, TINY, tmp_path / "page", "full", note
    digest = page.write(*arguments)
    text = (tmp_path / "page" / "index.md").read_text(encoding="utf-8")
    assert "No conclusion is drawn here" in text
    assert "Because." not in text
    note.write_text(
        f"<!-- written for {digest} -->\nYes.\n{commentary.BREAK}\nBecause.\n", encoding="utf-8"
    )
    assert page.write(*arguments) == digest
    text = (tmp_path / "page" / "index.md").read_text(encoding="utf-8")
    assert "Yes." in text
    assert "Because." in text
    assert "S = 200" in text
    assert "commit abc" in text
    assert str(tmp_path) not in text
    for name in ("kl.png", "densities.png"):
        assert (tmp_path / "page" / name).read_bytes().startswith(b"\x89PNG")
    assert len(pd.read_csv(tmp_path / "page" / "toy_seeds.csv")) == 6


def test_a_seed_that_diverged_is_counted_and_left_out(made, tmp_path):
    results, places = made
    lost = {**results[SETTINGS[1]][1], "kl": None, "log_z_error": None, "status": "diverged"}
    results = {**results, SETTINGS[1]: [results[SETTINGS[1]][0], lost]}
    page.write(results, IMAGES, places, TINY, tmp_path, "full")
    assert "(1 of 2 diverged)" in (tmp_path / "index.md").read_text(encoding="utf-8")


def test_every_setting_of_the_page_can_be_built():
    for setting in design.settings():
        q = paths.posterior(setting.method, setting.count, setting.scale(), 4, 0)
        assert len(q.transitions) == setting.count
        phases = run.setup(setting, TINY)["phases"]
        assert sum(length for _, length in phases) == TINY.steps
    assert len(set(design.settings())) == len(design.settings())


def test_the_rotated_gaussian_has_the_spectrum_of_its_q0():
    covariance = design.rotated_covariance()
    eigenvalues = torch.linalg.eigvalsh(covariance)
    torch.testing.assert_close(eigenvalues.flip(0), design.rotated_spectrum())
    assert gaussian_kl(design.rotated_spectrum().diag(), covariance) > 1.0


@pytest.mark.parametrize("wrong", [["--seeds", "0"], ["--jobs", "0"]])
def test_a_wrong_number_is_refused(monkeypatch, wrong):
    monkeypatch.setattr(sys, "argv", ["reproduce.experiments.invertible", *wrong])
    with pytest.raises(UsageError, match=f"{wrong[0]} is 0; accepted: 1 or more"):
        main()


def test_a_wrong_preset_is_one_sentence(tmp_path):
    module = "reproduce.experiments.invertible"
    result = Command(module, "--preset", "short", cwd=tmp_path).finish()
    assert "--preset is 'short'; accepted: quick, full" in sentence(result)
