"""A page's units under the scheduler: locks, retries, resume, engines."""

import json
import os
import signal
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from conftest import IMPORTS
from stand_ins import background, until

from annealed.runs import cli
from annealed.utils.errors import InUse, UsageError
from annealed.utils.files import in_use, locked
from reproduce.experiments import page_work, worker
from reproduce.experiments.collapse.__main__ import main as collapse
from reproduce.experiments.corners.__main__ import main as corners
from reproduce.experiments.invertible.__main__ import main as invertible
from reproduce.experiments.nested.__main__ import main as nested
from reproduce.experiments.noise.__main__ import main as noise
from reproduce.experiments.page_work import PAGES, PageWork
from reproduce.experiments.successors.__main__ import main as successors
from reproduce.experiments.toys.__main__ import main as toys
from reproduce.experiments.units import finish
from reproduce.scheduling import ray_node, scheduler
from reproduce.scheduling.local import Local
from reproduce.scheduling.ray_cluster import Cluster, ClusterJob

MAINS = {
    "toys": toys,
    "invertible": invertible,
    "corners": corners,
    "nested": nested,
    "successors": successors,
    "noise": noise,
    "collapse": collapse,
}
UNITS = ("correlated-Gaussian/householder-4/ELBO", "correlated-Gaussian/householder-4/AVO")
NUMBERS = ("kl", "log_z_error", "curve")
# a setting of each page, by its folder, as commit 2f533a9 wrote it
SETUPS = json.loads((Path(__file__).parent / "setups.json").read_text(encoding="utf-8"))


@pytest.fixture(autouse=True)
def importable(monkeypatch):
    """Processes that a test starts import this checkout wherever they run."""
    monkeypatch.setenv("PYTHONPATH", IMPORTS)


def work_of(runs, *keys, preset="quick", seeds=1):
    return PageWork("invertible", preset, str(runs), seeds, keys)


def numbers(work):
    """What the results of a work say, without what says where and how fast."""
    read = [json.loads(path.read_text(encoding="utf-8")) for path in work.results()]
    return [[result[name] for name in NUMBERS] for result in read]


def begun(work):
    """How often a process began to make results of a work."""
    log = work.folder() / "log.txt"
    return log.read_text(encoding="utf-8").count(" 1 results to make") if log.exists() else 0


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """Both units, made in this process."""
    works = [work_of(tmp_path_factory.mktemp("alone"), key) for key in UNITS]
    for work in works:
        finish(work.units[0], [0], {"commit": "abc"})
    return works


class KillOnce(Local):
    """Kills its first process in the midst of training."""

    killed = False

    def start(self, work, retries):
        job = super().start(work, retries)
        if not self.killed:
            until(lambda: job.state)
            self.killed = True
            job.process.popen.kill()
        return job


def test_a_worker_that_is_killed_is_tried_again_and_gives_the_same_numbers(alone, tmp_path, capfd):
    work, engine = work_of(tmp_path, UNITS[0]), KillOnce(1)
    assert scheduler.run_on(engine, [work]) == []
    assert begun(work) == 2
    assert "ended with status -9, killed by SIGKILL" in capfd.readouterr().err
    for made, expected in zip(numbers(work), numbers(alone[0]), strict=True):
        assert made[:2] == pytest.approx(expected[:2], rel=1e-4)
        assert made[2] == pytest.approx(expected[2], rel=1e-4)


def test_two_schedulers_on_one_page_make_each_unit_once(tmp_path, monkeypatch):
    monkeypatch.setattr(scheduler, "WAIT", 0.1)
    works = [work_of(tmp_path, key) for key in UNITS]
    both = [background(lambda p=plan: scheduler.run_on(Local(1), p)) for plan in (works, works[:1])]
    for process in both:
        process.join(120)
    assert [process.exitcode for process in both] == [0, 0]
    assert [begun(work) for work in works] == [1, 1]
    assert all(work.done() for work in works)


def test_a_page_that_is_killed_leaves_no_worker_behind(tmp_path):
    work = work_of(tmp_path, *UNITS, preset="full")
    process = background(lambda: scheduler.run_on(Local(1), [work]))
    until(lambda: begun(work) == 1 and in_use(work.folder()))
    os.kill(process.pid, signal.SIGKILL)
    process.join(60)
    until(lambda: not in_use(work.folder()))
    assert not work.done()


