import hashlib
import json
import re
import signal
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pytest
from commands import Command, sentence
from conftest import IMPORTS, TINY
from results import result
from scipy import stats
from test_readme import blocks

from annealed import config as configuration
from annealed.runs.run import fit
from annealed.utils.errors import UsageError
from reproduce.scheduling import display, scheduler
from reproduce.scheduling.local import Local
from reproduce.scheduling.run_grid import Run, rows_of, run_grid
from reproduce.scheduling.worker_process import Process
from reproduce.table import nll_table


def test_the_statistics_of_a_row_are_those_of_its_seeds():
    values = [87.1, 87.4, 86.9]
    line = nll_table.summarise([result("vae", s, v) for s, v in enumerate(values)]).iloc[0]
    low, high = stats.t.interval(0.95, 2, np.mean(values), stats.sem(values))
    assert line["nll"] == pytest.approx(np.mean(values))
    assert line["sd"] == pytest.approx(np.std(values, ddof=1))
    assert (line["ci_low"], line["ci_high"]) == pytest.approx((low, high))
    assert line["published"] == 87.50
    assert line["difference"] == pytest.approx(np.mean(values) - 87.50)


def test_an_error_that_is_not_defined_leaves_the_table_whole():
    line = nll_table.summarise([result("vae", 0, 87.0, nll_mc_error=None)]).iloc[0]
    assert np.isnan(line["mc_error"])
    assert line["nll"] == 87.0


def test_published_numbers_stand_beside_both_binarisations_of_mnist_alone():
    for data, published in (("digits", np.nan), ("mnist", 87.50), ("mnist_static", 87.50)):
        line = nll_table.summarise([result("vae", 0, 30.0, data=data)]).iloc[0]
        expected = pytest.approx([published, 30.0 - published], nan_ok=True)
        assert [line["published"], line["difference"]] == expected


def written(tmp_path, results, monkeypatch, preset="short", note=""):
    paths = []
    for r in results:
        cell = Run(preset, r["data"], r["row"], r["seed"], str(tmp_path / "runs"))
        (path,) = cell.results()
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps(r), encoding="utf-8")
        paths.append(path)
    return nll_table.write(paths, tmp_path / "reports", preset, note)


def test_the_files_agree_and_name_their_source(tmp_path, monkeypatch):
    results = [result("vae", 0, 87.1), result("vae", 1, 87.4), result("hvi", 0, 87.0)]
    diverged = {k: result("hvi", 1, 0)[k] for k in ("row", "preset", "seed", "data", "provenance")}
    results.append({**diverged, "status": "diverged", "reason": "x"})
    text = written(tmp_path, results, monkeypatch)
    folder = tmp_path / "reports"
    assert (folder / "nll_table.md").read_text(encoding="utf-8") == text
    for phrase in (
        "preset short",
        "mnist",
        "epochs trained 100",
        "S = 500",
        "2 seeds",
        "commit abc, def",
    ):
        assert phrase in text
    assert "SMOKE" not in text
    assert "k-hat above 0.63" in text  # 1 - 1 / log10(500), the results' S and not the preset's
    vae = next(line for line in text.splitlines() if line.startswith("| VAE"))
    assert [c.strip() for c in vae.split("|")][2:5] == ["87.50", "87.25", "0.21"]
    hvi = next(line for line in text.splitlines() if line.startswith("| HVI "))
    assert "1 (1 diverged)" in hvi
    assert "one seed" in hvi
    frame = pd.read_csv(folder / "nll_table.csv").set_index("row")
    assert frame.loc["vae", "nll"] == pytest.approx(87.25)
    assert len(pd.read_csv(folder / "nll_cells.csv")) == 4
    tex = (folder / "nll_table.tex").read_text(encoding="utf-8")
    assert r"VAE & 87.50 & 87.25 $\pm$ 0.21" in tex
    assert tex.count(r"\\") == 3


def test_a_quick_table_says_in_its_first_line_that_it_is_a_smoke_run(tmp_path, monkeypatch):
    first = written(tmp_path, [result("vae", 0, 90.0, preset="quick")], monkeypatch, preset="quick")
    assert "SMOKE RUN" in first.splitlines()[0]


@pytest.mark.parametrize(("key", "value"), [("data_digest", "e" * 64), ("samples", 50)])
def test_results_that_differ_in_data_or_samples_share_no_table(tmp_path, monkeypatch, key, value):
    results = [result("vae", 0, 87.1), result("vae", 1, 87.4, **{key: value})]
    with pytest.raises(UsageError, match="cannot share a table"):
        written(tmp_path, results, monkeypatch)


def test_the_grid_starts_every_row_before_any_second_seed():
    names = [c.name for c in run_grid("quick", "digits", ["vae", "hvi"], 2)]
    assert names == ["vae seed 0", "hvi seed 0", "vae seed 1", "hvi seed 1"]


