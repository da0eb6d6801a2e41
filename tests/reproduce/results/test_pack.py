"""Results of many runs in two files."""

import json

import numpy as np
import pandas as pd
import pytest
from stand_ins import background

from annealed.utils.errors import UsageError
from reproduce.results.pack import Pack

METRICS = pd.DataFrame(
    {
        "epoch": [0, 1, 2],
        "train/elbo": np.float32([-231.76192, -100.1, np.nan]).astype(float),
        "learning_rate": [0.001, 0.0001, 0.1],
        "step": [2**40, 1, 2],
    }
)
LOG_PROB = np.float32([-86.5, -90.25])


def result(seed, **more):
    return {"status": "finished", "seed": seed, **more}


@pytest.fixture
def pack(tmp_path):
    pack = Pack(tmp_path / "short" / "mnist.jsonl")
    pack.add("vae/seed1", result(1), METRICS, LOG_PROB)
    pack.add("vae/seed0", result(0), None, None)
    return pack


def test_what_was_put_in_comes_out_to_the_bit(pack):
    assert pack.results() == {"vae/seed0": result(0), "vae/seed1": result(1)}
    pd.testing.assert_frame_equal(pack.metrics("vae/seed1"), METRICS, check_exact=True)
    assert pack.log_prob("vae/seed1").tolist() == LOG_PROB.tolist()
    assert pack.metrics("vae/seed0") is None
    assert pack.log_prob("vae/seed0") is None
    with np.load(pack.arrays) as stored:
        kinds = stored["vae/seed1/metrics"].dtype
    assert [str(kinds[name]) for name in METRICS] == ["int32", "float32", "float64", "int64"]


def test_one_result_more_is_one_line_more_wherever_it_comes_in_order(pack, tmp_path):
    before, arrays = pack.path.read_text(encoding="utf-8"), pack.arrays.read_bytes()
    pack.add("iaf/seed0", result(0, nll=86.0), METRICS, LOG_PROB)
    assert pack.path.read_text(encoding="utf-8").splitlines()[1:] == before.splitlines()
    kept = pack.add("iaf/seed0", result(0, nll=87.0), None, None, keep=True)
    assert kept["nll"] == pack.results()["iaf/seed0"]["nll"] == 86.0
    pack.add("iaf/seed0", result(0, nll=87.0), None, None)
    assert pack.results()["iaf/seed0"]["nll"] == 87.0
    assert pack.metrics("iaf/seed0") is None
    assert pack.arrays.read_bytes() == arrays
    other = Pack(tmp_path / "other.jsonl")
    other.add("vae/seed0", result(0), None, None)
    other.add("vae/seed1", result(1), METRICS, LOG_PROB)
    assert (other.path.read_text(encoding="utf-8"), other.arrays.read_bytes()) == (before, arrays)


def test_two_processes_lose_no_result_of_each_other(tmp_path):
    pack = Pack(tmp_path / "mnist.jsonl")

    def add(row):
        for seed in range(5):
            pack.add(f"{row}/seed{seed}", result(seed), METRICS, LOG_PROB)
        return []

    processes = [background(lambda row=row: add(row)) for row in ("vae", "iaf")]
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0, 0]
    assert len(pack.results()) == 10
    assert all(pack.log_prob(name) is not None for name in pack.results())


@pytest.mark.parametrize(
    "line",
    [
        "{",
        "[]",
        "1",
        '{"status": "finished"}',
        '{"run": "vae/seed7"}',
        '{"run": "vae", "status": 1}',
    ],
)
def test_a_line_that_is_no_result_is_named(pack, line):
    with pack.path.open("a", encoding="utf-8") as file:
        file.write(line + "\n")
    with pytest.raises(UsageError, match=r"mnist\.jsonl, line 3, is not a readable result"):
        pack.results()


def test_a_run_that_has_two_lines_is_named(pack):
    line = json.dumps({"run": "vae/seed0", **result(5)})
    text = pack.path.read_text(encoding="utf-8") + line
    pack.path.write_text(text, encoding="utf-8")
    with pytest.raises(UsageError, match=r"line 3: vae/seed0 has a line above; remove one"):
        pack.results()


@pytest.mark.parametrize("content", [None, b"", b"version https://git-lfs.github.com/spec/v1\n"])
def test_arrays_that_are_gone_or_damaged_are_one_sentence(content, pack):
    pack.arrays.unlink() if content is None else pack.arrays.write_bytes(content)
    for read in (pack.metrics, pack.log_prob):
        with pytest.raises(UsageError, match=r"mnist\.npz is not there, or not readable; `git"):
            read("vae/seed1")


def test_an_array_that_is_cut_short_is_one_sentence_and_nothing_is_added(pack):
    pack.add("hvi/seed0", result(0), METRICS, np.random.default_rng(0).normal(size=50_000))
    whole = pack.arrays.read_bytes()
    pack.arrays.write_bytes(whole[:9_000] + bytes(1000) + whole[10_000:])
    with pytest.raises(UsageError, match=r"mnist\.npz is not there, or not readable"):
        pack.log_prob("hvi/seed0")
    lines = pack.path.read_bytes()
    with pytest.raises(UsageError, match=r"mnist\.npz is not there, or not readable"):
        pack.add("iaf/seed0", result(0), METRICS, LOG_PROB)
    assert pack.path.read_bytes() == lines


def test_without_files_a_pack_is_empty(tmp_path):
    assert Pack(tmp_path / "none.jsonl").results() == {}
    assert Pack(tmp_path / "none.jsonl").log_prob("vae/seed0") is None


def test_other_arrays_of_a_run_go_and_are_replaced_with_it(pack):
    bounds = np.array([-90.0, -80.5])
    pack.add("iaf/seed0", result(0), None, LOG_PROB, {"lower": bounds, "upper": bounds + 1})
    assert pack.array("iaf/seed0", "upper").tolist() == [-89.0, -79.5]
    assert pack.log_prob("iaf/seed0").tolist() == LOG_PROB.tolist()
    assert pack.array("vae/seed1", "upper") is None
    pack.add("iaf/seed0", result(0), None, LOG_PROB, {"lower": bounds})
    assert pack.array("iaf/seed0", "upper") is None
    assert pack.array("iaf/seed0", "lower").tolist() == bounds.tolist()


def test_arrays_of_a_run_whose_line_was_removed_go_with_the_next_one_put_in(pack):
    lines = pack.path.read_text(encoding="utf-8").splitlines(keepends=True)
    pack.path.write_text(lines[0], encoding="utf-8")
    pack.add("iaf/seed0", result(0), METRICS, LOG_PROB)
    with np.load(pack.arrays) as stored:
        assert set(stored) == {"iaf/seed0/log_prob", "iaf/seed0/metrics"}