def test_what_is_there_is_skipped_and_another_setup_is_one_sentence(
    alone, monkeypatch, capsys, tmp_path
):
    monkeypatch.setattr(Local, "start", None)
    assert scheduler.run_on(Local(1), alone) == []
    work = work_of(tmp_path, UNITS[0])
    (path,) = work.results()
    path.parent.mkdir(parents=True)
    result = json.loads(alone[0].results()[0].read_text(encoding="utf-8"))
    path.write_text(
        json.dumps({**result, "setup": {**result["setup"], "steps": 7}}), encoding="utf-8"
    )
    commands = {
        worker.main: ["worker", *work.arguments(1)[2:]],
        invertible: ["invertible", "--runs", str(tmp_path)],
    }
    for main, command in commands.items():
        monkeypatch.setattr(sys, "argv", command)
        assert cli.run(main, "") == 2
        said = [line for line in capsys.readouterr().err.splitlines() if "annealed: " in line]
        assert said == [f"annealed: {path} was made by another setup; remove it and run again."]
    path.write_text(json.dumps({**result, "seed": 3}), encoding="utf-8")
    with pytest.raises(UsageError, match=r"is a copy: it holds the result of seed 3; remove it"):
        work.done()


def test_a_unit_that_another_process_makes_is_in_use(monkeypatch, tmp_path, capsys):
    work = work_of(tmp_path, UNITS[0])
    monkeypatch.setattr(sys, "argv", ["worker", *work.arguments(1)[2:]])
    with locked(work.folder(), "the run folder"):
        assert cli.run(worker.main, "") == InUse.status
    assert not work.done()


@pytest.mark.parametrize(
    ("change", "phrase"),
    [
        (["--unit", "nothing"], "--unit is 'nothing'; accepted: four-modes-d/iaf-4/ELBO, "),
        (["--seeds", "0"], "--seeds is 0; accepted: 1 or more"),
    ],
)
def test_a_worker_refuses_what_is_no_unit(monkeypatch, tmp_path, change, phrase):
    arguments = work_of(tmp_path, UNITS[0]).arguments(1)[2:]
    monkeypatch.setattr(sys, "argv", ["worker", *arguments, *change])
    with pytest.raises(UsageError, match=phrase):
        worker.main()


class Stop(Exception):
    """Ends a page where it would run."""


@pytest.mark.parametrize("page", PAGES)
def test_every_page_takes_devices_and_an_engine(monkeypatch, tmp_path, page):
    plans = []

    def run_on(engine, plan):
        plans.append((engine, plan))
        raise Stop

    monkeypatch.setattr(page_work.scheduler, "run_on", run_on)
    common = [page, "--runs", str(tmp_path), "--seeds", "1"]
    monkeypatch.setattr(sys, "argv", [*common, "--devices", "2", "--jobs", "3", "--threads", "2"])
    monkeypatch.setattr("torch.cuda.device_count", lambda: 0)
    with pytest.raises(Stop):
        MAINS[page]()
    ((engine, plan),) = plans
    assert (engine.jobs, engine.threads, engine.devices) == (3, 2, ["0", "1"])
    works = [work for work in plan if isinstance(work, PageWork) and work.page == page]
    units = [key for work in works for key in work.keys]
    assert units == list(page_work.units_of(page, "quick", str(tmp_path)))
    assert len({path for work in plan for path in work.results()}) == sum(
        len(work.results()) for work in plan
    )
    monkeypatch.setattr(sys, "argv", [*common, "--engine", "ray", "--devices", "2"])
    with pytest.raises(UsageError, match="--devices is of --engine local"):
        MAINS[page]()


@pytest.mark.parametrize("place", SETUPS)
def test_the_results_of_before_are_those_of_today(place):
    page, preset, *_ = place.split("/")
    places = {
        p.folder.as_posix(): p
        for unit in page_work.units_of(page, preset, "runs").values()
        for p in unit.places.values()
    }
    assert json.loads(json.dumps(places[f"runs/{place}"].setup)) == SETUPS[place]
    assert places[f"runs/{place}"].path(3) == Path("runs", place, "seed3.json")


def test_a_node_makes_a_unit_on_its_own_disk(alone, monkeypatch, tmp_path):
    work = work_of(tmp_path / "runs", UNITS[0])
    cluster = SimpleNamespace(count=1, threads=1, marker=".seen")
    assigned = Cluster.assignment(cluster, work, tmp_path / "runs")
    monkeypatch.setenv(ray_node.OWN_RUNS, str(tmp_path / "node"))
    states = SimpleNamespace(report=SimpleNamespace(remote=lambda key, state: None))
    outcome = ray_node.execute(assigned, states)
    assert outcome["status"] == 0, outcome["message"]
    assert not work.done()
    ray = SimpleNamespace(wait=lambda *a, **k: (["it"], []), get=lambda reference: outcome)
    assert ClusterJob(SimpleNamespace(ray=ray), work, 1, "it", 2).status() == 0
    assert work.done()
    assert numbers(work)[0][0] == pytest.approx(numbers(alone[0])[0][0], rel=1e-4)
    there = tmp_path / "node" / ray_node.own_folder(assigned.runs)
    assert numbers(replace(work, runs=str(there))) == numbers(work)
