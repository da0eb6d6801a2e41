"""One table by every engine: the local scheduler, a Slurm array, a Ray cluster that fails."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from stand_ins import cheap, shell, stand_in, trained, until

from annealed.runs.folders import KEYS_WITHOUT_EFFECT
from annealed.utils.errors import InUse, UsageError
from annealed.utils.files import in_use, locked
from reproduce import __main__ as reproduce
from reproduce.scheduling import ray_node, scheduler
from reproduce.scheduling.ray_cluster import Cluster, ClusterJob
from reproduce.scheduling.run_grid import Run

GRID = ["--data", "digits", "--rows", "vae", "--seeds", "2"]


@pytest.fixture(scope="module")
def main():
    """The command line in a folder, as if it were run there."""

    def run(folder, *arguments):
        folder.mkdir(exist_ok=True)
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(folder)
            patch.setenv("WANDB_MODE", "disabled")
            patch.setattr(sys, "argv", ["reproduce", *GRID, *arguments])
            reproduce.main()

    return run


@pytest.fixture(scope="module")
def local(main, tmp_path_factory):
    """The table of the local scheduler."""
    folder = tmp_path_factory.mktemp("local")
    main(folder, "--jobs", "2")
    return folder


def numbers(folder):
    """What a grid's folder says, less what says where and how fast."""
    actual = {}
    for path in sorted(folder.glob("runs/quick/digits/*/seed*/result.json")):
        result = json.loads(path.read_text(encoding="utf-8"))
        for key in ("provenance", "evaluate_seconds"):
            del result[key]
        training = result["training"]
        result["training"] = {k: training[k] for k in ("epochs", "best_epoch", "replicas")}
        result["best_elbo"] = training["best_validation_elbo"]
        del result["config"]["runs"]
        arrays = {k: v.tobytes() for k, v in np.load(path.with_suffix(".npz")).items()}
        actual[path.parent.name] = (result, arrays)
    table = pd.read_csv(folder / "reports" / "quick" / "digits" / "nll_table.csv")
    actual["table"] = table.drop(columns="train_minutes").to_csv()
    return actual


def test_a_slurm_array_gives_the_table_of_the_local_scheduler(local, main, tmp_path):
    for index in (1, 0):  # tasks end in any order
        main(tmp_path, "--cell-index", str(index))
        assert not (tmp_path / "reports").exists()
    main(tmp_path, "--table-only")
    assert set(numbers(local)) == {"seed0", "seed1", "table"}
    assert numbers(tmp_path) == numbers(local)


@pytest.mark.parametrize("index", ["2", "-1"])
def test_an_index_outside_of_the_grid_is_refused(main, tmp_path, index):
    with pytest.raises(UsageError, match=rf"--cell-index is {index} .* accepted: 0 to 1, as"):
        main(tmp_path, "--cell-index", index)


@pytest.mark.parametrize(
    ("arguments", "phrase"),
    [
        (["--engine", "ray", "--devices", "2"], "--devices is of --engine local"),
        (["--engine", "ray", "--gpus", "1.5"], "--gpus is 1.5; accepted: 0 to 1, or a whole"),
        (["--gpus", "0.5"], "--gpus is of --engine ray"),
        (["--devices", "two"], "--devices is 'two'; accepted: a count"),
        (["--jobs", "0"], "--jobs is 0"),
        (["--set", "trainer.epochs=3", "data.size=32"], r"--set has data.size; accepted: trainer"),
        (["--set", "trainer.epochs=x"], r"trainer.epochs is 'x'"),
        (["--set", "trainer.epochs"], "'trainer.epochs' is not an override"),
    ],
)
def test_options_that_an_engine_does_not_take_are_refused(main, tmp_path, arguments, phrase):
    with pytest.raises(UsageError, match=phrase):
        main(tmp_path, *arguments)


def test_what_set_takes_changes_every_run_and_no_more_than_the_table_says():
    arguments = reproduce.arguments_parser().parse_args(["--set", "trainer.epochs=7"])
    runs = reproduce.runs_of(arguments, "digits", ["vae", "hvi"])
    assert {run.config().trainer.epochs for run in runs} == {7}
    free = [name for name in reproduce.SETTABLE if name not in KEYS_WITHOUT_EFFECT]
    assert free == ["trainer.epochs", "trainer.accelerator"]


