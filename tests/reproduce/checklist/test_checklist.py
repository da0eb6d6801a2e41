"""The checklists: every yes has its evidence, and falls without it."""

import re
import shutil
from copy import deepcopy
from importlib.metadata import metadata

import numpy as np
import pytest
from conftest import ROOT
from results import bounds, replace_result, result

from annealed import config as configuration
from annealed.config.datasets import NAMES
from annealed.data.images import load_images
from annealed.evaluation.result import identity
from reproduce.checklist import answers, from_files, from_results, page
from reproduce.checklist.answers import NA, NO, OPEN, YES
from reproduce.checklist.record import ASSETS, Record
from reproduce.results.store import RESULTS, Committed, every_result, pack_of
from reproduce.table import readme, report

COPIED = ("README.md", "LICENSE", "pyproject.toml", "requirements.lock", "environment.yml")
COPIED += ("src/annealed", "configs", "reports/assumptions.md")
COPIED += ("reports/benchmark.md", "reports/benchmark.csv")
MACHINE = {"device": "abacus", "device_type": "cpu", "cores": 4, "threads": 2, "memory_gib": 8.0}
CODE = {"commit": "a" * 40, "command": "python -m annealed.fit", "platform": "x", "versions": {}}
PROCESS = {**CODE, **MACHINE, "versions": {"torch": "2"}}


