"""The page of AVO's successors: its plan, its fits, what it counts, the page of what is kept."""

import math
import re
import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from conftest import ROOT
from results import result
from scipy import stats

from annealed import config as configuration
from annealed.inference import annealed_path
from annealed.inference.normal import standard_log_prob
from annealed.models import energies
from annealed.models.catalogue import Toy as Target
from annealed.models.targets import Energy
from annealed.utils.errors import UsageError
from reproduce.checks import verify
from reproduce.experiments import committed, paths
from reproduce.experiments.nested import design as nested, page as nested_page, run as nested_run
from reproduce.experiments.page_work import Source
from reproduce.experiments.successors import cost, design, page, run, summary, tables
from reproduce.experiments.successors.cost import Counted, Step, evaluations
from reproduce.experiments.successors.design import METHODS, ROWS, SUCCESSORS, Cost, Ring, Toy
from reproduce.experiments.units import finish
from reproduce.results import published_sizes, store

RING = nested.Budget(steps=3, seeds=2, batches=4, paths=20, hidden=8)
TOYS = paths.Budget(steps=3, seeds=2, samples=8, draws=300, hidden=8)
TINY = design.Budget(RING, TOYS, design.Steps(batch=2, rounds=1), seeds=2)
CODE = {"commit": "abc", "command": "python"}
LOG_Z = 0.7


def quiet(done, total):
    """Progress that nobody watches."""


def read(path):
    return path.read_text(encoding="utf-8")


def test_every_method_is_planned_once_on_each_target_and_the_nested_page_has_the_others():
    assert {s.method for s in design.rings()} == set(SUCCESSORS)
    assert {s.count for s in design.rings()} == set(design.COUNTS) <= set(nested.COUNTS)
    assert {(s.energy, s.method) for s in design.toys()} == {
        (energy, method) for energy in design.ENERGIES for method in METHODS
    }
    source = Source("full", 10, "runs")
    borrowed = [unit for work in page.of_nested(source) for unit in work.units]
    settings = [setting for unit in borrowed for setting in unit.places]
    assert settings == [s for count in design.COUNTS for s in design.from_nested(count)]
    assert {s.kind for s in settings} == {"HVI", "AVO", "NVI"}
    assert design.BUDGETS["full"].ring == nested.BUDGETS["full"]


@pytest.mark.parametrize("method", SUCCESSORS)
def test_the_estimate_of_log_z_is_right_whatever_a_path_has_learnt(method):
    """E[w] = Z by the definition of a path and its reverse: Gaussians whose log Z is known."""

    def log_f(z):
        return LOG_Z + standard_log_prob((z - 1.0) / 0.8) - 2 * math.log(0.8)

    toy = Target(Energy(log_f, LOG_Z), scale=1.5)
    posterior = design.successor(method, 3, toy.energy, 2, toy.scale, 8, seed=0)
    with torch.no_grad():  # away from the start, where learnt drifts are zero
        generator = torch.Generator().manual_seed(0)
        for p in posterior.parameters():
            p += 0.2 * torch.randn(p.shape, generator=generator)
    result = run.score_toy(toy, posterior, 20_000, 0)
    assert result["status"] == "finished"
    assert abs(result["log_z_error"]) < 4 * result["log_z_mc_error"]
    assert result["kl"] > 0.0


def test_the_ring_is_scored_as_the_nested_page_scores_it():
    setting = nested.Setting("HVI", 4)
    posterior = setting.posterior(8, 0)
    expected = nested_run.score(setting, RING, posterior, 0)
    result = run.score_ring(RING, energies.ring(), posterior, 0)
    for name in summary.RING:
        assert result[name] == pytest.approx(expected[name], rel=1e-4)


@pytest.mark.parametrize("method", SUCCESSORS)
def test_a_fit_of_every_successor_on_the_ring_is_scored(method):
    results = run.fit_ring(Ring(method, 4), RING, [0, 1], quiet)
    for scored in results.values():
        assert scored["status"] == "finished"
        assert math.isfinite(scored["log_z"])
        assert 1.0 <= scored["ess"] <= RING.paths
        assert 0.0 <= scored["rarest_mode"] <= 1 / 8
        assert scored["alphas"][-1] == pytest.approx(1.0)
    assert results[0]["log_z"] != results[1]["log_z"]


