"""The time that remains is that of the steps, not of the compiling before them."""

import json
from types import SimpleNamespace

import pytest
import torch

from annealed.compute import compiling
from annealed.training import progress as module
from annealed.training.progress import Progress


@pytest.fixture
def clock(monkeypatch):
    """Seconds that pass when the test says so, for the bar and for what feeds it."""
    clock = SimpleNamespace(now=1000.0)
    monkeypatch.delenv("ANNEALED_PROGRESS", raising=False)
    monkeypatch.setattr(module.time, "monotonic", lambda: clock.now)
    monkeypatch.setattr("tqdm.std.time", lambda: clock.now)
    return clock


def test_the_estimate_is_of_the_steps_since_compiling(clock, capsys):
    progress = Progress("vae seed0")
    progress.start("train", 100)
    progress.compiling(True)
    assert "vae seed0 compile" in capsys.readouterr().err
    clock.now += 300
    progress.compiling(False)
    for step in range(1, 41):
        clock.now += 1.0
        progress.update(step)
    state = progress.bar.format_dict
    assert state["elapsed"] == pytest.approx(40.0)
    assert state["n"] / state["elapsed"] == pytest.approx(1.0)
    shown = capsys.readouterr().err
    assert "vae seed0 train:" in shown
    assert "30/100 [00:30<01:10" in shown
    progress.close()


def test_a_scheduler_is_told_that_a_run_compiles(clock, capsys, monkeypatch):
    monkeypatch.setenv("ANNEALED_PROGRESS", "json")
    progress = Progress("vae seed0")
    progress.say("a line for a person")
    progress.start("train", 100)
    progress.compiling(True)
    progress.compiling(False)
    states = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [state["compiling"] for state in states] == [False, True, False]
    assert {state["phase"] for state in states} == {"train"}


def test_torch_says_when_it_compiles():
    def fake(graph, inputs):  # a compiler that compiles nothing
        reports.append("inside")
        return graph.forward

    reports = []
    function = torch.compile(lambda x: x + 1, backend=fake, dynamic=False)
    with compiling.watched(reports.append):
        function(torch.ones(3))
        function(torch.ones(3))
        function(torch.ones(4))
    assert reports == [True, "inside", False] * 2
    function(torch.ones(5))
    assert reports[-1] == "inside"