@pytest.fixture(scope="module")
def two_nodes(tmp_path_factory):
    """A cluster of two nodes: the driver's, with run folders of its own, and one on the same disk.

    Returns the cluster, the second node and where the first has its runs.
    """
    ray = pytest.importorskip("ray", reason="Ray is not installed: make test-cluster")
    from ray.cluster_utils import Cluster as Nodes

    alone = tmp_path_factory.mktemp("own")
    small = {"num_cpus": 1, "object_store_memory": 80 * 2**20, "include_dashboard": False}
    head = {**small, "env_vars": {"ANNEALED_NODE_RUNS": str(alone)}}
    head["_system_config"] = {"health_check_period_ms": 1000}
    nodes = Nodes(initialize_head=True, head_node_args=head)
    second = nodes.add_node(**small, num_gpus=1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_ADDRESS", nodes.address)
        yield nodes, second, alone
    ray.shutdown()
    nodes.shutdown()


@pytest.mark.parametrize("address", ["127.0.0.1:1", "127.0.0.1:port", "nowhere.invalid:6379"])
def test_a_cluster_that_does_not_answer_is_told(main, tmp_path, monkeypatch, address):
    pytest.importorskip("ray", reason="Ray is not installed: make test-cluster")
    monkeypatch.setenv("RAY_ADDRESS", address)
    with pytest.raises(UsageError, match=r"no Ray cluster answers .*; start one with `ray start"):
        main(tmp_path, "--engine", "ray")


def test_what_no_node_has_is_refused(main, tmp_path, two_nodes):
    with pytest.raises(UsageError, match=r"takes 2 CPU cores .* have 1 and [01], 1 and [01]\."):
        main(tmp_path, "--engine", "ray", "--threads", "2")


def test_ray_gives_a_run_its_share_of_a_gpu(tmp_path, two_nodes):
    note = shell("echo \"$CUDA_VISIBLE_DEVICES\" > device; echo '{}' > result.json")
    runs, seen = cheap(tmp_path, 3, note), []
    for run, gpus in zip(runs, (None, 0.5, 0.0), strict=True):
        assert scheduler.run_on(Cluster(None, 1, gpus), [run]) == []
        seen.append((run.folder() / "device").read_text(encoding="utf-8").strip())
    assert seen == ["0", "0", ""]


def test_an_interrupt_cancels_the_tasks_and_leaves_the_runs_resumable(tmp_path, two_nodes, capfd):
    runs = cheap(tmp_path, 3, stand_in(60.0))
    engine = Cluster(None, gpus=0.0)
    begun = [{"phase": "train", "done": 1, "total": 4}] * 2

    def interrupt():
        until(lambda: list(engine.states.values()) == begun)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=interrupt, daemon=True).start()
    with pytest.raises(KeyboardInterrupt):
        scheduler.run_on(engine, runs)
    assert sum(trained(runs)) == 2
    assert "does not stop" not in capfd.readouterr().err
    assert not any(in_use(run.folder()) or run.done() for run in runs)
    assert not list(tmp_path.glob(".*"))
    again = cheap(tmp_path, 3, stand_in(0.0))
    assert scheduler.run_on(Cluster(None, gpus=0.0), again) == []
    assert sorted(trained(runs)) == [1, 2, 2]


def test_what_a_node_gets_is_the_command_with_its_own_folder_of_runs(tmp_path):
    run = cheap(tmp_path / "runs", 1, stand_in(0.0))[0]
    cluster = SimpleNamespace(count=7, threads=2, marker=".seen")
    assigned = Cluster.assignment(cluster, run, tmp_path / "runs")
    assert str(Path(ray_node.RUNS, "short", "mnist", "vae", "seed0")) in assigned.arguments
    assert not any(str(tmp_path) in argument for argument in assigned.arguments)
    assert (assigned.key, assigned.folder) == (7, "short/mnist/vae/seed0")
    assert assigned.results == ["short/mnist/vae/seed0/result.json"]
    assert assigned.files[-1] == assigned.results[-1]
    config = Run("quick", "digits", "vae", 0, str(tmp_path / "runs"))
    arguments = Cluster.assignment(cluster, config, tmp_path / "runs").arguments
    assert arguments[:4] == ["-m", "annealed.fit", "--config", "vae"]
    assert {f"runs={ray_node.RUNS}", "trainer.threads=2"} <= set(arguments)


