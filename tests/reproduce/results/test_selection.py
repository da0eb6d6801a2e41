"""Which run a result is of, by what it holds and not by where it lies or how it is spelt."""

import json
import shutil

import pytest
from conftest import TINY
from omegaconf import OmegaConf
from results import result
from stand_ins import cheap, shell

from annealed import config as configuration
from annealed.evaluation.result import read_placed
from annealed.runs.folders import is_finished, run_folder
from annealed.runs.run import fit
from annealed.utils.errors import UsageError
from reproduce.results import paired, store
from reproduce.results.selection import results_of, select
from reproduce.scheduling.run_grid import Run, run_grid
from reproduce.table import nll_table, report


def tiny(runs, seed=0):
    return configuration.load("vae", [*TINY, f"runs={runs}", f"seed={seed}"])


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """The run folder of a seed, trained for seconds."""
    return fit(tiny(tmp_path_factory.mktemp("runs")))


@pytest.fixture
def folder(trained, tmp_path):
    """The same below a folder of the test's."""
    return shutil.copytree(trained, run_folder(tiny(tmp_path)))


def put(root, record, name=None):
    """`record` as a committed result, called `name`."""
    place = root / record["preset"] / record["data"] / record["row"]
    place.mkdir(parents=True, exist_ok=True)
    path = place / f"{name or 'seed' + str(record['seed'])}.json"
    path.write_text(json.dumps(record), encoding="utf-8")
    return path


def test_a_copied_run_folder_is_not_another_seeds_run(folder, tmp_path):
    assert is_finished(tiny(tmp_path), folder)
    copy = shutil.copytree(folder, folder.with_name("seed1"))
    sentence = "seed1/result.json is a copy: it holds the result of quick/digits/vae/seed0"
    with pytest.raises(UsageError, match=sentence):
        is_finished(tiny(tmp_path, 1), copy)
    values = OmegaConf.load(copy / "config.yaml")
    values.seed = 1
    OmegaConf.save(values, copy / "config.yaml")
    with pytest.raises(UsageError, match=sentence):
        is_finished(tiny(tmp_path, 1), copy)


def test_a_result_of_another_configuration_is_refused_whatever_lies_beside_it(folder, tmp_path):
    path = folder / "result.json"
    record = json.loads(path.read_text(encoding="utf-8"))
    record["config"]["optimiser"]["learning_rate"] = 0.5
    path.write_text(json.dumps(record), encoding="utf-8")
    with pytest.raises(UsageError, match=r"result.json: optimiser.learning_rate is 0.5 there"):
        is_finished(tiny(tmp_path), folder)


def test_a_result_that_was_scored_anew_is_still_of_its_run(folder, tmp_path):
    path = folder / "result.json"
    record = json.loads(path.read_text(encoding="utf-8"))
    record["config"]["evaluate"]["samples"] = 5000
    path.write_text(json.dumps(record), encoding="utf-8")
    assert is_finished(tiny(tmp_path), folder)


@pytest.mark.parametrize("content", ['{"status": "finished"}', '{"status": 1, "data": {}}', "[]"])
def test_a_result_that_names_no_run_is_one_sentence(tmp_path, content):
    path = tmp_path / "result.json"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(UsageError, match=r"result.json (does not say|is not a readable result)"):
        read_placed(path)


def test_a_bad_result_costs_the_table_no_other_row(tmp_path):
    good = [put(tmp_path, result("vae", seed, 87.0 + seed)) for seed in (0, 1)]
    copy = put(tmp_path, result("vae", 0, 87.0), "seed2")
    broken = put(tmp_path, result("hvi", 0, 86.0))
    broken.write_text("{", encoding="utf-8")
    odd = put(tmp_path, result("hvi", 1, 86.0, samples=50))
    chosen, refused = select([*good, copy, broken, odd, tmp_path / "nothing.json"])
    assert list(chosen) == good
    assert list(refused) == [copy, broken, odd]
    assert "is a copy: it holds the result of short/mnist/vae/seed0" in refused[copy]
    assert "not a readable result" in refused[broken]
    assert "differs from most results of its table in its importance samples" in refused[odd]


def test_a_run_counts_once_and_two_results_of_one_run_are_not_both_taken(tmp_path):
    first = put(tmp_path / "a", result("vae", 0, 87.0))
    same = put(tmp_path / "b", result("vae", 0, 87.0))
    other = put(tmp_path / "c", result("vae", 0, 88.0))
    chosen, refused = select([first, first, same, other])
    assert list(chosen) == [first]
    assert list(refused) == [other]
    assert "is another result of the run of" in refused[other]