def test_the_grid_puts_seeds_side_by_side():
    names = [c.name for c in run_grid("quick", "digits", ["vae", "hvi"], 5, replicas=2)]
    assert names[:3] == ["vae seeds 0-1", "hvi seeds 0-1", "vae seeds 2-3"]
    assert names[4:] == ["vae seed 4", "hvi seed 4"]


@pytest.mark.parametrize("runs", ["exp #1", "20240101", "on", "'x'", "a: b", "[x", "010", "null"])
def test_the_folder_of_the_runs_is_what_was_typed(runs):
    run = Run("quick", "digits", "vae", 0, runs)
    assert run.config().runs == runs
    (place,) = run.results()
    assert str(place) == f"{runs}/quick/digits/vae/seed0/result.json"


def test_rows_are_apart_by_commas_or_spaces_and_a_file_may_have_a_space(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my row.yaml").write_text("method: vae", encoding="utf-8")
    assert rows_of("vae, my row.yaml,,hvi iaf") == ["vae", "my row.yaml", "hvi", "iaf"]
    assert rows_of(" , ") == []


class TinyCell(Run):
    """A cell that trains for seconds."""

    @property
    def overrides(self):
        return [*super().overrides, *TINY[2:]]


class KillOnce(Local):
    """Sends its first cell a signal, at once or when it has trained for an epoch."""

    def __init__(self, jobs, name, trained):
        super().__init__(jobs)
        self.name, self.trained, self.killed = name, trained, []

    def start(self, cell, retries):
        job = super().start(cell, retries)
        if not self.killed:
            self.killed.append(cell)
            while self.trained and not (cell.folder() / "last.ckpt").exists():
                time.sleep(0.01)
            job.process.popen.send_signal(self.name)
        return job


@pytest.mark.parametrize("name", [signal.SIGKILL, signal.SIGTERM])
def test_a_cell_that_is_killed_is_resumed_and_a_finished_one_skipped(tmp_path, capfd, name):
    cells = [TinyCell("quick", "digits", "vae", seed, str(tmp_path)) for seed in (0, 1)]
    fit(cells[0].config())
    before = cells[0].results()[0].stat().st_mtime_ns
    engine = KillOnce(2, name, trained=name == signal.SIGTERM)
    assert scheduler.run_on(engine, cells) == []
    assert engine.killed == [cells[1]]
    assert cells[0].results()[0].stat().st_mtime_ns == before
    assert json.loads(cells[1].results()[0].read_text(encoding="utf-8"))["seed"] == 1
    shown = capfd.readouterr().err
    assert "1 of 2 runs have their result already and are skipped" in shown
    why = "-9, killed by SIGKILL|130, annealed: interrupted"
    assert re.search(rf"vae seed 1 ended with status ({why}).*; trying again", shown)
    assert "[2/2] vae seed 1: done" in shown


def test_seeds_side_by_side_are_killed_resumed_and_tabled_as_seeds(tmp_path):
    cells = [TinyCell("quick", "digits", "vae", 1, str(tmp_path), replicas=2, compile=False)]
    engine = KillOnce(1, signal.SIGKILL, trained=True)
    assert scheduler.run_on(engine, cells) == []
    assert engine.killed == cells
    assert cells[0].done()
    results = nll_table.collect(cells[0].results())
    assert [r["seed"] for r in results] == [1, 2]
    share = 60 * nll_table.summarise(results)["train_minutes"].item()
    rounding = 0.1  # of each, seconds
    assert share == pytest.approx(results[0]["training"]["seconds"] / 2, abs=1.5 * rounding)


def test_a_cell_that_cannot_run_is_reported_with_its_sentence(tmp_path):
    cell = TinyCell("quick", "digits", "vae", 0, str(tmp_path))
    fit(cell.config())
    cell.results()[0].unlink()
    (cell.folder() / "last.ckpt").write_bytes(b"junk")
    (failure,) = scheduler.run_on(Local(1), [cell])
    assert failure.startswith("vae seed 0: annealed: ")
    assert "last.ckpt is not a readable checkpoint" in failure


def test_lines_that_are_no_progress_are_passed_over(tmp_path):
    lines = ["3", "[]", '{"a": 1}', "not json", '{"phase": "train", "done": 1, "total": 4}', "x"]
    command = [sys.executable, "-c", f"print({chr(10).join(lines)!r})"]
    popen = subprocess.Popen(command, stdout=subprocess.PIPE, encoding="utf-8")
    heard = Process(popen, tmp_path / "log.txt")
    heard.listen()
    assert heard.state == {"phase": "train", "done": 1, "total": 4}


def test_what_an_earlier_session_did_is_not_counted_as_this_ones_speed(monkeypatch, capsys):
    now = [0.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    cells = run_grid("quick", "digits", ["vae", "hvi"], 1)
    shown = display.Display(total=2, done=0)
    monkeypatch.setattr(shown, "screen", False)
    shown.show({cells[0]: {"phase": "train", "done": 80, "total": 100}})
    now[0] = 60.0  # a minute for 20 of 100 steps, 0.15 of a run; 0.25 + 1 are left
    shown.show({cells[0]: {"phase": "train", "done": 100, "total": 100}})
    assert "about 8.3 min left" in capsys.readouterr().err


def test_the_time_that_a_step_compiles_is_not_counted_as_its_speed(monkeypatch, capsys):
    now = [0.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    (cell,) = run_grid("quick", "digits", ["vae"], 1)
    shown = display.Display(total=1, done=0)
    monkeypatch.setattr(shown, "screen", False)
    for seconds, done, compiling in ((0, 0, True), (300, 0, True), (340, 10, False)):
        now[0] = float(seconds)
        state = {"phase": "train", "done": done, "total": 100, "compiling": compiling}
        shown.show({cell: state})
    # forty seconds for 0.075 of a run; counted with the compiling, 70 minutes would be left
    assert "about 8.2 min left" in capsys.readouterr().err


def reproduce(tmp_path, *arguments, **environment):
    environment |= {"PYTHONPATH": IMPORTS, "WANDB_MODE": "disabled"}
    runs = ["--runs", tmp_path / "runs"]
    return Command("reproduce", *runs, *arguments, cwd=tmp_path, **environment)


def test_an_interrupt_stops_every_run_and_leaves_it_resumable(tmp_path):
    process = reproduce(tmp_path, "--data", "digits", "--rows", "vae,hvi", "--jobs", "2")
    rows = [tmp_path / "runs" / "quick" / "digits" / row / "seed0" for row in ("vae", "hvi")]
    while not all((row / "last.ckpt").exists() for row in rows):
        assert process.poll() is None, process.finish()
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=60) == 130
    for row in rows:
        config = configuration.read_resolved(row / "config.yaml")
        assert fit(config, resume=True) == row  # nobody holds the folder, and the run goes on
        assert (row / "result.json").exists()


def test_without_mnist_the_quick_table_is_of_digits_and_says_so(tmp_path):
    nothing = {
        "ANNEALED_DATA": str(tmp_path / "none"),
        "http_proxy": "http://127.0.0.1:9",
        "https_proxy": "http://127.0.0.1:9",
    }
    row = "method: vae\ntrainer: {epochs: 2, warmup_epochs: 0}\ndata: {held_out_images: 50}\n"
    (tmp_path / "short_vae.yaml").write_text(row, encoding="utf-8")
    done = reproduce(tmp_path, "--rows", "short_vae.yaml", "--seeds", "1", **nothing).finish()
    lines = done.stdout.strip().splitlines()
    assert done.returncode == 0
    assert "scikit-learn's digits" in lines[0]
    assert "scikit-learn's digits" in lines[-1]
    text = (tmp_path / "reports" / "quick" / "digits" / "nll_table.md").read_text(encoding="utf-8")
    assert "SMOKE RUN" in text.splitlines()[0]
    assert "scikit-learn's digits" in text.splitlines()[0]
    for arguments in (["--preset", "short"], ["--data", "mnist"]):
        assert "ANNEALED_DATA" in sentence(reproduce(tmp_path, *arguments, **nothing).finish())


def test_a_users_own_row_enters_the_table(tmp_path):
    for name, text in blocks().items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    (tmp_path / "full_rank.yaml").write_text(
        blocks()["full_rank.yaml"] + "trainer: {warmup_epochs: 0, epochs: 5}\n", encoding="utf-8"
    )
    arguments = ["--data", "digits", "--rows", "full_rank.yaml,full_rank.yaml", "--seeds", "1"]
    done = reproduce(tmp_path, *arguments, "--allow-import").finish()
    assert done.returncode == 0, done.stderr
    out = done.stdout
    assert "| full_rank |" in out
    files = {"full_rank.yaml", "full_rank.py"}
    result = json.loads(
        (tmp_path / "runs/quick/digits/full_rank/seed0/result.json").read_text(encoding="utf-8")
    )
    for process in (result["provenance"], *result["training"]["sessions"]):
        assert {file["path"] for file in process["outside_commit"]} == files
        for file in process["outside_commit"]:
            content = (tmp_path / file["path"]).read_bytes()
            assert file["sha256"] == hashlib.sha256(content).hexdigest()
            assert f"{file['path']} (SHA-256 {file['sha256'][:12]})" in out
    assert "1 seed;" in out
    assert "--allow-import" in sentence(reproduce(tmp_path, *arguments).finish())


@pytest.mark.parametrize(
    ("arguments", "phrase"),
    [
        (["--rows", "vea"], "vea is neither a file"),
        (["--rows", ","], "--rows is empty"),
        (["--preset", "fast"], "preset is 'fast'; accepted: ablation, paper, quick, short"),
        (["--seeds", "0"], "--seeds is 0"),
    ],
)
def test_usage_errors_are_one_sentence(tmp_path, arguments, phrase):
    assert phrase in sentence(reproduce(tmp_path, *arguments).finish())
