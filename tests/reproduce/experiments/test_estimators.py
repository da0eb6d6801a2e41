"""The page of AIS beside importance sampling: its works, its pack, its numbers."""

import argparse
import json
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from commands import annealed
from conftest import ROOT
from results import result
from scipy import stats

from annealed import config as configuration
from annealed.evaluation.annealed_summary import bdmc_summary, standard_error, summary
from annealed.evaluation.result import RESULT, identity
from annealed.runs import annealed_cli
from annealed.runs.folders import claim
from annealed.utils.errors import UsageError
from reproduce.checklist import answers
from reproduce.checklist.record import Record
from reproduce.checks import verify
from reproduce.experiments.estimators import __main__ as command, design, kept, page
from reproduce.experiments.estimators.design import BUDGETS
from reproduce.experiments.estimators.scoring import Scoring
from reproduce.results import paired, published, scored, store
from reproduce.results.store import RESULTS
from reproduce.scheduling.local import Local

FULL, QUICK = BUDGETS["full"], BUDGETS["quick"]
PARTS = FULL, design.from_prior(FULL)
IMAGES, ALL, DRAWN = 40, 60, 12
LOOSER = 0.25  # nats that chains from the prior lose
FROM_PRIOR = {"lin_iaf": "LinIAF", "cc_lin_iaf": "ccLinIAF"}  # rows that they score too
# NLL of a row's decoder in nats, and by how much importance sampling overstates it: best first, but
# that by importance sampling VAE is before HVI-AVO
TRUTH = {"cmcd": 84.2, "mcd": 84.4, "lmcvae": 84.6, "uha": 84.8}
TRUTH |= {"iaf": 85.0, "iaf_avo": 85.2, "lin_iaf": 85.35, "cc_lin_iaf": 85.5, "hvm": 85.65}
TRUTH |= {"iwae": 85.9, "renyi": 86.1, "hvi": 86.25, "hvi_avo": 86.4, "vae": 86.55}
TRUTH |= {"hvi_nvi": 87.0, "hvi_nvi_star": 87.2, "householder": 87.4, "householder_avo": 87.6}
TRUTH |= {"iterative": 87.8, "tvo": 88.0}
BEST_FIRST = [row for row in TRUTH if row in FULL.rows]
SLACK = dict.fromkeys(TRUTH, 0.2) | {"hvi_avo": 0.5}
SEEDS = 3 * len(FULL.rows)
COMPARED = [pair for pair in paired.PAIRS if set(pair) <= set(FULL.rows)]


def numbers(row, seed):
    """Log p(x) of all test images by importance sampling, of the first by AIS; both bounds."""
    rng = np.random.default_rng([seed, *row.encode()])
    hard = np.random.default_rng(0).normal(0, 9, ALL)  # the same images for all
    truth = -TRUTH[row] + hard + rng.normal(0, 0.1, ALL) + 0.05 * seed
    slack = SLACK[row] * rng.uniform(0.5, 1.5, ALL)
    lower = rng.normal(-88, 9, DRAWN)
    return truth - slack, truth[:IMAGES], lower, lower + rng.uniform(0.0, 0.1, DRAWN)


