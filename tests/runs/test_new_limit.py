"""Runs that go on to another limit of epochs, and those that cannot."""

import json
import shutil

import pytest
from tiny_runs import Killed, assert_same_run, poisoned, tiny

from annealed.runs.folders import run_folder
from annealed.runs.rescore import evaluate
from annealed.runs.run import fit
from annealed.training.checkpoints import load, save
from annealed.training.module import Training
from annealed.training.record import read_metrics
from annealed.training.recorder import Recorder
from annealed.utils.errors import Diverged, UsageError


def result_of(folder, name="result.json"):
    return json.loads((folder / name).read_text(encoding="utf-8"))


def files_of(folder):
    return {p.name: p.read_bytes() for p in folder.iterdir() if p.is_file()}


def kill_after_three_epochs(config, monkeypatch):
    """Train, and end as a kill would after the third epoch is recorded."""
    hook = Recorder.on_train_epoch_end

    def killed(self, trainer, module):
        hook(self, trainer, module)
        if trainer.current_epoch == 2:
            raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(Recorder, "on_train_epoch_end", killed)
        with pytest.raises(Killed):
            fit(config)


@pytest.mark.parametrize("replicas", [1, 2])
def test_a_finished_run_goes_on_to_a_further_limit_as_if_it_had_always_been_its_own(
    replicas, tmp_path
):
    def seeds(folder):
        return [folder.with_name(f"seed{k}") for k in range(replicas)]

    options = f"trainer.replicas={replicas}", "trainer.warmup_epochs=3"
    whole = fit(tiny("vae", tmp_path / "whole", *options, "trainer.epochs=5"))
    folder = fit(tiny("vae", tmp_path / "longer", *options, "trainer.epochs=2"))
    first = [files_of(one) for one in seeds(folder)]
    longer = tiny("vae", tmp_path / "longer", *options, "trainer.epochs=5")
    assert fit(longer, resume=True, new_limit=True) == folder
    for there, here, before in zip(seeds(whole), seeds(folder), first, strict=True):
        assert result_of(here)["config"]["trainer"]["epochs"] == 5
        assert len(result_of(here)["training"]["sessions"]) == 2
        for suffix in ("json", "npz"):  # of the limit before, kept
            kept = here / f"result.2_epochs.{suffix}"
            assert kept.read_bytes() == before[f"result.{suffix}"]
        if replicas == 1:
            assert_same_run(there, here)
        assert (
            read_metrics(there)
            .drop(columns="seconds")
            .equals(read_metrics(here).drop(columns="seconds"))
        )
        assert result_of(there)["nll"] == result_of(here)["nll"]
    after = files_of(folder)
    fit(longer, resume=True, new_limit=True)
    fit(longer, resume=True)
    assert files_of(folder) == after


def test_an_interrupted_run_can_end_at_the_epoch_where_it_is(tmp_path, monkeypatch):
    whole = fit(tiny("vae", tmp_path / "whole", "trainer.epochs=3"))
    kill_after_three_epochs(tiny("vae", tmp_path / "killed", "trainer.epochs=40"), monkeypatch)
    too_few = tiny("vae", tmp_path / "killed", "trainer.epochs=2")
    folder = run_folder(too_few)
    last = (folder / "last.ckpt").read_bytes()
    for checkpoint in (last, (folder / "last.previous.ckpt").read_bytes()):  # the best is later
        (folder / "last.ckpt").write_bytes(checkpoint)
        before = files_of(folder)
        with pytest.raises(UsageError, match=r"has 3 epochs; accepted.*trainer\.epochs=3 or more"):
            fit(too_few, resume=True, new_limit=True)
        assert files_of(folder) == before
    (folder / "last.ckpt").write_bytes(last)
    folder = fit(tiny("vae", tmp_path / "killed", "trainer.epochs=3"), resume=True, new_limit=True)
    assert_same_run(whole, folder)


def test_what_was_recorded_after_the_last_checkpoint_is_dropped(tmp_path, monkeypatch):
    options = ["trainer.checkpoint_seconds=1000"]
    whole = fit(tiny("vae", tmp_path / "whole", *options, "trainer.epochs=1"))
    longer = tiny("vae", tmp_path / "killed", *options, "trainer.epochs=40")
    kill_after_three_epochs(longer, monkeypatch)
    config = tiny("vae", tmp_path / "killed", *options, "trainer.epochs=1")
    assert len(read_metrics(run_folder(config))) == 3
    assert_same_run(whole, fit(config, resume=True, new_limit=True))