@pytest.mark.parametrize("shared", [True, False])
def test_what_a_node_made_on_its_own_disk_is_written_here_under_the_locks(
    tmp_path, monkeypatch, shared
):
    runs, node = tmp_path / "runs", tmp_path / "node"
    run = cheap(runs, 1, stand_in(1.0))[0]
    cluster = SimpleNamespace(count=1, threads=1, marker=".seen")
    assigned = Cluster.assignment(cluster, run, runs)
    runs.mkdir()
    (runs / ".seen").touch()
    if not shared:
        monkeypatch.setenv(ray_node.OWN_RUNS, str(node))
    monkeypatch.setattr(ray_node, "POLL", 0.05)
    reports = []
    states = SimpleNamespace(report=SimpleNamespace(remote=lambda *state: reports.append(state)))
    outcome = ray_node.execute(assigned, states)
    assert outcome["status"] == 0
    assert reports == [(1, {"phase": "train", "done": 1, "total": 4})]
    assert run.done() == shared
    assert list(outcome["files"]) == ([] if shared else ["short/mnist/vae/seed0/result.json"])
    ray = SimpleNamespace(wait=lambda *a, **k: (["it"], []), get=lambda reference: outcome)
    job = ClusterJob(SimpleNamespace(ray=ray), run, 1, "it", 2)
    with locked(run.folder(), "the run folder"):
        if not shared:
            assert job.receive() == InUse.status
    assert job.status() == 0
    assert run.done()
    there = node / ray_node.own_folder(str(runs))
    assert (there / "short/mnist/vae/seed0/result.json").exists() != shared


def test_a_node_keeps_trials_apart_and_the_result_of_a_work_that_failed_is_not_written(
    tmp_path, monkeypatch
):
    monkeypatch.setenv(ray_node.OWN_RUNS, str(tmp_path / "node"))
    monkeypatch.setattr(ray_node, "POLL", 0.05)
    cluster = SimpleNamespace(count=1, threads=1, marker=".seen")
    states = SimpleNamespace(report=SimpleNamespace(remote=lambda *state: None))
    outcomes = {}
    for change, command in (("a", "echo '{}' > result.json"), ("b", "exit 2")):
        runs = tmp_path / "runs" / "trials" / change
        (run,) = cheap(runs, 1, shell(command))
        outcomes[change] = ray_node.execute(Cluster.assignment(cluster, run, runs), states)
    assert [len(o["files"]) for o in outcomes.values()] == [1, 0]
    failed = {**outcomes["a"], "status": 2}
    ray = SimpleNamespace(get=lambda reference: failed)
    job = ClusterJob(SimpleNamespace(ray=ray), run, 1, "it", 2)
    assert job.receive() == 2
    assert not run.results()[0].exists()


def trainings(places):
    """The processes that train in these folders of runs: number, parent's number and folder."""
    shown = subprocess.run(
        ["ps", "-wweo", "pid,ppid,args"], capture_output=True, encoding="utf-8"
    ).stdout
    lines = [line.split() for line in shown.splitlines() if "annealed.fit" in line]
    each = [
        (int(pid), int(parent), Path(argument.removeprefix("runs=")))
        for pid, parent, *command in lines
        for argument in command
        if argument.startswith("runs=")
    ]
    return [process for process in each if process[2] in places]


class Killer(threading.Thread):
    """Kills a worker of the first node and the whole second one, each in the midst of training."""

    def __init__(self, shared, nodes, second, alone):
        super().__init__(daemon=True)
        self.first_place = alone / ray_node.own_folder(str(shared))
        self.places = self.first_place, shared
        self.nodes, self.second = nodes, second
        self.killed, self.over = {}, threading.Event()

    def run(self):
        while not self.over.is_set() and len(self.killed) < 2:
            for pid, parent, runs in trainings(self.places):
                first = runs == self.first_place
                begun = list(runs.glob("quick/digits/*/*/last.ckpt"))
                if first in self.killed or not begun:
                    continue
                self.killed[first] = pid
                assert not list(runs.glob("quick/digits/*/*/result.json"))
                if first:
                    os.kill(parent, signal.SIGKILL)
                else:
                    self.nodes.remove_node(self.second, allow_graceful=False)
            time.sleep(0.02)


def test_a_worker_and_a_node_die_and_the_table_is_that_of_the_local_scheduler(
    local, main, tmp_path, two_nodes
):
    killer = Killer(tmp_path / "runs", *two_nodes)
    killer.start()
    main(tmp_path, "--engine", "ray", "--gpus", "0")
    killer.over.set()
    killer.join()
    assert killer.killed.keys() == {True, False}
    assert trainings(killer.places) == []  # none outlived its worker
    assert numbers(tmp_path) == numbers(local)
    sessions = Counter()
    for path in tmp_path.glob("runs/quick/digits/*/seed*/result.json"):
        sessions[len(json.loads(path.read_text(encoding="utf-8"))["training"]["sessions"])] += 1
    assert sessions == {2: 1, 1: 1}  # one went on from its checkpoint, one lost it with its node