def write_run(work):
    """Leave in the folder of a scoring what a training and it leave, but for checkpoints."""
    config, folder = work.run.config(), work.folder()
    test, ais, lower, upper = numbers(work.row, work.seed)
    ais = ais - LOOSER if work.options.start == "prior" else ais
    folder.mkdir(parents=True, exist_ok=True)
    claim(config, folder, folder)
    process = {"commit": "a" * 40, "command": "x", "device": "abacus", "device_type": "cuda"}
    changes = {"nll": -test.mean(), "test_images": ALL, "split": "test", "provenance": process}
    changes |= {"config": configuration.to_dict(config), "evaluate_seconds": 900.0}
    training = {"epochs": 100, "seconds": 3600.0, "seconds_a_seed": 1800.0}
    changes["training"] = {**training, "sessions": [process]}
    record = result(work.row, work.seed, 0.0) | identity(config) | changes
    (folder / RESULT).write_text(json.dumps(record), encoding="utf-8")
    np.savez(folder / "result.npz", log_prob=test)

    ones = np.ones(IMAGES)
    arrays = {"log_prob": ais, "elbo": ais - 0.5, "std_error": 0.1 * ones, "ess": 9 * ones}
    arrays |= {"acceptance": 0.7 * ones}
    gap = ais - test[:IMAGES]
    beside = {"nll": -test[:IMAGES].mean(), "gap": gap.mean(), "gap_error": standard_error(gap)}
    scored = {
        **identity(config),
        "status": "finished",
        "estimator": "ais",
        "annealing": work.options.to_dict(),
        "split": "test",
        "data_digest": record["data_digest"],
        **summary(arrays),
        "bdmc": bdmc_summary({"lower": lower, "upper": upper}),
        "importance": {**beside, "gap_max": gap.max(), "samples": 500},
        "evaluate_seconds": 450.0,
        "config": record["config"],
        "training": record["training"],
        "provenance": {**process, "commit": "b" * 40},
    }
    work.path.parent.mkdir(exist_ok=True)
    work.path.write_text(json.dumps(scored), encoding="utf-8")
    np.savez(work.path.with_suffix(".npz"), **arrays, model_lower=lower, model_upper=upper)


def made_of(runs, seeds):
    """What was left below `runs` of `seeds`, as `kept.commit` takes it."""
    plans = {part.start: design.scorings(part, seeds, str(runs)) for part in PARTS}
    return {start: [kept.made(work) for work in works] for start, works in plans.items()}


def change(path, **values):
    """Give the JSON at `path` other values."""
    there = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps(there | values), encoding="utf-8")


