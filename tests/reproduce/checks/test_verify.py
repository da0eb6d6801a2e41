"""The reports against the results, and a run against a second run of it."""

import re
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT, TINY
from results import replace_result
from scipy import stats

from annealed import config as configuration
from annealed.evaluation.result import RESULT
from annealed.runs.run import fit
from annealed.utils.errors import UsageError
from reproduce.checklist import page as checklist
from reproduce.checks import rerun, texts, verify
from reproduce.experiments import committed
from reproduce.experiments.ablations import design, page as ablations
from reproduce.experiments.noise import design as noise, page as noise_page
from reproduce.experiments.page_work import Source
from reproduce.experiments.units import finish
from reproduce.results import store
from reproduce.results.trials import Trial
from reproduce.site import page as overview
from reproduce.table import readme, report

SHORT = ["preset=short", *TINY[1:], "trainer.warmup_epochs=0"]
NOISE = noise.Budget(1, steps=3, count=20, batch=10, samples=2, draws=30, hidden=4, starts=1)
TABLE = "reports/short/digits/nll_table"


def seeds(row, runs, *changes):
    """Two seeds of a row, side by side; their run folders."""
    options = [*SHORT, f"runs={runs}", "trainer.replicas=2", *changes]
    first = fit(configuration.load(row, options))
    return [first, first.with_name("seed1")]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A repository with results of two rows and one ablation, and the reports of them."""
    root = tmp_path_factory.mktemp("made")
    for row in ("vae", "hvi"):
        for run in seeds(row, root / "runs"):
            store.commit_result(run, root / store.RESULTS)
    changes = ["preset=ablation", "evaluate.split=validation", "trainer.warmup_epochs=0"]
    pool = root / store.RESULTS / "trials"
    for run in seeds("vae", root / "runs", *changes):
        store.commit_result(run, pool, Trial("all images", "vae").place)
    results = root / store.RESULTS
    report.write("short", "digits", results, root / "reports" / "short" / "digits")
    page = root / "reports" / "ablations_digits"
    ablations.write(design.planned("full", "digits"), pool, page, "full", "digits")
    (root / "README.md").write_text(
        f"# x\n<!-- the rows of {TABLE}.md -->\n<!-- end -->\nend\n", encoding="utf-8"
    )
    assert readme.refresh(root, root / "reports" / "short" / "digits")
    checklist.write(root, root / "reports")
    overview.write(root)
    shutil.rmtree(root / "runs")
    return root


@pytest.fixture
def root(made, tmp_path):
    """A copy of `made` to spoil."""
    return shutil.copytree(made, tmp_path / "root")


def differences(root):
    """Differences of all but the checklist and the page, which read the other reports."""
    others = (checklist.NAME, str(overview.PAGE))
    return [s for s in verify.verify(root)[0] if not any(name in s for name in others)]


def spoil(path, old, new):
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def test_what_the_results_give_is_verified_without_a_word(root):
    sentences, count = verify.verify(root)
    assert sentences == []
    names = {p.name for p in verify.places(root)}
    assert {"nll_table.md", "paired.csv", "curves.png", "nll.pdf", "effects.csv"} <= names
    assert count == len(verify.places(root)) >= 15


@pytest.mark.parametrize(
    ("name", "line", "column"),
    [
        ("short/digits/nll_table.csv", 3, "nll"),
        ("short/digits/paired.csv", 2, "p_t"),
        ("short/digits/nll_cells.csv", 2, "nll"),
        ("ablations_digits/runs.csv", 2, "nll"),
    ],
)
def test_a_number_that_was_changed_is_named_by_file_line_and_column(root, name, line, column):
    path = root / "reports" / name
    lines = [text.split(",") for text in path.read_text(encoding="utf-8").splitlines()]
    value = lines[line - 1][lines[0].index(column)]
    lines[line - 1][lines[0].index(column)] = value + "1"
    path.write_text("\n".join(map(",".join, lines)) + "\n", encoding="utf-8")
    (sentence,) = differences(root)
    expected = f"column {column}: '{value}1' where the results give '{value}'."
    assert sentence == f"reports/{name}, line {line}, {expected}"


def test_a_cell_of_markdown_and_a_line_that_was_added_are_named(root):
    spoil(root / f"{TABLE}.md", "| VAE | - |", "| VAE | 1 |")
    spoil(root / "reports" / "ablations_digits.md", "## ", "A line.\n\n## ")
    other, table, *_ = differences(root)
    assert other.startswith("reports/ablations_digits.md, line ")
    assert other.endswith(": 2 lines where the results give 0.")
    assert f"{TABLE}.md, line 5, column 2: '1' where the results give '-'." in table


def test_a_long_line_is_shown_where_it_differs():
    old, new = ("word " * 90 + f"S = {samples}; " + "word " * 90 for samples in (100, 500))
    (sentence,) = texts.compare(Path("x.md"), f"# x\n{old}\n", f"# x\n{new}\n")
    assert sentence.startswith("x.md, line 2: '")
    assert "S = 100; " in sentence
    assert "S = 500; " in sentence
    assert len(sentence) < 250


def test_another_result_changes_every_number_made_of_it(root):
    pack = store.pack_of("short", "digits", root / store.RESULTS)
    committed = store.Committed(pack, "vae/seed1")
    replace_result(committed, nll=committed.read()["nll"] + 1.0)
    sentences = " ".join(verify.verify(root)[0])
    for name in ("nll_table.md", "nll_table.csv", "nll_table.tex", "nll_cells.csv"):
        assert name in sentences


def test_figures_are_to_be_there_and_no_more(root):
    figure = root / "reports" / "short" / "digits" / "curves.png"
    figure.write_bytes(b"another version of matplotlib")
    assert verify.verify(root)[0] == []
    figure.unlink()
    (sentence,) = differences(root)
    assert sentence == (
        "reports/short/digits/curves.png is not there, and the committed results give it."
    )


def test_the_checklist_is_verified_too(root):
    spoil(root / "reports" / f"{checklist.NAME}.md", "**No.**", "**Yes.**")
    sentence, page = verify.verify(root)[0]
    assert sentence.startswith(f"reports/{checklist.NAME}.md, line ")
    assert page == "reports/index.html is not that of the reports beside it; `make page` writes it."


def test_the_page_is_held_to_the_reports_byte_for_byte(root):
    page = root / overview.PAGE
    before = page.read_text(encoding="utf-8")
    page.write_text(before + " ", encoding="utf-8")
    (sentence,) = verify.verify(root)[0]
    assert sentence.startswith("reports/index.html is not that of the reports")
    page.unlink()
    (sentence,) = verify.verify(root)[0]
    assert sentence == "reports/index.html is not there; `make page` writes it."
    assert overview.write(root).read_text(encoding="utf-8") == before
    assert verify.verify(root)[0] == []


def test_a_report_without_results_is_told(root):
    shutil.copytree(root / "reports" / "short" / "digits", root / "reports" / "paper")
    shutil.rmtree(root / store.RESULTS / "trials")
    sentences = differences(root)
    assert f"{'reports/paper/nll_table.csv'} is made of no committed result." in sentences
    assert "reports/ablations_digits.md is made of no committed result." in sentences
    assert all("short" not in sentence for sentence in sentences)


def test_readme_is_held_to_its_table(root):
    spoil(root / "README.md", "| VAE |", "| VAF |")
    (sentence,) = differences(root)
    assert sentence == f"README.md, line 5, column 1: 'VAF' where {TABLE}.csv has 'VAE'."
    readme.refresh(root, root / "reports" / "short" / "digits")
    assert verify.verify(root)[0] == []
    text = (root / "README.md").read_text(encoding="utf-8")
    assert text.startswith("# x\n<!-- ")
    assert text.endswith(f"(reports/short/digits/{readme.FIGURE})\n<!-- end -->\nend\n")


def test_readme_is_not_touched_by_another_report(root):
    before = (root / "README.md").read_text(encoding="utf-8")
    assert not readme.refresh(root, root / "reports" / "paper")
    assert (root / "README.md").read_text(encoding="utf-8") == before
    with pytest.raises(UsageError, match=r"README\.md has no '<!-- the rows of FILE -->'"):
        readme.update("nothing", root)
    with pytest.raises(UsageError, match="which is not there"):
        readme.update(before.replace("short/", "paper/"), root)


def test_a_readme_and_a_figure_that_are_gone_are_told_beside_a_wrong_number(root, monkeypatch):
    def render(_):
        raise UsageError("curves.png is not a PNG")

    monkeypatch.setattr(overview, "render", render)
    (root / "README.md").unlink()
    spoil(root / f"{TABLE}.tex", "VAE", "VAF")
    sentences, _ = verify.verify(root)
    for said in (r"nll_table\.tex", r"README\.md has no", "curves.png is not a PNG"):
        assert any(re.search(said, sentence) for sentence in sentences), said
    assert not readme.refresh(root, root / "reports" / "short" / "digits")


def test_differences_end_with_status_2_and_nothing_to_verify_too(root, tmp_path, monkeypatch):
    spoil(root / f"{TABLE}.tex", "VAE", "VAF")
    overview.write(root)
    monkeypatch.chdir(root)
    monkeypatch.setattr(sys, "argv", ["reproduce.checks.verify"])
    with pytest.raises(UsageError, match="1 differences from the committed results"):
        verify.main()
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(UsageError, match="has no results, so there is nothing to verify"):
        verify.verify(empty)


@pytest.fixture(scope="module")
def of_units(tmp_path_factory):
    """A repository with the committed results of a page of units, tiny, and the page."""
    root = tmp_path_factory.mktemp("units")
    source = Source("full", 1, str(root / "runs"), root / store.RESULTS)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(noise.BUDGETS, "full", NOISE)
        for work in source.plan("noise"):
            finish(work.units[0], [0], {"commit": "abc"})
        committed.commit(noise_page.PAGE, source)
        noise_page.make(source, root / "reports" / "noise")
        shutil.rmtree(source.runs)
        yield root


def changed_files(root, into):
    verify.make(root, into)
    return verify.differences(root, into)


def test_a_digit_that_was_changed_in_a_page_of_units_is_named(of_units, tmp_path):
    root = shutil.copytree(of_units, tmp_path / "root")
    assert changed_files(root, tmp_path / "same") == []
    spoil(root / "reports" / "noise" / "index.md", "| truth |  | 0.500 |", "| truth |  | 0.501 |")
    (sentence,) = changed_files(root, tmp_path / "page")
    assert sentence.startswith("reports/noise/index.md, line ")
    assert sentence.endswith("column 3: '0.501' where the results give '0.500'.")
    (root / "reports" / "noise" / "bias.png").unlink()
    path = root / store.RESULTS / "noise.jsonl"
    spoil(path, '"log_p_test": -', '"log_p_test": -1')
    sentences = " ".join(changed_files(root, tmp_path / "results"))
    for name in ("index.md", "seeds.csv", "rows.csv", "bias.png is not there"):
        assert f"reports/noise/{name}" in sentences
    path.unlink()
    sentences = changed_files(root, tmp_path / "none")
    assert "reports/noise/index.md is made of no committed result." in sentences


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """A seed that was trained alone and committed; and what a second run of it gives."""
    root = tmp_path_factory.mktemp("alone")
    results = root / "kept"
    store.commit_result(fit(configuration.load("vae", [*SHORT, f"runs={root / 'runs'}"])), results)
    return root, results, rerun.rerun("short/digits/vae/seed0", root / "again", results)


def test_a_cell_run_again_gives_the_same_bits(alone):
    root, results, (old, new, allowed) = alone
    assert new["nll"] == old["nll"]
    assert (allowed.seeds, allowed.total) == (0.0, allowed.monte_carlo)
    assert allowed.total == pytest.approx(3 * 2**0.5 * old["nll_mc_error"])
    assert (root / "again" / "short" / "digits" / "vae" / "seed0" / RESULT).is_file()
    with pytest.raises(UsageError, match="has a result already"):
        rerun.rerun("short/digits/vae/seed0", root / "again", results)


def test_on_another_machine_the_spread_over_seeds_is_allowed(alone, tmp_path):
    _, _, (old, new, _) = alone
    nll, pack = [30.0, 30.2, 30.7], store.pack_of("short", "digits", tmp_path)
    other = {**old, "provenance": {**old["provenance"], "device": "abacus"}}
    for seed, value in enumerate(nll):
        pack.add(f"vae/seed{seed}", {**other, "seed": seed, "nll": value}, None, None)
    pack.add("hvi/seed0", {**other, "row": "hvi", "nll": 90.0}, None, None)
    allowed = rerun.tolerance(store.Committed(pack, "vae/seed0"), other, new)
    expected = stats.t.ppf(0.975, 2) * np.std(nll, ddof=1) * 2**0.5
    assert allowed.seeds == pytest.approx(expected)
    assert allowed.because.startswith("3 committed seeds; device abacus, here ")
    assert rerun.tolerance(store.Committed(pack, "hvi/seed0"), other, new).seeds == rerun.ONE_SEED


def test_beside_other_seeds_is_another_way_of_training(alone):
    _, _, (old, new, _) = alone
    together = {**old, "training": {**old["training"], "replicas": 3}}
    assert rerun.elsewhere(together, new) == ["trained beside 2 seeds, here alone"]
    assert rerun.elsewhere(old, new) == []


@pytest.mark.parametrize(("change", "outcome"), [(0.0, "reproduced"), (1.0, "not reproduced")])
def test_the_command_says_whether_it_was_reproduced(
    alone, tmp_path, monkeypatch, capsys, change, outcome
):
    _, _, (old, new, allowed) = alone
    wrong = {**old, "nll": old["nll"] + change}
    monkeypatch.setattr(rerun, "rerun", lambda *_: (wrong, new, allowed))
    monkeypatch.setattr(sys, "argv", ["reproduce.checks.rerun", "short/digits/vae/seed0"])
    if change:
        with pytest.raises(UsageError, match=r"^not reproduced: .* difference -1\.0000 nats"):
            rerun.main()
    else:
        rerun.main()
        assert "the same bits" in capsys.readouterr().out


def test_what_cannot_be_run_again_is_one_sentence(alone, tmp_path):
    _, results, (old, *_) = alone
    for name in ("vae/seed0", "short/digits/vae/seed7", "../x"):
        with pytest.raises(UsageError, match="is not a committed cell"):
            rerun.committed(name, results)
    one = store.Committed(store.pack_of("short", "digits", tmp_path), "vae/seed0")
    one.pack.add(one.name, {**old, "status": "diverged"}, None, None)
    with pytest.raises(UsageError, match="has no NLL"):
        rerun.committed("short/digits/vae/seed0", tmp_path)
    replace_result(one, status="finished", config={**old["config"], "later": 1})
    with pytest.raises(UsageError, match=r"later is not a key.*the commit that scored it"):
        rerun.rerun("short/digits/vae/seed0", tmp_path / "again", tmp_path)
    replace_result(one, config=old["config"], data_digest="f" * 64)
    with pytest.raises(UsageError, match="the data here have SHA-256"):
        rerun.rerun("short/digits/vae/seed0", tmp_path / "again", tmp_path)


def test_the_repositorys_own_marks_are_read():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert [path.parent.name for path in readme.tables_of(text)] == ["paper", "short"]
    assert (ROOT / readme.shown(text, ROOT)[-1]).is_file()