@pytest.mark.parametrize("setting", design.toys(), ids=lambda setting: setting.name)
def test_a_fit_of_every_method_on_either_toy_is_scored(setting):
    (result,) = run.fit_toy(setting, TOYS, [0], quiet).values()
    assert result["status"] == "finished"
    assert result["log_z_error"] == pytest.approx(result["log_z"])
    assert result["noise_floor"] < result["energy_distance"] or result["energy_distance"] < 0.1
    assert ("total_variation" in result) == (setting.energy == "lattice")
    bounds = {name: result[f"kl_marginal{name}"] for name in ("", "_low")}
    assert (bounds[""] is None) == (setting.method == "UHA")


def test_only_the_gaussian_of_tvo_learns_its_start_and_methods_start_alike():
    ring = energies.ring()
    for method in SUCCESSORS:
        posterior = design.successor(method, 3, ring, 2, 5.0, 8, seed=0)
        base, _ = posterior.start(torch.ones(1, 1))
        assert base.loc.tolist() == [[0.0, 0.0]]
        assert base.scale.tolist() == [pytest.approx([5.0, 5.0], rel=1e-5)]
        assert bool(list(posterior.head.parameters())) == (method == "TVO")
        assert len(posterior.transitions) == (0 if method == "TVO" else 3)
    assert design.objective("TVO", 3, 8).betas[-1] == 1.0
    assert len(design.objective("TVO", 3, 8).betas) == 4


@pytest.mark.parametrize("what", ["end points", "weights"])
def test_a_path_that_is_not_finite_is_counted_as_lost(what):
    def log_f(z):
        return standard_log_prob(z) * (float("nan") if what == "weights" else 1.0)

    target = Energy(log_f, 0.0)
    posterior = design.successor("TVO", 3, target, 2, 1.0, 8, seed=0)
    if what == "end points":
        with torch.no_grad():
            posterior.head.linear.bias.fill_(float("nan"))
    assert run.score_toy(Target(target), posterior, 100, 0) == {"status": "diverged"}
    assert run.score_ring(RING, target, posterior, 0) == {"status": "diverged"}


# what the decoder is asked, an image: calls and gradients of a sample, and of a training step
EVALUATIONS = [
    ("vae", [], (1, 0, 1, 1)),
    ("iwae", ["method.samples=7"], (1, 0, 7, 7)),
    ("hvi", ["method.transitions.steps=3"], (1, 0, 1, 1)),
    ("hvi_avo", ["method.transitions.steps=3", "method.avo.rho=1.0"], (1, 0, 3, 3)),
    ("hvi_avo", ["method.transitions.steps=3", "method.avo.rho=0.3"], (1, 0, 1.6, 1.6)),
    ("tvo", ["method.samples=4"], (1, 0, 4, 0)),
    ("lmcvae", ["method.transitions.steps=3"], (4, 4, 4, 8)),
    ("mcd", ["method.transitions.steps=3"], (4, 4, 4, 8)),
    ("cmcd", ["method.transitions.steps=3"], (4, 4, 4, 8)),
    ("uha", ["method.transitions.steps=3"], (4, 4, 4, 8)),
    ("uha", ["method.transitions.steps=2", "method.transitions.leapfrogs=3"], (7, 7, 7, 14)),
]


@pytest.mark.parametrize(("row", "overrides", "expected"), EVALUATIONS)
def test_evaluations_of_the_decoder_are_those_that_the_method_states(row, overrides, expected):
    """A path of T steps of L leapfrogs takes T L + 1 gradients, and its step as many again.

    One at z_0 and one after each leapfrog, since that at the end of one is that at the beginning of
    the next; the last one's pass has the bound's density too, and a training step differentiates
    each of them.
    """
    counts = evaluations(row, 2, overrides)
    assert tuple(counts[name] for name in summary.COUNTS) == pytest.approx(expected)


def test_the_gradients_counted_are_the_calls_of_what_takes_them(monkeypatch):
    taken = []

    def spy(density, z, momentum=None, original=annealed_path.AnnealedTarget.state):
        taken.append(z.shape[:-1].numel())
        return original(density, z, momentum)

    monkeypatch.setattr(annealed_path.AnnealedTarget, "state", spy)
    counts = evaluations("uha", 2)
    of_steps = sum(taken) - counts["sample_gradients"] * 2
    assert of_steps == counts["sample_gradients"] * 2 * len(cost.MODES)