def no_start(*_):
    raise AssertionError("a work was started")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A repository whose page was made of finished runs that lie elsewhere, without a training."""
    root = tmp_path_factory.mktemp("made") / "root"
    root.mkdir()
    runs = root.with_name("runs")
    for budget in PARTS:
        for work in design.scorings(budget, 3, str(runs)):
            write_run(work)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        patch.setattr(Local, "start", no_start)
        patch.setattr(sys, "argv", ["estimators", "--preset", "full", "--runs", str(runs)])
        command.main()
    shutil.rmtree(runs)
    return root


@pytest.fixture
def root(made, tmp_path):
    """A copy of `made` to spoil."""
    return shutil.copytree(made, tmp_path / "root")


def csv(root, name):
    return pd.read_csv(root / "reports" / "estimators" / f"{name}.csv")


def text_of(root):
    return (root / "reports" / "estimators" / "index.md").read_text(encoding="utf-8")


def test_the_plan_trains_seeds_side_by_side_and_scores_each(tmp_path):
    trainings, scorings = (plan(FULL, 3, str(tmp_path)) for plan in (design.runs, design.scorings))
    assert [run.row for run in trainings] == list(FULL.rows)
    assert all((run.replicas, run.compile, run.preset) == (3, True, "short") for run in trainings)
    folders = [folder for run in trainings for folder in run.locks()]
    assert [work.folder() for work in scorings] == folders
    assert len(set(scorings)) == SEEDS
    first = scorings[0]
    moved = replace(first, runs=str(tmp_path / "elsewhere"))
    assert moved.path == tmp_path / "elsewhere" / first.path.relative_to(tmp_path)


@pytest.mark.parametrize("budget", BUDGETS.values(), ids=list(BUDGETS))
def test_a_scorings_command_asks_for_its_options(budget):
    work = design.scorings(budget, 1, "runs")[0]
    module, name, folder, *arguments = work.arguments(2)
    assert (module, name, folder) == ("-m", "annealed.evaluate", str(work.folder()))
    parser = argparse.ArgumentParser()
    annealed_cli.add_options(parser)
    parsed, others = parser.parse_known_args(arguments)
    assert annealed_cli.options_of(parsed) == budget.options
    assert others == ["trainer.threads=2"]


def test_a_scoring_is_done_by_its_own_result_alone(tmp_path):
    work = design.scorings(FULL, 1, str(tmp_path))[0]
    assert not work.done()
    write_run(work)
    assert work.done()
    assert work.files()[-1] == work.results()[0] == work.path
    change(work.path, annealing={**FULL.options.to_dict(), "leapfrogs": 7})
    with pytest.raises(UsageError, match=r"ais_C16_T500\.json has leapfrogs 7 \(now 5\); remove"):
        work.done()
    change(work.path, seed=1)
    with pytest.raises(UsageError, match="is of another run"):
        work.done()


def test_a_row_has_its_means_and_t_intervals_over_seeds(made):
    rows, seeds = csv(made, "rows").set_index("row"), csv(made, "seeds")
    assert list(rows.index) == list(FULL.rows)
    for row in FULL.rows:
        of_row = [numbers(row, seed) for seed in range(3)]
        expected = {
            "nll_test": [-test.mean() for test, *_ in of_row],
            "nll_is": [-test[:IMAGES].mean() for test, *_ in of_row],
            "nll_ais": [-ais.mean() for _, ais, *_ in of_row],
            "slack": [(ais - test[:IMAGES]).mean() for test, ais, *_ in of_row],
            "bdmc_gap": [np.median(upper - lower) for *_, lower, upper in of_row],
            "bdmc_apart": [np.mean(upper - lower > 1.0) for *_, lower, upper in of_row],
        }
        for name, values in expected.items():
            half = stats.t.ppf(0.975, 2) * np.std(values, ddof=1) / 3**0.5
            assert rows.loc[row, name] == pytest.approx(np.mean(values), rel=1e-5, abs=1e-5)
            assert rows.loc[row, f"{name}_half"] == pytest.approx(half, rel=1e-3, abs=1e-5)
            assert list(seeds[seeds.row == row][name]) == pytest.approx(values, rel=1e-4, abs=1e-5)
        r = rows.loc[row]
        assert f"| {r.nll_ais:.2f} ± {r.nll_ais_half:.2f} | {r.slack:.3f} ±" in text_of(made)
        assert r.acceptance == pytest.approx(0.7)


@pytest.mark.parametrize(
    ("estimator", "take"),
    [
        ("importance sampling", lambda test, ais: test[:IMAGES]),
        ("AIS", lambda test, ais: ais),
        ("IS less AIS", lambda test, ais: test[:IMAGES] - ais),
    ],
)
def test_a_pair_is_compared_by_seed_and_image(made, estimator, take):
    pairs = csv(made, "pairs")
    pairs = pairs[pairs.estimator == estimator].set_index(["row", "against"])
    assert list(pairs.index) == COMPARED
    log_p = {row: [take(*numbers(row, s)[:2]).mean() for s in range(3)] for row in FULL.rows}
    for (first, second), line in pairs.iterrows():
        gap = np.subtract(log_p[second], log_p[first])
        test = stats.ttest_1samp(gap, 0.0)
        low, high = test.confidence_interval()
        assert (line.seeds, line.images) == (3, IMAGES)
        assert line.difference == pytest.approx(gap.mean(), abs=1e-5)
        assert (line.t_low, line.t_high) == pytest.approx((low, high), abs=1e-4)
        assert line.p_t == pytest.approx(test.pvalue, rel=1e-2)
        assert line.bootstrap_low < gap.mean() < line.bootstrap_high
    assert list(pairs.holm_t) == pytest.approx(_holm(pairs.p_t), rel=1e-4)


def _holm(p):
    """Holm's correction, a second time."""
    order, least, adjusted = sorted(p), 0.0, {}
    for place, value in enumerate(order):
        least = max(least, (len(order) - place) * value)
        adjusted[value] = min(least, 1.0)
    return [adjusted[value] for value in p]


