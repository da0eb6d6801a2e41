"""The page on the ring: what it plans, what a fit of seconds gives, and how a cell is judged."""

import math
from pathlib import Path

import pandas as pd
import pytest

from annealed.inference.avo import AVO
from annealed.inference.nested import NVI
from reproduce.experiments.nested import page, summary
from reproduce.experiments.nested.design import BUDGETS, COUNTS, KINDS, Budget, Setting, settings
from reproduce.experiments.nested.run import fit, units
from reproduce.experiments.units import finish

TINY = Budget(steps=3, seeds=2, batches=4, paths=20)


def test_every_cell_of_the_published_table_is_planned_once():
    every = settings()
    assert len(set(every)) == len(every) == len(KINDS) * (len(COUNTS) - 1) + 1
    assert {setting.count - 1 for setting in every} == {1, 3, 5, 7}
    assert all(len(kind.published) == len(COUNTS) for kind in KINDS.values())


def test_an_objective_is_what_its_name_says():
    assert isinstance(Setting("NVIR", 4).objective(72), NVI)
    assert Setting("NVIR*", 4).objective(72).resample
    assert not Setting("NVI*", 4).objective(72).resample
    assert type(Setting("AVO", 4).objective(72)) is AVO
    learnt = Setting("NVI*", 4).posterior(8, 0)
    assert learnt.alphas().tolist() == pytest.approx([1 / 3, 2 / 3, 1.0])
    assert not hasattr(Setting("NVI", 4).posterior(8, 0), "alphas")


@pytest.mark.parametrize("kind", KINDS)
def test_a_fit_of_every_kind_is_scored(kind):
    results = fit(Setting(kind, 4), TINY, [0, 1], lambda done, total: None)
    assert set(results) == {0, 1}
    for result in results.values():
        assert result["status"] == "finished"
        assert math.isfinite(result["log_z"])
        assert 1.0 <= result["ess"] <= TINY.paths
        assert 0.0 <= result["rarest_mode"] <= 1 / 8
        assert result["alphas"][-1] == pytest.approx(1.0)
    assert results[0]["log_z"] != results[1]["log_z"]


def test_a_learnt_path_is_in_the_result():
    (result,) = fit(Setting("NVI*", 4), TINY, [0], lambda done, total: None).values()
    assert result["alphas"] != pytest.approx([1 / 3, 2 / 3, 1.0], abs=1e-5)


@pytest.mark.parametrize(
    ("mean", "half", "expected"),
    [(2.0, 0.04, "reproduced"), (2.0, 0.1, "undecided"), (2.2, 0.1, "above"), (1.8, 0.1, "below")],
)
def test_a_cell_is_judged_by_its_whole_interval(mean, half, expected):
    assert summary.verdict(mean, half, 2.0, 0.05) == expected


def test_the_page_has_every_cell_beside_its_published_number(tmp_path):
    origin = {"commit": "0" * 40}
    results = {}
    for unit in units(TINY, tmp_path / "runs", "quick"):
        made = lambda missing, progress: (  # noqa: E731
            {"status": "finished", "log_z": 1.9, "ess": 40.0, "rarest_mode": 0.1, "alphas": [1.0]}
            for _ in missing
        )
        object.__setattr__(unit, "fit", made)
        results |= finish(unit, [0, 1], origin)
    page.write(results, BUDGETS["quick"], tmp_path, "quick", note=Path("none"))
    text = (tmp_path / "index.md").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if line.startswith("| NVIR*")]
    assert "(1.86)" in lines[0]
    assert "(2.08) below" in lines[0]
    assert "(97) below" in lines[1]
    table = pd.read_csv(tmp_path / "summary.csv")
    assert len(table) == len(KINDS) * len(COUNTS)
    assert table[table.kind == "AVO"].log_z_published.tolist() == [1.86, 1.96, 2.01, 2.05]
