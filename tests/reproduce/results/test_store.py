"""Results that are kept in the repository."""

import json
from copy import deepcopy

import pytest
from tiny_runs import tiny

from annealed.evaluation.result import RESULT
from annealed.runs.run import fit
from annealed.utils.errors import UsageError
from reproduce.results.store import commit_result


def test_of_a_committed_result_the_path_of_its_runs_alone_is_left_out(tmp_path):
    runs = tmp_path / "réseaux"
    options = ["trainer.epochs=1", "data.train_images=100", "data.held_out_images=20"]
    run = fit(tiny("vae", runs, f"data.root={runs}/data", *options))
    made = json.loads((run / RESULT).read_text(encoding="utf-8"))
    command = "python -m annealed.fit --config vae runs={} seed=0"
    for code in (made["provenance"], *made["training"]["sessions"]):
        code["command"] = command.format(runs)
    (run / RESULT).write_text(json.dumps(made, indent=2) + "\n", encoding="utf-8")
    committed = commit_result(run, tmp_path / "kept")
    kept = deepcopy(committed.read())
    assert kept["config"]["data"]["root"] == f"{runs}/data"
    assert kept["config"]["runs"] == "runs"
    kept["config"]["runs"] = str(runs)
    for code in (kept["provenance"], *kept["training"]["sessions"]):
        assert code["command"] == command.format("runs")
        code["command"] = command.format(runs)
    assert kept == made
    assert commit_result(run, tmp_path / "kept") == committed  # the same again
    (run / RESULT).write_text(json.dumps({**made, "nll": 1.0}), encoding="utf-8")
    with pytest.raises(UsageError, match="holds another run's result"):
        commit_result(run, tmp_path / "kept")