def test_chains_from_the_prior_have_a_table_of_their_own(made):
    seeds = csv(made, "from_prior")
    pairs = [(row, seed) for row in FROM_PRIOR for seed in range(3)]
    assert list(zip(seeds.row, seeds.seed, strict=True)) == pairs
    expected = [-numbers(*pair)[1].mean() for pair in pairs]
    assert list(seeds.nll_ais - LOOSER) == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("row", FROM_PRIOR)
def test_a_row_scored_from_the_prior_keeps_its_line_by_chains_from_the_posterior(made, row):
    lines, name = text_of(made).splitlines(), f"| {FROM_PRIOR[row]} | 3 |"
    expected = np.mean([-numbers(row, seed)[1].mean() for seed in range(3)])
    at = lines.index("## Chains from the prior")
    posterior, prior = (i for i, line in enumerate(lines) if line.startswith(name))
    assert posterior < at < prior
    assert f"| {expected + LOOSER:.2f} ± " in lines[prior]
    assert f"| {expected:.2f} ± " in lines[posterior]


def test_a_bias_of_the_estimator_flatters_a_row_and_makes_none_better(made):
    better, flattering = text_of(made).split("it flatters the first row:\n\n")
    assert "first is better |" in better
    assert "| flatters the second |" in flattering
    assert "is better |" not in flattering


def test_the_page_says_which_rows_change_places(made):
    text = text_of(made)
    by_ais = " < ".join(published.label(row) for row in BEST_FIRST)
    by_is = by_ais.replace("HVI-AVO < VAE", "VAE < HVI-AVO")
    changes = "(by AIS VAE and HVI-AVO change places)"
    assert f"- importance sampling, whole test set: {by_is} {changes}\n" in text
    assert f"- importance sampling, the images of AIS: {by_is} {changes}\n" in text
    assert f"- AIS: {by_ais}\n" in text
    assert "SEEDS=3" in text
    assert "trained on abacus at commit aaaa" in text
    assert "scored by AIS on abacus at commit bbbb" in text
    assert "No conclusion is drawn here" in text


def test_the_page_is_made_again_of_its_pack_alone(root, tmp_path, monkeypatch):
    before = {p.name: p.read_bytes() for p in (root / "reports" / "estimators").iterdir()}
    shutil.rmtree(root / "reports" / "estimators")
    monkeypatch.chdir(root)
    monkeypatch.setattr(sys, "argv", ["estimators", "--preset", "full", "--page"])
    command.main()
    after = {p.name: p.read_bytes() for p in (root / "reports" / "estimators").iterdir()}
    assert after == before
    assert {"index.md", "rows.csv", "seeds.csv", "pairs.csv", "estimators.png"} <= set(after)


def remade(root, into):
    """Differences of the committed page from what `make verify` makes of the pack."""
    verify.make_estimators(root / RESULTS, into)
    return verify.differences(root, into)


def test_a_digit_that_was_changed_on_the_page_is_named(root, tmp_path):
    assert remade(root, tmp_path / "same") == []
    path = root / "reports" / "estimators" / "index.md"
    lines = text_of(root).splitlines()
    (at,) = (i for i, line in enumerate(lines) if line.startswith("| HVI-AVO | 3 |"))
    cells = lines[at].split(" | ")
    cells[4] = "9" + cells[4]
    lines[at] = " | ".join(cells)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    (sentence,) = remade(root, tmp_path / "changed")
    assert sentence.startswith(f"reports/estimators/index.md, line {at + 1}, column 5: '9")
    shutil.rmtree(root / RESULTS / "estimators")
    assert "reports/estimators/index.md is made of no committed result." in remade(
        root, tmp_path / "none"
    )