def test_a_decoder_that_counts_changes_no_number():
    plain, counted = Step("uha", 2), Step("uha", 2)
    counted.method.target.decoder = Counted(counted.method.target.decoder)
    losses = [step.loss(0.0) for step in (plain, counted)]
    for loss in losses:
        loss.backward()
    assert losses[0].item() == losses[1].item()
    for one, other in zip(plain.method.parameters(), counted.method.parameters(), strict=True):
        assert torch.equal(one.grad, other.grad)


def test_the_peak_is_what_is_held_at_one_time():
    class Held:
        adam = torch.optim.SGD([torch.zeros(1)])

        def ten(self):
            for _ in range(10):
                first = torch.ones(2**20)  # 4 MB each
                second = first + 1.0
                del first, second

    assert cost.peak(Held()) == pytest.approx(8.0, abs=0.1)


def test_costs_are_measured_for_every_row_and_are_ratios_to_the_reference(monkeypatch):
    rows = ("uha", "hvi")
    monkeypatch.setattr(run, "ROWS", rows)
    missing = [(Cost(row), seed) for row in rows for seed in (0, 1)]
    uha, _, hvi, _ = run.weigh(design.Steps(batch=2, rounds=1), missing, quiet)
    assert hvi["time_ratio"] == hvi["memory_ratio"] == 1.0
    assert set(summary.COSTS) < set(uha)
    assert uha["memory_ratio"] == pytest.approx(uha["megabytes"] / hvi["megabytes"])
    assert uha["sample_gradients"] > hvi["sample_gradients"]


def test_mnists_rows_are_those_of_the_committed_table_and_the_others_are_named():
    rows = summary.mnist(ROOT / "reports" / "results").set_index("row")
    table = pd.read_csv(ROOT / "reports" / "short" / "nll_table.csv").set_index("row")
    assert list(rows.index) == [*ROWS, *design.PUBLISHED]
    for row in rows.index:
        if row not in design.PUBLISHED:
            assert rows.nll[row] == pytest.approx(table.nll[row], abs=1e-6)
            assert rows.seeds[row] == table.seeds[row]
    assert not set(design.PUBLISHED) & set(table.index)
    seeds = pd.read_csv(ROOT / "reports" / "short" / "nll_cells.csv")
    nll = seeds.pivot(index="seed", columns="row", values="nll")
    for row in ("uha", "tvo", "iwae"):
        apart = (nll[row] - nll["hvi"]).dropna()
        low, high = stats.ttest_1samp(apart, 0.0).confidence_interval(0.95)
        assert rows.difference[row] == pytest.approx(apart.mean(), abs=1e-6)
        assert rows.difference_half[row] == pytest.approx((high - low) / 2, abs=1e-5)
    assert np.isnan(rows.difference["hvi"])
    text = tables.mnist_table(rows.reset_index())
    assert f"| {rows.difference['uha']:+.2f} ± " in text
    absent = rows.label[rows.seeds == 0]
    said = tables.untrained(rows.reset_index())
    assert all(f"| {label} | 0 | - | - | - | - | - | - |" in text for label in absent)
    assert all(label in said for label in absent)
    assert f"| VAE | 3 | 1000 | {table.nll['vae']:.2f} (" in text
    assert "| 84.58 ± 0.39 at K = 10; their VAE 85.22 |" in text
    assert f"| {table.published['hvi_avo']:.2f} |" in text


def test_rows_of_published_sizes_are_configurations_and_say_the_published_numbers():
    for row, (_, known) in design.PUBLISHED.items():
        path = ROOT / "configs" / "published" / f"{row}.yaml"
        assert configuration.load(str(path), ["preset=short"]).row == row
        numbers = re.findall(r"\d+\.\d+", known)
        assert len(numbers) >= 3
        assert all(number in read(path) for number in numbers)


