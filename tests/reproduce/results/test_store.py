"""Results that are kept in the repository."""

import json
import shutil
from copy import deepcopy

import pytest
from tiny_runs import tiny

from annealed.evaluation.result import RESULT
from annealed.runs.run import fit
from annealed.utils.errors import UsageError
from reproduce.results.store import commit_result, commit_results


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


def test_a_cell_made_again_is_told_and_one_of_another_configuration_is_refused(tmp_path, capsys):
    options = ["trainer.epochs=1", "data.train_images=100", "data.held_out_images=20"]
    first, other = (
        fit(tiny("vae", tmp_path / name, *options, *more)) / RESULT
        for name, more in (("a", []), ("b", ["optimiser.learning_rate=1e-5"]))
    )
    again = tmp_path / "again" / first.relative_to(tmp_path / "a")
    shutil.copytree(first.parent, again.parent)
    made = json.loads(first.read_text(encoding="utf-8"))
    again.write_text(json.dumps({**made, "nll": made["nll"] + 1.0}), encoding="utf-8")
    kept = tmp_path / "kept"
    assert commit_results([first], kept) == []
    pack = kept / "quick" / "digits.jsonl"
    before = pack.read_bytes()
    capsys.readouterr()
    assert commit_results([first, again], kept) == []
    both = f"NLL {made['nll']:.4f} there, NLL {made['nll'] + 1.0:.4f} here"
    (line,) = capsys.readouterr().err.splitlines()
    assert "#vae/seed0 holds another run's result, of the same configuration, and stays: " in line
    assert line.endswith(f" {both}; remove its line to keep that of {again.parent}.")
    (refusal,) = commit_results([other], kept)
    advice = f"remove its line to keep that of {other.parent}."
    assert refusal.endswith(f"#vae/seed0 holds another run's result; {advice}")
    assert pack.read_bytes() == before
