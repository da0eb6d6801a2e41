"""The columns of annealed importance sampling in the table, and its pairs."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from results import bounds, commit_made_up
from scipy import stats

from annealed.utils.errors import UsageError
from reproduce.results import scored
from reproduce.results.store import committed_results, pack_of
from reproduce.table import annealed_columns, nll_table, report

ALL, IMAGES, DRAWN = 50, 20, 12
ROWS = ("vae", "hvi", "hvi_avo")


def numbers(row, seed):
    """Log p(x) of all images by importance sampling, of the first by AIS, bounds of drawn ones."""
    rng = np.random.default_rng([seed, *row.encode()])
    test = -85.0 + 0.2 * ROWS.index(row) + rng.normal(0, 0.1, ALL)
    lower = rng.normal(-88, 3, DRAWN)
    return test, test[:IMAGES] + rng.uniform(0.2, 0.8, IMAGES), lower, lower + rng.random(DRAWN)


def commit(folder, rows=ROWS, seeds=3, shift=0.0):
    """Put runs into the table's pack, and into that of AIS with an NLL that is off by `shift`."""
    for row in rows:
        for seed in range(seeds):
            test, ais, lower, upper = numbers(row, seed)
            options = ("preset=short", "evaluate.samples=500")
            run = commit_made_up(folder, row, seed, bounds([-90.0, -89.0]), test, *options).read()
            annealed = {
                "nll": -ais.mean(),
                "importance": {"nll": -test[:IMAGES].mean() + shift},
                "bdmc": {"gap": (upper - lower).mean()},
                "annealing": {"chains": 16, "temperatures": 500, "images": 99, "simulated": 99},
            }
            pack = pack_of("short", "mnist", folder / "estimators")
            pack.path.parent.mkdir(parents=True, exist_ok=True)
            arrays = {"ais": ais, "lower": lower, "upper": upper}
            kept = run | {"nll": run["nll"] + shift, "ais": annealed}
            pack.add(f"{row}/seed{seed}", kept, None, test - shift, arrays)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The report of runs that were all scored by both estimators."""
    root = tmp_path_factory.mktemp("made")
    commit(root / "results")
    return report.write("short", "mnist", root / "results", root / "report")


def table_of(root):
    """The table of the results below `root`, by row, and its page."""
    results, folder = root / "results", root / "table"
    made = committed_results("short", "mnist", results)
    known = scored.scored_among([one.read() for one in made], results)
    text = nll_table.write(made, folder, "short", scored=known)
    return pd.read_csv(folder / "nll_table.csv").set_index("row"), text


def test_a_row_has_its_means_of_the_same_images_and_the_median_gap(made):
    table = pd.read_csv(made / "nll_table.csv").set_index("row")
    text = (made / "nll_table.md").read_text(encoding="utf-8")
    for row in ROWS:
        seeds = [numbers(row, seed) for seed in range(3)]
        line, nll = table.loc[row], [-ais.mean() for _, ais, *_ in seeds]
        low, high = stats.t.interval(0.95, 2, np.mean(nll), stats.sem(nll))
        gaps = [np.median(upper - lower) for *_, lower, upper in seeds]
        expected = [-test[:IMAGES].mean() for test, *_ in seeds]
        assert line.nll_is_same == pytest.approx(np.mean(expected), abs=1e-5)
        assert line.nll_ais == pytest.approx(np.mean(nll), abs=1e-5)
        assert line.nll_ais_half == pytest.approx((high - low) / 2, abs=1e-5)
        assert line.bdmc_gap == pytest.approx(np.mean(gaps), abs=1e-5)
        cells = f"| {line.nll_is_same:.2f} | {line.nll_ais:.2f} ± {line.nll_ais_half:.2f} |"
        assert f"{cells} {line.bdmc_gap:.3f} |" in text
    assert "the first 20 test images" in text
    assert "S = 500" in text
    assert "on 12 images that the model draws" in text


def test_a_row_whose_median_gap_hides_wide_ones_is_named_with_their_share(tmp_path):
    commit(tmp_path / "results", rows=("hvi", "vae"))
    runs = pack_of("short", "mnist", tmp_path / "results").results().values()
    known = scored.scored_among(runs, tmp_path / "results")
    place = next(i for i, one in enumerate(known) if one.result["row"] == "hvi")
    upper = known[place].upper + 5.0 * (np.arange(DRAWN) < 3)
    ais = known[place].result["ais"] | {"bdmc": {"gap": (upper - known[place].lower).mean()}}
    result = known[place].result | {"ais": ais}
    known[place] = replace(known[place], upper=upper, result=result)
    table = pd.DataFrame({"row": ["vae", "hvi", "iaf"], "seeds": 3})
    note = annealed_columns.note(annealed_columns.columns(table, known), known)
    assert note.endswith(" Of HVI 8 % of these images have bounds more than 1 nat apart.")
    assert note.count(" Of ") == 1


def test_other_images_of_some_seeds_are_refused(tmp_path):
    commit(tmp_path / "results", rows=("hvi",), seeds=2)
    pack = pack_of("short", "mnist", tmp_path / "results" / "estimators")
    one = pack.results()["hvi/seed1"]
    test, ais, lower, upper = numbers("hvi", 1)
    spaced = {"images_spaced": True, "importance": {"nll": -test[2::5].mean()}}
    spaced |= {"nll": -ais[:10].mean()}
    arrays = {"ais": ais[:10], "lower": lower, "upper": upper}
    pack.add("hvi/seed1", one | {"ais": one["ais"] | spaced}, None, test, arrays)
    runs = pack_of("short", "mnist", tmp_path / "results").results().values()
    said = r"AIS scored 10 evenly spaced test images of .*seed1 and the first 20 test images of"
    with pytest.raises(UsageError, match=said):
        scored.scored_among(runs, tmp_path / "results")


def test_a_run_that_diverged_is_of_no_score(tmp_path):
    commit(tmp_path / "results", rows=("hvi",), seeds=1)
    result = pack_of("short", "mnist", tmp_path / "results").results()["hvi/seed0"]
    diverged = {"status": "diverged", "row": "hvi", "seed": 0}
    assert scored.same_weights(result, result)
    assert not scored.same_weights(diverged, result)


def test_images_evenly_spaced_are_paired_with_those_and_named(tmp_path):
    test, ais, lower, upper = numbers("vae", 0)
    spaced = {"importance": {"nll": -test[2::5].mean()}, "images_spaced": True}
    result = {"nll": -test.mean(), "samples": 500, "row": "vae"}
    parts = {"nll": -ais[:10].mean(), "bdmc": {"gap": (upper - lower).mean()}}
    size = {"annealing": {"chains": 16, "temperatures": 500}}
    arrays = test, ais[:10], lower, upper
    one = scored.Scored("made", result | {"ais": spaced | parts | size}, *arrays)
    assert np.array_equal(one.importance, test[2::5])
    assert one.images == "10 evenly spaced test images"


def test_pairs_by_ais_are_of_the_same_seeds_and_images(made):
    text = (made / "paired.md").read_text(encoding="utf-8")
    pairs = pd.read_csv(made / "paired_ais.csv").set_index(["row", "against"])
    assert list(pairs.index) == [("hvi_avo", "hvi"), ("hvi_avo", "vae"), ("hvi", "vae")]
    for (first, second), line in pairs.iterrows():
        gaps = [numbers(second, s)[1].mean() - numbers(first, s)[1].mean() for s in range(3)]
        assert line.difference == pytest.approx(np.mean(gaps), abs=1e-5)
        assert line.p_t == pytest.approx(stats.ttest_1samp(gaps, 0.0).pvalue, rel=1e-2)
        assert line.images == IMAGES
    assert text.index("## By annealed importance sampling") > text.index("# Paired differences")


def test_other_weights_and_rows_without_every_seed_have_no_numbers(tmp_path):
    commit(tmp_path / "results")
    commit(tmp_path / "results", rows=("hvi",), shift=0.01)
    pack = pack_of("short", "mnist", tmp_path / "results" / "estimators")
    lines = pack.path.read_text(encoding="utf-8").splitlines()
    kept = [line for line in lines if json.loads(line)["run"] != "vae/seed1"]
    pack.path.write_text("\n".join(kept) + "\n", encoding="utf-8")
    table, text = table_of(tmp_path)
    assert table.nll_ais.notna().to_dict() == {"vae": False, "hvi": False, "hvi_avo": True}
    assert text.count("| - | - | - |\n") == 2


def test_without_a_scored_row_the_table_is_as_it_was(tmp_path):
    commit(tmp_path / "results", shift=0.01)
    table, text = table_of(tmp_path)
    assert "nll_ais" not in table
    assert "AIS" not in text


def test_an_array_that_is_missing_is_named(tmp_path):
    commit(tmp_path / "results")
    pack = pack_of("short", "mnist", tmp_path / "results" / "estimators")
    with np.load(pack.arrays) as stored:
        arrays = {key: stored[key] for key in stored if key != "hvi/seed0/upper"}
    np.savez(pack.arrays, **arrays)
    with pytest.raises(UsageError, match=r"mnist\.npz lacks an array of hvi/seed0"):
        table_of(tmp_path)


def test_a_run_trained_again_is_the_same_to_a_thousandth(tmp_path):
    commit(tmp_path / "results", shift=5e-4)
    runs = pack_of("short", "mnist", tmp_path / "results").results().values()
    assert len(scored.scored_among(runs, tmp_path / "results")) == 9