@pytest.mark.parametrize(
    ("spoil", "expected"),
    [
        (lambda r: r["ais"].update(nll=r["ais"]["nll"] + 0.001), "its NLL by AIS is "),
        (lambda r: r.update(nll=r["nll"] - 1), "its NLL of the test set is "),
        (lambda r: r["ais"]["bdmc"].update(gap=0.5), "its BDMC gap is 0.50000"),
        (lambda r: r["ais"].update(annealing={}), "was scored by AIS of other options"),
        (lambda r: r.pop("ais"), "was scored by AIS of other options"),
        (lambda r: r.update(samples=7), "differs from most results"),
        (lambda r: r.update(seed=9), "is a copy"),
    ],
)
def test_a_pack_that_was_changed_by_hand_gives_no_page(root, tmp_path, spoil, expected):
    path = root / RESULTS / "estimators" / "short" / "mnist.jsonl"
    first, *others = path.read_text(encoding="utf-8").splitlines()
    line = json.loads(first)
    spoil(line)
    path.write_text("\n".join([json.dumps(line), *others]) + "\n", encoding="utf-8")
    with pytest.raises(UsageError, match=expected):
        page.write("full", tmp_path / "page", root / RESULTS / "estimators")


def test_a_pack_that_lacks_a_row_or_its_arrays_gives_no_page(root, tmp_path):
    pool = root / RESULTS / "estimators"
    path = pool / "short" / "mnist.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines()
    path.write_text("\n".join(lines[3:]) + "\n", encoding="utf-8")
    with pytest.raises(UsageError, match=r"mnist\.jsonl has no result of cc_lin_iaf; make the"):
        page.write("full", tmp_path / "page", pool)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    arrays = path.with_suffix(".npz")
    with np.load(arrays) as stored:
        others = {key: stored[key] for key in stored if key != f"vae/seed0/{scored.LOWER}"}
    np.savez(arrays, **others)
    with pytest.raises(UsageError, match=r"mnist\.npz lacks an array of vae/seed0"):
        page.write("full", tmp_path / "page", pool)
    arrays.unlink()
    with pytest.raises(UsageError, match=r"mnist\.npz is not there, or not readable"):
        page.write("full", tmp_path / "page", pool)


def test_what_is_committed_is_replaced_whole_or_not_at_all(root, tmp_path):
    pool = root / RESULTS / "estimators"
    path = pool / "short" / "mnist.jsonl"
    before = path.read_bytes()
    works = design.scorings(FULL, 1, str(tmp_path / "runs"))
    for work in (*works, *design.scorings(PARTS[1], 1, str(tmp_path / "runs"))):
        write_run(work)
    change(works[-1].path, bdmc=None)
    with pytest.raises(UsageError, match=r"T500\.json has no BDMC; score the run again"):
        kept.commit(made_of(tmp_path / "runs", 1), FULL, pool)
    write_run(works[-1])
    change(works[-1].path, importance=None)
    with pytest.raises(UsageError, match=r"T500\.json has no importance-sampled NLL of these"):
        kept.commit(made_of(tmp_path / "runs", 1), FULL, pool)
    other = np.load(works[1].folder() / "result.npz")["log_prob"] - 0.01
    np.savez(works[-1].folder() / "result.npz", log_prob=other)
    write_run(works[-1])
    change(works[-1].folder() / RESULT, nll=-other.mean())
    np.savez(works[-1].folder() / "result.npz", log_prob=other)
    with pytest.raises(UsageError, match=r"its NLL of the same images .* of other weights"):
        kept.commit(made_of(tmp_path / "runs", 1), FULL, pool)
    assert path.read_bytes() == before
    write_run(works[-1])
    kept.commit(made_of(tmp_path / "runs", 1), FULL, pool)
    assert len(path.read_text(encoding="utf-8").splitlines()) == len(FULL.rows)
    assert [p.name for p in pool.iterdir()] == ["short"]
    page.write("full", tmp_path / "page", pool)
    text = (tmp_path / "page" / "index.md").read_text(encoding="utf-8")
    assert text.count("| one seed |") == 2 * 3 * len(COMPARED)