def test_published_sizes_are_kept_beside_the_rows_of_the_table(tmp_path, monkeypatch):
    sizes, own = ROOT / "configs" / "published" / "thin2021.yaml", tmp_path / "thin2021.yaml"
    own.write_text(read(sizes), encoding="utf-8")
    places = [published_sizes.place_of_row(str(row)) for row in (sizes, own, "hvi", "uha.yaml")]
    assert places == ["published", "", "", ""]
    monkeypatch.chdir(ROOT)
    assert published_sizes.place_of_row("configs/published/thin2021.yaml") == "published"
    pack = store.pack_of("short", "mnist", tmp_path)
    for row, place, nll, s in (("hvi", "", 86.0, 1000), ("thin2021", "published/", 85.0, 500)):
        made = result(row, 0, nll, samples=s)
        pack.add(f"{place}{row}/seed0", made, None, np.full(10, -nll))
    assert [one.row for one in store.committed_results("short", "mnist", tmp_path)] == ["hvi"]
    rows = summary.mnist(tmp_path).set_index("row")
    assert (rows.seeds["thin2021"], rows.samples["thin2021"]) == (1, 500)
    assert rows.samples["hvi"] == 1000
    assert rows.nll["thin2021"] == 85.0
    assert np.isnan(rows.difference["thin2021"])  # other sizes, and another number of samples


def test_rows_whose_seeds_diverged_are_told_from_those_not_trained(tmp_path):
    pack = store.pack_of("short", "mnist", tmp_path)
    for row, seed, status in (("hvi", 0, ""), ("hvi", 1, "diverged"), ("uha", 0, "diverged")):
        made = result(row, seed, 86.0)
        if status:
            scored = {"samples", "nll", "nll_mc_error", "elbo", "k_hat_untrusted"}
            made = {key: value for key, value in made.items() if key not in scored}
            pack.add(f"{row}/seed{seed}", {**made, "status": status}, None, None)
        else:
            pack.add(f"{row}/seed{seed}", made, None, np.full(10, -86.0))
    rows = summary.mnist(tmp_path)
    text, said = tables.mnist_table(rows), tables.untrained(rows)
    assert "| HVI | 1 (1 diverged) | 500 | 86.00 (one seed) |" in text
    assert "| UHA | 0 (1 diverged) | - | - | - | - | - | - | - |" in text
    assert "| VAE | 0 | - |" in text
    assert "**All seeds diverged, so a dash: UHA.**" in said
    assert said.startswith("**Not trained yet, so a dash: VAE; IWAE; HVI-AVO;")
    assert "UHA;" not in said.partition("All seeds")[0]


@pytest.mark.parametrize(
    ("seeds", "said"), [([1, 3, 0], "1 to 3 seeds"), ([3, 3, 0], "3 seeds"), ([1, 0], "1 seed")]
)
def test_the_source_says_of_how_many_seeds_the_rows_are(seeds, said):
    source = page.mnist_source(pd.DataFrame({"seeds": seeds}))
    assert source == f"`reports/results/short/mnist.jsonl`, {said} a row"


def test_without_committed_results_every_row_has_dashes(tmp_path):
    rows = summary.mnist(tmp_path)
    assert (rows.seeds == 0).all()
    assert page.mnist_source(rows) == "no committed result"
    assert "| VAE | 0 | - | - | - | - | - | - | - |" in tables.mnist_table(rows)


