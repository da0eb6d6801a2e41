"""A table whose runs go on to another limit of epochs."""

import json

from commands import Command
from conftest import IMPORTS


def make(folder, epochs, *options):
    arguments = ["--data", "digits", "--rows", "vae,hvi", "--seeds", "1", "--jobs", "1", *options]
    arguments += ["--set", f"trainer.epochs={epochs}", "wandb.mode=disabled"]
    return Command("reproduce", *arguments, cwd=folder, PYTHONPATH=IMPORTS).finish()


def test_the_runs_of_a_table_go_on_to_a_further_limit_where_that_is_asked_for(tmp_path):
    assert make(tmp_path, 1).returncode == 0
    refused = make(tmp_path, 2)
    assert refused.returncode == 2
    assert "trainer.epochs is 1 there and 2 now" in refused.stderr
    assert "NEW_LIMIT=1) goes on to another limit" in refused.stderr
    left = make(tmp_path, 2, "--new-limit", "--table-only")
    assert left.returncode == 2
    assert left.stderr.count("is of another trainer.epochs; run it with --new-limit") == 2
    longer = make(tmp_path, 2, "--new-limit")
    assert longer.returncode == 0, longer.stderr
    for row in ("vae", "hvi"):
        folder = tmp_path / "runs" / "quick" / "digits" / row / "seed0"
        result = json.loads((folder / "result.json").read_text(encoding="utf-8"))
        assert result["training"]["epochs"] == 2
        assert len(result["training"]["sessions"]) == 2
        assert f"{result['nll']:.2f}" in longer.stdout
    refused = make(tmp_path, 3, "--new-limit", "--engine", "ray")
    assert refused.returncode == 2
    assert "--new-limit is of --engine local" in refused.stderr
    again = make(tmp_path, 2, "--new-limit")
    assert again.returncode == 0
    assert again.stdout == longer.stdout