def write_sizes(runs, name="thin2021", options=FULL.options):
    """Leave in a folder, which is returned, what a run of published sizes and AIS leave."""
    path = str(ROOT / "configs" / "published" / f"{name}.yaml")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(TRUTH, path, 83.0)
        patch.setitem(SLACK, path, 0.3)
        work = Scoring("short", "mnist", path, 0, options, str(runs))
        write_run(work)
    change(work.folder() / RESULT, samples=500)
    return work.folder()


def test_a_score_of_published_sizes_is_kept_beside_the_rows(root, tmp_path, monkeypatch):
    pages = root / "reports" / "estimators"
    before = {p.name: p.read_bytes() for p in pages.iterdir()}
    monkeypatch.chdir(root)
    folder = write_sizes(tmp_path / "runs")
    arguments = ["x", "--preset", "full", "--page", "--sizes", str(folder)]
    for _ in range(2):  # a second time in its own place
        monkeypatch.setattr(sys, "argv", arguments)
        command.main()
    assert {p.name: p.read_bytes() for p in pages.iterdir()} == before
    pool = root / RESULTS / "estimators"
    kept.commit(made_of_pack(pool), FULL, pool)  # the rows anew: it stays
    (sizes,) = store.committed_results("short", "mnist", pool, "published")
    assert sizes.name == "published/thin2021/seed0"
    run = json.loads((folder / RESULT).read_text(encoding="utf-8"))
    scored_runs = [one.read() for one in store.committed_results("short", "mnist", pool)]
    (known,) = scored.scored_among([*scored_runs, run], root / RESULTS, "published")
    assert known.result["row"] == "thin2021"
    assert known.nll_ais == pytest.approx(known.nll_is - 0.3, abs=0.1)
    assert len(scored.scored_among([*scored_runs, run], root / RESULTS)) == SEEDS


def made_of_pack(pool):
    """The scores of the rows in the pack, as `kept.commit` takes them."""
    return {part.start: kept.read(part, pool) for part in PARTS}


@pytest.mark.parametrize(
    ("change_run", "change_score", "expected"),
    [
        ({"row": "hvi"}, {}, r"is of hvi; accepted by --sizes: geffner2021, thin2021\."),
        ({"preset": "paper"}, {}, "is of preset paper on mnist, not preset short on mnist"),
        ({}, {"annealing": {}}, r"T500\.json has chains None \(now 16\), "),
        ({}, {"bdmc": None}, "has no BDMC; score the run again"),
    ],
)
def test_another_score_is_not_kept_as_one_of_published_sizes(
    root, tmp_path, change_run, change_score, expected
):
    pool = root / RESULTS / "estimators"
    before = (pool / "short" / "mnist.jsonl").read_bytes()
    folder = write_sizes(tmp_path / "runs")
    for key, value in change_run.items():
        folder = spoiled(folder, key, value)
    change(folder / FULL.options.name, **change_score)
    with pytest.raises(UsageError, match=expected):
        kept.add(folder, FULL, pool)
    assert (pool / "short" / "mnist.jsonl").read_bytes() == before


def spoiled(folder, key, value):
    """The run folder of another row or preset, moved to where such a run is."""
    change(folder / RESULT, **{key: value})
    there = json.loads((folder / RESULT).read_text(encoding="utf-8"))
    other = folder.parents[3] / there["preset"] / "mnist" / there["row"] / "seed0"
    other.parent.mkdir(parents=True, exist_ok=True)
    return shutil.move(folder, other)