def invented(setting, seed):
    """A result of a setting that no fit made."""
    if isinstance(setting, Cost):
        return {"status": "finished", **{name: 1.0 + seed for name in summary.COSTS}}
    if isinstance(setting, Toy):
        if (setting.method, seed) == ("L-MCVAE", 1):
            return {"status": "diverged"}
        numbers = dict.fromkeys((*summary.TOYS, *summary.WORST), 0.25)
        tight = {"kl_marginal_low": 0.24, "kl": 0.5, "log_z_error": -0.125}
        loose = {"kl_marginal_low": None, "kl_marginal": None}
        rest = loose if setting.method == "UHA" else {}
        return {"status": "finished", **numbers, **tight, **rest}
    numbers = {"log_z": 2.0, "ess": 40.0 + setting.count, "rarest_mode": 0.1}
    return {"status": "finished", **numbers, "alphas": [1.0]}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A source whose units have invented results, committed by both pages, and the page.

    Until the last test of the module the budgets of `full` are tiny.
    """
    root = tmp_path_factory.mktemp("made")
    source = Source("full", 2, str(root / "runs"), root / "results")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(design.BUDGETS, "full", TINY)
        patch.setitem(nested.BUDGETS, "full", RING)
        for work in [*source.plan("successors"), *source.plan("nested")]:
            for unit in work.units:
                fit = lambda missing, _: (invented(s, seed) for s, seed in missing)  # noqa: E731
                finish(replace(unit, fit=fit), [0, 1], CODE)
        for one in (page.PAGE, nested_page.PAGE):
            committed.commit(one, source)
        folder = root / "reports" / "successors"
        folder.parent.mkdir()
        page.PAGE.make(source, folder)
        yield source, folder


def files(folder):
    """The page and every CSV."""
    paths = [page.PAGE.path(folder), *sorted(folder.glob("*.csv"))]
    return {path.name: read(path) for path in paths}


def test_the_page_is_beside_its_folder_and_has_every_method_and_row(made):
    _, folder = made
    text = read(folder.with_name("successors.md"))
    assert not (folder / "index.md").exists()
    assert (folder / "ring.png").exists()
    assert "![The ring](successors/ring.png)" in text
    assert "No conclusion is drawn here" in text
    for method in METHODS:
        assert f"| {method} | 2.00 ± 0.00 | 2.00 ± 0.00 | 44 ± 0 | 48 ± 0 |" in text
    assert "| 25 modes | UHA | ≤ 0.500 | 0.500 ± 0.000 | 0.125 ± 0.000 (0.25) |" in text
    assert "| 25 modes | HVI | 0.250 ± 0.000 | 0.500 ± 0.000 |" in text
    assert "| funnel in 10-D | L-MCVAE | 0.250 | 0.500 (1 of 2 diverged) |" in text
    ring = pd.read_csv(folder / "ring.csv")
    assert len(ring) == len(METHODS) * len(design.COUNTS)
    assert np.allclose(ring.log_z, 2.0)


def test_the_page_of_the_committed_files_is_that_of_the_runs(made, tmp_path):
    source, folder = made
    again = committed.restore(page.PAGE, source.results, tmp_path / "runs")
    (tmp_path / "reports").mkdir()
    page.PAGE.make(again, tmp_path / "reports" / "successors")
    assert files(tmp_path / "reports" / "successors") == files(folder)


def test_the_nested_pages_results_are_committed_by_it_alone_and_taken_from_there(made, tmp_path):
    source, _ = made
    own, other = (source.results / f"{name}.jsonl" for name in ("successors", "nested"))
    assert "nested/" not in read(own).replace('"command"', "")
    copy = replace(source, runs=str(tmp_path / "runs"))
    seeds = sum(len(work.results()) for work in page.PAGE.works(copy))
    assert committed.take(page.PAGE, copy) == seeds
    assert all(work.done() for work in page.PAGE.works(copy))
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / own.name).write_text(read(own), encoding="utf-8")
    with pytest.raises(UsageError, match=r"nested\.jsonl has no readable results"):
        committed.restore(page.PAGE, tmp_path / "results", tmp_path / "again")
    lines = [line for line in read(other).splitlines() if '"nested/full/AVO/K8"' not in line]
    (tmp_path / "results" / other.name).write_text("\n".join(lines), encoding="utf-8")
    with pytest.raises(UsageError, match=r"nested\.jsonl has no result nested/full/AVO/K8"):
        committed.restore(page.PAGE, tmp_path / "results", tmp_path / "again")


def test_verify_holds_the_page_beside_its_folder_to_the_committed_results(made, tmp_path):
    root = tmp_path / "root"
    shutil.copytree(made[0].results, root / "reports" / "results")
    (root / "reports" / "results" / "nested.jsonl").rename(tmp_path / "nested.jsonl")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(verify, "UNIT_PAGES", {"successors": page.PAGE})
        with pytest.raises(UsageError, match=r"nested\.jsonl has no readable results"):
            verify.make_unit_pages(root / "reports" / "results", tmp_path / "made")
        (tmp_path / "nested.jsonl").rename(root / "reports" / "results" / "nested.jsonl")
        verify.make_unit_pages(root / "reports" / "results", root)
        verify.make_unit_pages(root / "reports" / "results", tmp_path / "made")
        assert verify.differences(root, tmp_path / "made") == []
        path = root / "reports" / "successors.md"
        path.write_text(read(path).replace("2.00 ± 0.00", "2.01 ± 0.00", 1), encoding="utf-8")
        (sentence,) = verify.differences(root, tmp_path / "made")
        assert sentence.startswith("reports/successors.md, line ")
        shutil.rmtree(tmp_path / "made")
        gone = verify.differences(root, tmp_path / "made")
        assert "reports/successors.md is made of no committed result." in gone
        assert "reports/successors/ring.csv is made of no committed result." in gone