def commit_run(root, row, seed):
    """A result of MNIST as it is committed, with metrics and log p(x) beside it."""
    config = configuration.load(row, ["preset=short", f"seed={seed}"])
    images = np.random.default_rng([seed, *row.encode()]).normal(-87, 9, 50).astype(np.float32)
    training = {"epochs": 2, "best_epoch": 1, "seconds": 3600.0, "seconds_a_seed": 1800.0}
    record = result(row, seed, float(-images.mean())) | identity(config)
    record |= {"split": "test", "evaluate_seconds": 900.0, "provenance": PROCESS}
    record |= {"training": {**training, "replicas": 2, "sessions": [PROCESS, PROCESS]}}
    record |= {"config": configuration.to_dict(config)}
    pack = pack_of("short", "mnist", root / RESULTS)
    pack.add(f"{row}/seed{seed}", record, bounds([-99, -91]), images)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A repository in which all is at hand that can be."""
    root = tmp_path_factory.mktemp("whole") / "root"
    for name in COPIED:
        place = root / name
        place.parent.mkdir(parents=True, exist_ok=True)
        (shutil.copytree if (ROOT / name).is_dir() else shutil.copy)(ROOT / name, place)
    for row in ("vae", "hvi"):
        for seed in (0, 1):
            commit_run(root, row, seed)
    folder = root / "reports" / "short"
    report.write("short", "mnist", root / RESULTS, folder)
    assert readme.refresh(root, folder)
    (root / "reports" / "ablations").mkdir()
    (root / "reports" / "ablations" / "effects.csv").write_text("row\nvae\nhvi\n", encoding="utf-8")
    (root / "reports" / "ablations.md").write_text("# Ablations\n", encoding="utf-8")
    (root / "reports" / "vae.ckpt").write_bytes(b"weights")
    return root


@pytest.fixture
def root(whole, tmp_path):
    """A copy of `whole` to take things away from."""
    return shutil.copytree(whole, tmp_path / "root")


def change(root, edit):
    """Let `edit` change the result of one run."""
    committed = Committed(pack_of("short", "mnist", root / RESULTS), "hvi/seed1")
    record = deepcopy(committed.read())
    edit(record)
    pack, name = committed.pack, committed.name
    pack.add(name, record, pack.metrics(name), pack.log_prob(name))


def of_result(edit):
    return lambda root: change(root, edit)


def without(name):
    return lambda root: (root / name).unlink()


def say(name, old, new=""):
    def edit(root):
        text = (root / name).read_text(encoding="utf-8")
        assert old in text
        (root / name).write_text(text.replace(old, new), encoding="utf-8")

    return edit


def no_citations(root):
    for path in (root / "src" / "annealed").rglob("*.py"):
        path.write_text(
            path.read_text(encoding="utf-8").replace("arXiv", "paper"), encoding="utf-8"
        )


def one_seed(root):
    text = (root / "reports/short/nll_table.csv").read_text(encoding="utf-8").splitlines()
    place = text[0].split(",").index("seeds")
    fields = text[1].split(",")
    fields[place] = "1"
    (root / "reports/short/nll_table.csv").write_text(
        "\n".join([text[0], ",".join(fields)]), encoding="utf-8"
    )


TAKE = {  # evidence -> one way to take it away
    "configurations": of_result(lambda r: r["config"].pop("optimiser")),
    "seeds": of_result(lambda r: r.pop("seed")),
    "commits": of_result(lambda r: r["training"]["sessions"][0].update(commit="a" * 40 + "-dirty")),
    "commands": of_result(lambda r: r["provenance"].pop("command")),
    "digests": of_result(lambda r: r.pop("data_digest")),
    "splits": of_result(lambda r: r.pop("test_images")),
    "preprocessing": of_result(lambda r: r.pop("binarisation")),
    "hardware": of_result(lambda r: r["provenance"].pop("device")),
    "memory": of_result(lambda r: r["provenance"].pop("memory_gib")),
    "hours": of_result(
        lambda r: r["training"].pop("seconds_a_seed") + r["training"].pop("seconds")
    ),
    "runs": lambda root: shutil.rmtree(root / RESULTS),
    "data_licences": of_result(lambda r: r.update(data="faces")),
    "data_sources": of_result(lambda r: r.update(data="faces")),
    "no_collection": of_result(lambda r: r.update(data="faces")),
    "intervals": one_seed,
    "pairs": without("reports/short/paired.csv"),
    "verdicts": without("reports/short/nll_table.csv"),
    "statistic": say("reports/short/nll_table.md", "Verdict"),
    "search": without("reports/ablations/effects.csv"),
    "assumptions": without("reports/assumptions.md"),
    "sources": no_citations,
    "complexity": without("reports/benchmark.csv"),
    "licence": without("LICENSE"),
    "package_licences": say("pyproject.toml", '"zuko>', '"another>'),
    "dependencies": say("requirements.lock", "torch==", "torch>="),
    "training_code": without("src/annealed/runs/run.py"),
    "evaluation_code": without("src/annealed/evaluate.py"),
    "weights": without("reports/vae.ckpt"),
    "readme_table": say("README.md", "| VAE |", "| VAF |"),
}


def test_a_part_of_a_data_set_is_named_and_so_are_the_images_of_ais(root):
    place, splits = from_results.preprocessing, from_results.splits
    assert place(Record(root)).text.endswith("no image is excluded anywhere")

    def part(record):
        record["config"]["data"] |= {"train_images": 5000, "held_out_images": 200}
        record["ais"] = {"test_images": 275}

    change(root, part)
    said = "no image is excluded but in trials of a part of them: mnist, 5000 images to train on"
    assert place(Record(root)).text.endswith(f"{said} and 200 of each held-out split: 1 result")
    assert "mnist: by AIS scored on 275 of them" in splits(Record(root)).text


def test_a_benchmark_without_the_memory_of_scoring_is_no_evidence_of_it(root):
    assert from_files.complexity(Record(root)).holds
    csv = root / "reports" / "benchmark.csv"
    lines = csv.read_text(encoding="utf-8").splitlines(keepends=True)
    csv.write_text("".join(line for line in lines if "memory" not in line), encoding="utf-8")
    assert "megabytes" in lines[0]
    assert not from_files.complexity(Record(root)).holds


def questions():
    """Every question with the list and place that it has."""
    return {(e["list"], i): q for e in answers.read() for i, q in enumerate(e["questions"])}


def answered(root):
    """Every answer by list and place."""
    lists = answers.answers(Record(root))
    return {(each["list"], i): one for each, all_ in lists for i, one in enumerate(all_)}


def test_the_lists_have_their_official_lengths():
    counts = [len(each["questions"]) for each in answers.read()]
    assert counts == [16, 21, 5]


def test_where_all_is_at_hand_only_a_persons_questions_are_open(whole):
    for key, one in answered(whole).items():
        question = questions()[key]
        if "person" in question:
            assert one.answer == OPEN
            assert re.fullmatch(r"\[.*\]", one.fill_in)
        else:
            assert one.answer == (NA if "not_applicable" in question else YES), one
            assert all(e.holds and e.files for e in one.evidence)
            assert not one.fill_in


def test_linked_files_are_there(whole):
    files = [f for one in answered(whole).values() for e in one.evidence for f in e.files]
    missing = {file for file in files if not (whole / file.split("#")[0]).exists()}
    assert all(file.startswith("reproduce/") and (ROOT / file).is_file() for file in missing)
    assert len(set(files)) > 20


def test_every_evidence_can_be_taken_away():
    used = {n for q in questions().values() for n in q.get("evidence", [])}
    used |= {q["not_applicable"] for q in questions().values() if "not_applicable" in q}
    assert used == TAKE.keys()


@pytest.mark.parametrize("name", TAKE)
def test_without_its_evidence_no_question_is_answered_yes(root, name):
    before = answered(root)
    TAKE[name](root)
    after = answered(root)
    fell = []
    for key, question in questions().items():
        if name in question.get("evidence", []) and before[key].answer == YES:
            assert after[key].answer == (OPEN if "missing" in question else NO)
            fell.append(key)
        elif question.get("not_applicable") == name:
            assert after[key].answer == OPEN
            fell.append(key)
        elif name in question.get("evidence", []):  # open before: what is missing is told
            assert any(not e.holds for e in after[key].evidence)
            fell.append(key)
        if before[key].answer != YES:
            assert after[key].answer != YES
    assert fell


def test_an_empty_repository_is_answered_yes_nowhere(tmp_path):
    assert {one.answer for one in answered(tmp_path).values()} == {NO, OPEN}


def test_hours_are_those_of_every_run_and_its_threads(root):
    def diverge(r):
        r.update(status="diverged", reason="x")
        r.pop("evaluate_seconds")

    change(root, diverge)
    text = answers.find("hours", Record(root)).text
    # four runs trained for half an hour each, three of them scored for a quarter, two threads
    assert text.startswith("2.75 hours of processes (2.00 of training, 0.75 of scoring)")
    assert "5.50 core-hours" in text
    assert answers.find("runs", Record(root)).text == (
        "4 training runs, each scored once: 1 diverged, 3 finished; 4 were interrupted and went on"
    )


def test_a_run_with_a_second_result_that_adds_its_score_by_ais_counts_once(root):
    first, *_ = every_result(root / RESULTS)
    before = answers.find("hours", Record(root)).text
    ais = {"evaluate_seconds": 3600.0, "provenance": first.read()["provenance"]}
    there = Committed(pack_of("short", "mnist", root / RESULTS / "estimators"), first.name)
    there.pack.path.parent.mkdir(parents=True)
    there.pack.add(first.name, first.read() | {"ais": ais}, first.metrics(), first.log_prob())
    after = answers.find("hours", Record(root)).text
    trained, again = (float(re.search(r"\((\S+) of training", t)[1]) for t in (before, after))
    assert trained == again
    of_scoring = [float(re.search(r"(\S+) of scoring", t)[1]) for t in (before, after)]
    assert of_scoring[1] == pytest.approx(of_scoring[0] + 1.0)
    assert answers.find("runs", Record(root)).text == (
        "4 training runs, each scored once: 4 finished; 4 were interrupted and went on; 1 were "
        "scored by annealed importance sampling too, 1 of them with a result of their own for it"
    )


def test_smoke_runs_are_no_evidence(root):
    shutil.rmtree(root / RESULTS)
    commit_run(root, "vae", 0)
    (committed,) = every_result(root / RESULTS)
    replace_result(committed, preset="quick")
    assert Record(root).results == {}


def test_the_pages_say_the_same(whole, tmp_path):
    lists = page.write(whole, tmp_path)
    text, tex = (
        (tmp_path / f"{page.NAME}.{form}").read_text(encoding="utf-8") for form in ("md", "tex")
    )
    given = [one for _, answered in lists for one in answered]
    assert re.findall(r"\*\*(Yes|No|NA|Open)\.\*\*", text) == [one.answer for one in given]
    macros = re.findall(r"\\item\[\] Answer: \\answer(\w+)\{\}", tex)
    assert macros == ["TODO" if one.answer == OPEN else one.answer for one in given]
    assert len(given) == 42
    for one in given:
        assert one.title in text
        assert all(page.escape(e.text) in tex for e in one.evidence)
    assert "(../LICENSE)" in text
    assert "(short/nll_table.md)" in text


def test_latex_has_no_character_that_would_break_it():
    assert page.escape("50 % of a_b & `x_1` #2 {y} \\z ~ ^") == (
        r"50 \% of a\_b \& \texttt{x\_1} \#2 \{y\} \textbackslash{}z "
        r"\textasciitilde{} \textasciicircum{}"
    )


def test_every_data_set_and_its_sizes_are_on_record():
    assert ASSETS["data"].keys() == set(NAMES)
    sizes = [len(split) for split in load_images("digits", None, 0)]
    sizes_stated = re.findall(r"([\d,]+) to", ASSETS["data"]["digits"]["images"])
    assert [int(number.replace(",", "")) for number in sizes_stated] == sizes
    assert all((ROOT / asset["code"]).is_file() for asset in ASSETS["data"].values())


@pytest.mark.parametrize("name", ASSETS["packages"])
def test_a_packages_licence_is_what_its_metadata_say(name):
    about = metadata(name)
    stated = [about.get("License-Expression"), about.get("License")]
    stated += [c for c in about.get_all("Classifier") or [] if c.startswith("License")]
    licence = re.split(r"-\d|,| and ", ASSETS["packages"][name])[0]
    assert licence.lower() in " ".join(filter(None, stated)).lower().replace(
        "apache software", "apache"
    )