def test_missing_takes_a_row_that_is_kept_and_makes_the_others(root, tmp_path, monkeypatch):
    before = {p.name: p.read_bytes() for p in (root / "reports" / "estimators").iterdir()}
    path = root / RESULTS / "estimators" / "short" / "mnist.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines()
    others = [line for line in lines if json.loads(line)["run"] != "hvi/seed1"]
    assert len(others) == len(lines) - 1
    path.write_text("\n".join(others) + "\n", encoding="utf-8")
    for seed in range(3):
        write_run(scoring_of("hvi", seed, tmp_path / "runs"))
    monkeypatch.chdir(root)
    monkeypatch.setattr(Local, "start", no_start)
    runs = str(tmp_path / "runs")
    monkeypatch.setattr(sys, "argv", ["x", "--preset", "full", "--missing", "--runs", runs])
    command.main()
    assert path.read_text(encoding="utf-8").splitlines() == lines
    after = {p.name: p.read_bytes() for p in (root / "reports" / "estimators").iterdir()}
    assert after == before
    shutil.rmtree(runs)
    command.main()
    assert path.read_text(encoding="utf-8").splitlines() == lines


def scoring_of(row, seed, runs):
    works = design.scorings(FULL, 3, str(runs))
    return next(work for work in works if (work.row, work.seed) == (row, seed))


def test_results_that_cannot_share_a_table_do_not_replace_those_that_can(root, tmp_path):
    pool = root / RESULTS / "estimators"
    before = (pool / "short" / "mnist.jsonl").read_bytes()
    works = design.scorings(FULL, 1, str(tmp_path / "runs"))
    for work in (*works, *design.scorings(PARTS[1], 1, str(tmp_path / "runs"))):
        write_run(work)
    change(works[0].folder() / RESULT, samples=7)
    with pytest.raises(UsageError, match="differs from most results of its table"):
        kept.commit(made_of(tmp_path / "runs", 1), FULL, pool)
    assert (pool / "short" / "mnist.jsonl").read_bytes() == before
    assert [p.name for p in pool.iterdir()] == ["short"]


def test_the_checklist_counts_what_annealing_took(root):
    record = Record(root)
    # each seed took half an hour, scored for a quarter and for half a quarter, or twice for a half
    again = 3 * len(FROM_PRIOR)
    train, score = SEEDS / 2, SEEDS * 3 / 8 + again / 8
    hours = answers.find("hours", record).text
    parts = f"({train:.2f} of training, {score:.2f} of scoring)"
    assert hours.startswith(f"{train + score:.2f} hours of processes {parts}")
    counted = f"{SEEDS} were scored by annealed importance sampling too"
    assert counted in answers.find("runs", record).text
    assert "bbbbbbbbbbbb" in answers.find("commits", record).text


class Forked:
    """An engine that runs each work in a process which has imported the package already."""

    jobs, state, tries = 1, {}, 1

    def start(self, work, retries):
        module, name, *arguments = work.arguments(1)
        assert module == "-m"
        self.work, self.ended = work, annealed(name.removeprefix("annealed."), *arguments, cwd=".")
        return self

    def status(self):
        return self.ended.returncode

    def reason(self):
        return self.ended.stderr

    def close(self, jobs):
        pass


def test_a_smoke_run_trains_scores_and_writes_its_page(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(command.engines, "chosen", lambda arguments: Forked())
    monkeypatch.setattr(sys, "argv", ["estimators", "--preset", "quick"])
    command.main()
    folder = Path("reports", "quick", "estimators")
    text = (folder / "index.md").read_text(encoding="utf-8")
    assert text.count("SMOKE RUN") == 1
    seeds = pd.read_csv(folder / "seeds.csv")
    assert list(zip(seeds.row, seeds.seed, strict=True)) == [
        (row, seed) for row in ("vae", "hvi") for seed in (0, 1)
    ]
    assert np.isfinite(seeds.drop(columns="row")).all(axis=None)
    assert (seeds.slack.abs() < 1).all()
    assert not Path("reports", "results").exists()
    for work in design.scorings(QUICK, 2, "runs"):
        assert work.done()
        assert not work.path.with_suffix(".batches.npz").exists()
    monkeypatch.setattr(Forked, "start", no_start)
    command.main()
    assert (folder / "index.md").read_text(encoding="utf-8") == text
