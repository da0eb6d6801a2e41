"""Results that are kept in the repository."""

import json

import pytest
from tiny_runs import tiny

from annealed.evaluation.result import RESULT
from annealed.runs.run import fit
from annealed.utils.errors import UsageError
from reproduce.results.store import commit_result


def test_of_a_kept_result_the_path_of_its_runs_alone_is_left_out(tmp_path):
    runs = tmp_path / "réseaux"
    options = ["trainer.epochs=1", "data.train_images=100", "data.held_out_images=20"]
    run = fit(tiny("vae", runs, f"data.root={runs}/data", *options))
    made = json.loads((run / RESULT).read_text(encoding="utf-8"))
    made["provenance"]["command"] = f"python -m annealed.fit runs={runs}"
    (run / RESULT).write_text(json.dumps(made, indent=2) + "\n", encoding="utf-8")
    path = commit_result(run, tmp_path / "kept")
    kept = json.loads(path.read_text(encoding="utf-8"))
    assert (made["config"].pop("runs"), kept["config"].pop("runs")) == (str(runs), "runs")
    assert kept == made
    assert kept["config"]["data"]["root"] == f"{runs}/data"
    assert commit_result(run, tmp_path / "kept") == path  # the same again
    (run / RESULT).write_text(
        json.dumps({**made, "config": {**made["config"], "runs": str(runs)}, "nll": 1.0}),
        encoding="utf-8",
    )
    with pytest.raises(UsageError, match="holds another run's result"):
        commit_result(run, tmp_path / "kept")