@pytest.mark.parametrize("damage", ["a line lost", "zeros", "its end lost", "empty"])
def test_metrics_that_lack_an_epoch_of_the_checkpoint_are_one_sentence(damage, tmp_path):
    folder = fit(tiny("vae", tmp_path, "trainer.epochs=2"))
    path = folder / "metrics.csv"
    head, first, last = path.read_text(encoding="utf-8").splitlines(keepends=True)
    broken = {"a line lost": head + last, "zeros": head + first + "\0" * 40, "empty": ""}
    broken["its end lost"] = head + first + last[:9]
    path.write_text(broken[damage], encoding="utf-8")
    before, longer = files_of(folder), tiny("vae", tmp_path, "trainer.epochs=3")
    with pytest.raises(UsageError, match=r"metrics\.csv lacks an epoch of the 2 that"):
        fit(longer, resume=True, new_limit=True)
    assert files_of(folder) == before
    path.unlink()
    assert read_metrics(fit(longer, resume=True, new_limit=True)).epoch.tolist() == [2]
    longest = tiny("vae", tmp_path, "trainer.epochs=4")
    assert read_metrics(fit(longest, resume=True, new_limit=True)).epoch.tolist() == [2, 3]


def test_metrics_that_were_removed_may_be_written_without_a_checkpoint_after_them(tmp_path):
    folder = fit(tiny("vae", tmp_path, "trainer.epochs=2"))
    path = folder / "metrics.csv"
    head, *_, last = path.read_text(encoding="utf-8").splitlines(keepends=True)
    path.write_text(head + "2" + last[1:], encoding="utf-8")  # of an epoch that was lost by a kill
    longer = tiny("vae", tmp_path, "trainer.epochs=4")
    assert read_metrics(fit(longer, resume=True, new_limit=True)).epoch.tolist() == [2, 3]


def test_a_run_whose_patience_is_spent_keeps_its_numbers_under_a_further_limit(tmp_path):
    options = ["trainer.patience=2", "optimiser.learning_rate=1e-30"]  # the first epoch stays best
    folder = fit(tiny("vae", tmp_path, *options, "trainer.epochs=20"))
    before = result_of(folder)
    fit(tiny("vae", tmp_path, *options, "trainer.epochs=30"), resume=True, new_limit=True)
    after = result_of(folder)
    assert (after["nll"], after["training"]["epochs"]) == (before["nll"], 3)
    assert after["config"]["trainer"]["epochs"] == 30


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (
            ["optimiser.milestones=[0.5]", "optimiser.factors=[0.1]"],
            r"with optimiser\.milestones the epochs depend on their number",
        ),
        (["trainer.warmup=cyclical"], r"with trainer\.warmup=cyclical the epochs depend on"),
    ],
)
def test_schedules_that_are_shares_of_all_epochs_refuse_another_limit(options, sentence, tmp_path):
    folder = fit(tiny("vae", tmp_path, "trainer.epochs=2", *options))
    before, longer = files_of(folder), tiny("vae", tmp_path, "trainer.epochs=4", *options)
    for new_limit in (True, False):
        with pytest.raises(UsageError, match=r"epochs is 2 there and 4 now; .*" + sentence):
            fit(longer, resume=True, new_limit=new_limit)
    assert files_of(folder) == before


def test_what_another_limit_is_refused_for_is_said_and_leaves_the_run_as_it_was(tmp_path):
    folder = fit(tiny("vae", tmp_path, "trainer.epochs=2"))
    before = files_of(folder)
    with pytest.raises(UsageError, match=r"2 there and 4 now; .* NEW_LIMIT=1\) goes on to another"):
        fit(tiny("vae", tmp_path, "trainer.epochs=4"), resume=True)
    with pytest.raises(UsageError, match="already holds a run"):
        fit(tiny("vae", tmp_path, "trainer.epochs=4"), new_limit=True)
    other = tiny("vae", tmp_path, "trainer.epochs=4", "optimiser.learning_rate=0.01")
    with pytest.raises(UsageError, match=r"optimiser\.learning_rate is"):
        fit(other, resume=True, new_limit=True)
    assert files_of(folder) == before
    (folder / "last.ckpt").unlink()
    with pytest.raises(UsageError, match=r"last\.ckpt is gone.*another trainer\.epochs"):
        fit(tiny("vae", tmp_path, "trainer.epochs=4"), resume=True, new_limit=True)
    assert files_of(folder) == {k: v for k, v in before.items() if k != "last.ckpt"}


