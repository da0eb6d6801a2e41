"""The report of preset paper, from made-up results of runs that stopped at different epochs."""

import shutil
import sys

import numpy as np
import pandas as pd
import pytest
from results import bounds, commit_made_up

from annealed.utils.errors import UsageError
from reproduce.checks import verify
from reproduce.results.store import RESULTS
from reproduce.table import readme, report

ROWS = {"vae": 86.9, "hvi": 86.7, "hvi_avo": 86.2, "iaf": 85.6, "cc_lin_iaf": 85.9}
EPOCHS = {"vae": (31, 40, 35), "hvi_avo": (40, 40, 29)}
MARKS = "<!-- the rows of reports/paper/nll_table.md and reports/short/nll_table.md -->"


def commit(root, preset, rows, limit=40):
    """Three seeds of each row, whose runs may train for `limit` epochs; some of paper's stop."""
    g = np.random.default_rng(0)
    image = g.normal(0.0, 9.0, 60)
    for row, nll in rows.items():
        for seed in range(3):
            length = EPOCHS.get(row, (40,) * 3)[seed] if preset == "paper" else 40
            curve = -nll - 5.0 + 0.02 * np.arange(length) + 0.1 * seed
            log_prob = image - image.mean() - nll - g.normal(0.0, 0.05)
            options = (f"preset={preset}", f"trainer.epochs={limit}")
            commit_made_up(root / RESULTS, row, seed, bounds(curve), log_prob, *options)


def make_report(monkeypatch, preset):
    monkeypatch.setattr(sys, "argv", ["reproduce.table.report", "--preset", preset])
    report.main()


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A repository with the report of `short`, whose README shows it."""
    root = tmp_path_factory.mktemp("made") / "root"
    commit(root, "short", ROWS | {"iwae": 85.4})
    (root / "README.md").write_text(f"# x\n{MARKS}\n<!-- end -->\nend\n", encoding="utf-8")
    folder = report.write("short", "mnist", root / RESULTS, root / "reports" / "short")
    assert readme.refresh(root, folder)
    return root


@pytest.fixture
def root(made, tmp_path, monkeypatch):
    """A copy of `made`, and the working folder."""
    root = shutil.copytree(made, tmp_path / "root")
    monkeypatch.chdir(root)
    return root


def test_the_table_says_the_limit_and_how_many_runs_stopped_by_patience(root, monkeypatch):
    commit(root, "paper", ROWS)
    make_report(monkeypatch, "paper")
    text = (root / "reports" / "paper" / "nll_table.md").read_text(encoding="utf-8")
    assert text.startswith("# Test NLL on mnist, preset paper, at most 40 epochs, 3 seeds\n")
    stopped = "3 of 15 runs stopped before, by a patience of 100 (VAE 2, HVI-AVO 1)"
    assert f"epochs trained 29 to 40, at most 40 epochs, {stopped}; S = 5000" in text
    short = (root / "reports" / "short" / "nll_table.md").read_text(encoding="utf-8")
    assert "at most" not in short
    assert "; epochs trained 40; S = 1000" in short


def test_a_limit_that_is_not_the_same_for_all_is_said(root, monkeypatch):
    commit(root, "paper", {"vae": 86.9})
    commit(root, "paper", {"iaf": 85.6}, limit=50)
    make_report(monkeypatch, "paper")
    text = (root / "reports" / "paper" / "nll_table.md").read_text(encoding="utf-8")
    assert text.startswith("# Test NLL on mnist, preset paper, at most 40 to 50 epochs, 3 seeds\n")
    assert "5 of 6 runs stopped before, by a patience of 100 (VAE 2, IAF 3)" in text


def test_readme_shows_paper_where_it_is_with_short_beside_it(root, monkeypatch):
    text = (root / "README.md").read_text(encoding="utf-8")
    assert "| row | published | ours, `short`: mean (95% interval) |" in text
    assert "![NLL of every row beside the published one](reports/short/nll.png)" in text
    commit(root, "paper", ROWS)
    make_report(monkeypatch, "paper")
    text = (root / "README.md").read_text(encoding="utf-8")
    lines = [[c.strip() for c in line.split("|")[1:-1]] for line in text.splitlines()[2:10]]
    rest = ["difference, verdict", "k-hat too high"]
    columns = [f"ours, `{preset}`: mean (95% interval)" for preset in ("paper", "short")]
    assert lines[0] == ["row", "published", columns[0], *rest, columns[1], *rest]
    by_preset = {
        preset: pd.read_csv(root / "reports" / preset / "nll_table.csv").set_index("row")
        for preset in ("paper", "short")
    }
    assert [cells[0] for cells in lines[2:]] == ["VAE", "IWAE", "HVI", "HVI-AVO", "IAF", "ccLinIAF"]
    for name, cells in (("vae", lines[2]), ("hvi_avo", lines[5])):
        for place, preset in ((2, "paper"), (5, "short")):
            line = by_preset[preset].loc[name]
            assert cells[place] == f"{line.nll:.2f} ({line.ci_low:.2f} to {line.ci_high:.2f})"
            assert cells[place + 1] == f"{line.difference:+.2f}, {line.verdict}"
            assert cells[place + 2] == f"{100 * line.k_hat_untrusted:.1f} %"
    assert lines[3][:5] == ["IWAE", "-", "-", "-", "-"]
    assert lines[3][5].startswith(f"{by_preset['short'].nll['iwae']:.2f} (")
    assert text.index("(reports/paper/nll.png)") < text.index("(reports/short/nll.png)")
    assert text.endswith("<!-- end -->\nend\n")
    assert readme.shown(text, root) == readme.tables_of(text)
    before = text
    make_report(monkeypatch, "short")  # of which the table beside is
    assert (root / "README.md").read_text(encoding="utf-8") == before


def test_without_either_table_one_sentence_names_both(tmp_path):
    with pytest.raises(UsageError, match=r"paper/nll_table\.csv or reports/short/nll_table\.csv, "):
        readme.update(f"{MARKS}\n<!-- end -->\n", tmp_path)


def test_the_order_and_the_curves_are_of_the_report_and_verified(root, tmp_path, monkeypatch):
    commit(root, "paper", ROWS)
    make_report(monkeypatch, "paper")
    folder = root / "reports" / "paper"
    pairs = pd.read_csv(folder / "order.csv")
    assert len(pairs) == 10
    text = (folder / "paired.md").read_text(encoding="utf-8")
    assert "## The published order" in text
    assert "Published, best first: HVI-AVO (86.06), ccLinIAF (86.10), IAF (86.70)" in text
    frame = pd.read_csv(folder / "curves.csv")
    assert frame[frame.against == "vae"].epochs.max() == 40
    monkeypatch.setattr(verify.checklist, "write", lambda root, folder: None)
    verify.make(root, tmp_path / "again")
    assert verify.differences(root, tmp_path / "again") == []
    spoilt = (folder / "curves.md").read_text(encoding="utf-8").replace("| HVI |", "| HVJ |", 1)
    (folder / "curves.md").write_text(spoilt, encoding="utf-8")
    (sentence,) = verify.differences(root, tmp_path / "again")
    assert sentence.startswith("reports/paper/curves.md, line ")