def test_what_a_table_had_fits_what_is_asked_for_and_not_the_reverse(tmp_path):
    asked = put(tmp_path, result("vae", 0, 87.0))
    before = [put(tmp_path, result("hvi", seed, 86.0, samples=50)) for seed in (0, 1)]
    before.append(put(tmp_path, result("iaf", 0, 85.0)))
    chosen, refused = select([asked], before)
    assert list(chosen) == [asked, before[2]]
    assert list(refused) == before[:2]


def test_a_refused_result_is_named_by_its_run(tmp_path):
    runs = cheap(tmp_path, 2, shell("true"))
    for run in runs:
        run.folder().mkdir(parents=True)
        run.results()[0].write_text(json.dumps(result("vae", 0, 87.0)), encoding="utf-8")
    chosen, (sentence,) = results_of(runs)
    assert list(chosen) == runs[0].results()
    assert sentence.startswith("vae seed 1: ")


def test_a_row_counts_once_however_it_is_spelt(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.yaml").write_text("method: {name: vae}\n", encoding="utf-8")
    shutil.copytree(tmp_path, tmp_path / "deep" / "er")
    rows = ["vae", "vae.yaml", "mine.yaml", "./mine.yaml", str(tmp_path / "mine.yaml")]
    rows += ["deep/er/mine.yaml", "vae"]
    runs = run_grid("quick", "digits", rows, 2, runs=str(tmp_path))
    assert [run.name for run in runs] == ["vae seed 0", "mine seed 0", "vae seed 1", "mine seed 1"]


def test_two_configurations_of_one_name_are_refused_with_both_files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, content in {"a": "{name: vae}", "b": "{name: hvm}"}.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "mine.yaml").write_text(f"method: {content}\n", encoding="utf-8")
    rows = ["a/mine.yaml", "b/mine.yaml"]
    with pytest.raises(UsageError, match=r"a/mine.yaml and b/mine.yaml, two configurations of one"):
        run_grid("quick", "digits", rows, 1)
    (tmp_path / "b" / "mine.yaml").write_text("row: other\nmethod: {name: hvm}\n", encoding="utf-8")
    assert len(run_grid("quick", "digits", rows, 1)) == 2
    (tmp_path / "vae.yaml").write_text(
        "method: {name: vae}\noptimiser: {clip_norm: 1.0}\n", encoding="utf-8"
    )
    with pytest.raises(UsageError, match=r"configs/vae.yaml and vae.yaml, two configurations"):
        run_grid("quick", "digits", ["vae", "vae.yaml"], 1)


def test_a_stray_copy_among_committed_results_is_passed_over_with_a_line(tmp_path, capsys):
    path = put(tmp_path, result("vae", 0, 87.0))
    for name in ("seed0 (copy)", "seed0 copy", "seed00", "seed", "seedling"):
        put(tmp_path, result("vae", 0, 87.0), name)
    assert store.committed_results("short", "mnist", tmp_path) == [path]
    assert store.committed_results("short", "mnist", tmp_path) == [path]
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 5
    assert any("seed0 (copy).json is passed over" in line for line in lines)


def test_a_copy_among_committed_results_is_refused_and_costs_the_report_no_other(folder, tmp_path):
    committed = store.commit_result(folder, tmp_path / "results")
    for suffix in (".json", ".csv", ".npz"):
        shutil.copy(committed.with_suffix(suffix), committed.with_name(f"seed1{suffix}"))
    with pytest.raises(UsageError, match=r"seed1.json is a copy"):
        report.write("quick", "digits", tmp_path / "results", tmp_path / "report")
    assert "one seed" in (tmp_path / "report" / "nll_table.md").read_text(encoding="utf-8")
    with pytest.raises(UsageError, match=r"seed1.json is a copy"):
        paired.table(store.committed_results("quick", "digits", tmp_path / "results"))


def test_a_copied_folder_is_not_committed(folder, tmp_path):
    copy = shutil.copytree(folder, folder.with_name("seed1"))
    with pytest.raises(UsageError, match="is a copy"):
        store.commit_result(copy, tmp_path / "results")


def test_a_row_whose_seeds_all_diverged_has_no_seed(tmp_path):
    gone = {"status": "diverged", "reason": "x"}
    results = [result("vae", 0, 87.0)]
    results += [{**result("hvi", seed, 0.0), **gone} for seed in (0, 1)]
    table = nll_table.summarise(results)
    text = nll_table.markdown(table, "title", "source", 500)
    (line,) = (line for line in text.splitlines() if line.startswith("| HVI "))
    assert "all seeds diverged" in line
    assert "0 (2 diverged)" in line
    assert "one seed" not in line


def test_a_run_of_another_spelling_has_the_same_folder():
    runs = [Run("quick", "digits", row, 0) for row in ("vae", "vae.yaml")]
    assert runs[0].folder() == runs[1].folder()