def test_a_seed_that_diverged_does_so_again_beside_one_that_goes_on(tmp_path, monkeypatch):
    monkeypatch.setattr(Training, "optimise", poisoned(Training.optimise, 1))
    options = ["trainer.replicas=2", "trainer.epochs=3"]
    with pytest.raises(Diverged):
        fit(tiny("vae", tmp_path / "both", *options))
    options[-1] = "trainer.epochs=5"
    for again in ({"new_limit": True}, {}):
        with pytest.raises(Diverged, match=r"seed1: "):
            fit(tiny("vae", tmp_path / "both", *options), resume=True, **again)
    monkeypatch.undo()
    folder = run_folder(tiny("vae", tmp_path / "both"))
    whole = fit(tiny("vae", tmp_path / "alone", "trainer.epochs=5"))
    assert result_of(folder)["nll"] == pytest.approx(result_of(whole)["nll"], abs=1e-4)
    diverged = result_of(folder.with_name("seed1"))
    assert diverged["status"] == "diverged"
    assert diverged["config"]["trainer"]["epochs"] == 5


def test_a_run_that_diverged_before_its_first_checkpoint_starts_anew(tmp_path):
    options = ["optimiser.learning_rate=1e30", "trainer.epochs=4"]
    with pytest.raises(Diverged):
        fit(tiny("vae", tmp_path, *options))
    options[-1] = "trainer.epochs=6"
    with pytest.raises(Diverged):
        fit(tiny("vae", tmp_path, *options), resume=True, new_limit=True)
    folder = run_folder(tiny("vae", tmp_path, *options))
    assert result_of(folder)["config"]["trainer"]["epochs"] == 6
    assert result_of(folder, "result.4_epochs.json")["status"] == "diverged"


def test_another_kind_of_device_is_refused_before_the_result_is_set_aside(tmp_path):
    folder = fit(tiny("vae", tmp_path, "trainer.epochs=2"))
    checkpoint = load(folder / "last.ckpt")
    checkpoint["callbacks"]["Recorder"]["0"]["sessions"][-1]["device_type"] = "cuda"
    save(folder / "last.ckpt", checkpoint)
    before = files_of(folder)
    with pytest.raises(UsageError, match="was trained on cuda and cannot go on on cpu"):
        fit(tiny("vae", tmp_path, "trainer.epochs=4"), resume=True, new_limit=True)
    assert files_of(folder) == before


def test_evaluations_of_the_weights_before_are_set_aside_too(tmp_path):
    folder = fit(tiny("vae", tmp_path, "trainer.epochs=1"))
    evaluate(folder, 30)
    before = files_of(folder)
    for epochs in (2, 3):
        fit(tiny("vae", tmp_path, f"trainer.epochs={epochs}"), resume=True, new_limit=True)
        after = files_of(folder)
        for suffix in (".json", ".npz"):
            assert f"evaluation_S30{suffix}" not in after
            assert after[f"evaluation_S30.1_epochs{suffix}"] == before[f"evaluation_S30{suffix}"]
    assert "result.2_epochs.json" in after


def test_a_kill_between_the_two_files_of_a_result_loses_neither(tmp_path):
    folder = fit(tiny("vae", tmp_path, "trainer.epochs=2"))
    before = files_of(folder)
    shutil.move(folder / "result.npz", folder / "result.2_epochs.npz")
    fit(tiny("vae", tmp_path, "trainer.epochs=3"), resume=True, new_limit=True)
    after = files_of(folder)
    assert after["result.2_epochs.npz"] == before["result.npz"]
    assert after["result.2_epochs.json"] == before["result.json"]


def test_the_command_line_takes_it_with_resume_alone(start, tmp_path):
    refused = start(tmp_path, "--new-limit").finish()
    assert refused.returncode == 2
    assert "--new-limit goes with --resume" in refused.stderr
    assert start(tmp_path, "trainer.epochs=1").wait() == 0
    longer = start(tmp_path, "trainer.epochs=2", "--resume", "--new-limit").finish()
    assert "Traceback" not in longer.stderr
    assert longer.returncode == 0
    folder = tmp_path / "quick" / "digits" / "hvi_avo" / "seed0"
    assert result_of(folder)["training"]["epochs"] == 2
    assert result_of(folder, "result.1_epochs.json")["training"]["epochs"] == 1
