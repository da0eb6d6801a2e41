import json
import os
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch
from commands import SERVER, annealed, sentence
from conftest import TINY
from tiny_runs import assert_same_run, poisoned, tiny, weights

from annealed import config as configuration
from annealed.config.registry import method_class
from annealed.data.images import load_images
from annealed.evaluation.result import trusted_k
from annealed.evaluation.score import score_images, summary
from annealed.inference.importance import Estimate, log_marginal
from annealed.runs import wandb_logger
from annealed.runs.rescore import evaluate
from annealed.runs.run import fit
from annealed.training import checkpoints, record
from annealed.training.checkpoint_io import AtomicCheckpointIO
from annealed.training.checkpoints import load, load_weights
from annealed.training.module import Training
from annealed.training.record import read_metrics
from annealed.utils.errors import Diverged, InUse, UsageError


@pytest.mark.parametrize("row", ["vae", "hvi", "hvi_avo"])
def test_the_same_seed_twice_is_the_same_run_and_another_is_not(row, tmp_path):
    a = fit(tiny(row, tmp_path / "a"))
    torch.manual_seed(5)  # the global generator has no say
    b = fit(tiny(row, tmp_path / "b"))
    other = fit(tiny(row, tmp_path / "a", "seed=1"))
    assert_same_run(a, b)
    nll = [json.loads((f / "result.json").read_text(encoding="utf-8"))["nll"] for f in (a, other)]
    assert nll[0] != nll[1]


@pytest.mark.parametrize("row", ["vae", "hvi_avo"])
def test_a_result_holds_the_run_and_says_how_it_was_made(row, tmp_path):
    config = tiny(row, tmp_path)
    folder = fit(config)
    assert folder == tmp_path / "quick" / "digits" / row / "seed0"
    result = json.loads((folder / "result.json").read_text(encoding="utf-8"))
    assert (result["status"], result["row"], result["seed"]) == ("finished", row, 0)
    assert (result["samples"], result["test_images"]) == (20, 250)
    assert result["elbo"] < -result["nll"] < 0
    assert result["config"] == configuration.to_dict(config)
    assert {"commit", "command", "versions", "device"} <= result["provenance"].keys()
    assert result["provenance"]["memory_gib"] > 0.1
    assert configuration.read_resolved(folder / "config.yaml") == config
    metrics = read_metrics(folder)
    assert metrics["epoch"].tolist() == [0, 1, 2]
    assert metrics["step"].tolist() == [13, 26, 39]
    best = metrics["val/elbo"].idxmax()
    assert result["training"]["best_epoch"] == best
    assert result["training"]["best_validation_elbo"] == pytest.approx(metrics["val/elbo"][best])
    assert metrics["val/elbo"].iloc[-1] > metrics["val/elbo"].iloc[0] + 10
    scores = np.load(folder / "result.npz")
    assert -scores["log_prob"].mean() == pytest.approx(result["nll"])


def test_a_run_killed_anywhere_and_resumed_is_the_run_never_killed(start, tmp_path):
    whole = start(tmp_path / "whole")
    folder = tmp_path / "killed" / "quick" / "digits" / "hvi_avo" / "seed0"
    kills = 0
    # killed at its start, in an epoch, and wherever the next checkpoints come
    for last_epoch in (None, 2, 6):
        process = start(tmp_path / "killed", "--resume")
        while process.poll() is None:
            reached = folder / "config.yaml" if last_epoch is None else folder / "metrics.csv"
            if reached.exists() and (
                last_epoch is None
                or len(reached.read_text(encoding="utf-8").splitlines()) > last_epoch
            ):
                process.send_signal(signal.SIGKILL)
                kills += process.wait() == -signal.SIGKILL
            time.sleep(0.01)
    assert kills == 3
    assert not (folder / "result.json").exists()
    assert start(tmp_path / "killed", "--resume").wait() == 0
    assert whole.wait() == 0
    assert_same_run(tmp_path / "whole" / "quick" / "digits" / "hvi_avo" / "seed0", folder)


def die_at(name, runs):
    """A training whose process dies in place of writing the file `name` of its third epoch."""
    save = checkpoints.save

    def dying(path, checkpoint, *previous):
        if path.name == name and checkpoint["epoch"] == 2:
            os._exit(9)
        save(path, checkpoint, *previous)

    checkpoints.save = record.save = dying
    fit(tiny("vae", runs, "trainer.epochs=4"))


def test_a_run_killed_between_two_files_of_an_epoch_is_the_run_never_killed(tmp_path):
    whole = fit(tiny("vae", tmp_path / "whole", "trainer.epochs=4"))
    for name in ("best.ckpt", "last.ckpt"):
        process = SERVER.Process(target=die_at, args=(name, tmp_path / name))
        process.start()
        process.join()
        assert process.exitcode == 9
        folder = fit(tiny("vae", tmp_path / name, "trainer.epochs=4"), resume=True)
        assert_same_run(whole, folder)


def test_patience_stops_after_warm_up_and_a_resumed_run_stays_stopped(tmp_path):
    options = ["trainer.epochs=40", "trainer.patience=2", "trainer.warmup_epochs=3"]
    options += ["optimiser.learning_rate=1e-30"]  # nothing improves after the first epoch
    folder = fit(tiny("vae", tmp_path, *options))
    result = json.loads((folder / "result.json").read_text(encoding="utf-8"))
    assert result["training"]["epochs"] == 5
    (folder / "result.json").unlink()
    before = weights(folder)
    fit(tiny("vae", tmp_path, *options), resume=True)
    assert all(torch.equal(v, weights(folder)[k]) for k, v in before.items())
    again = json.loads((folder / "result.json").read_text(encoding="utf-8"))
    assert (again["nll"], again["training"]["epochs"]) == (result["nll"], 5)


def test_the_learning_rate_and_beta_follow_their_schedules(tmp_path):
    options = ["trainer.epochs=4", "trainer.warmup_epochs=2", "optimiser.learning_rate=0.001"]
    options += ["optimiser.milestones=[0.5]", "optimiser.factors=[0.1]"]
    metrics = read_metrics(fit(tiny("vae", tmp_path, *options)))
    assert metrics["warmup"].tolist() == [0.5, 1.0, 1.0, 1.0]
    assert metrics["learning_rate"].tolist() == pytest.approx([1e-3, 1e-3, 1e-4, 1e-4], rel=1e-6)


def test_transitions_may_learn_at_a_rate_of_their_own():
    """Adam's first step moves every parameter by its learning rate."""
    config = configuration.load("hvi", [*TINY, "optimiser.transitions=0.25"])
    method = method_class("hvi")(config, 64)
    before = {name: value.clone() for name, value in method.state_dict().items()}
    training = Training([method], config, 10)
    optimiser = training.configure_optimizers()
    training.backward(load_images("digits", None, 0).train[None, :100], 0)
    for group in optimiser.param_groups:
        group["lr"] = group["factor"] * training.learning_rate(0)
    optimiser.step()
    for name, value in method.state_dict().items():
        moved = (value - before[name]).abs().max().item() / training.learning_rate(0)
        expected = 0.25 if name.startswith("posterior.transitions") else 1.0
        assert moved == pytest.approx(expected, rel=1e-3), name


def test_the_validation_set_may_be_scored_in_place_of_the_test_set(tmp_path):
    options = [*TINY, f"runs={tmp_path}", "evaluate.split=validation"]
    folder = fit(configuration.load("vae", options))
    result = json.loads((folder / "result.json").read_text(encoding="utf-8"))
    assert result["split"] == "validation"
    assert result["data_images"] == {"train": 1297, "validation": 250, "test": 250}
    bits, scored = load_images("digits", None, 0), np.load(folder / "result.npz")["log_prob"]
    config = configuration.load("vae", options)
    method = method_class("vae")(config, 64)
    load_weights(method, folder / "best.ckpt")
    again = score_images(method, bits.validation, config, lambda done: None).log_prob
    np.testing.assert_allclose(scored, again, atol=1e-9)


def test_the_warm_up_may_be_cyclical(tmp_path):
    options = ["trainer.epochs=8", "trainer.warmup=cyclical", "trainer.cycles=2"]
    metrics = read_metrics(fit(tiny("vae", tmp_path, *options)))
    assert metrics["warmup"].tolist() == pytest.approx([0.5, 1.0, 1.0, 1.0] * 2)


def test_the_whole_target_may_be_warmed_up_instead_of_the_rate(tmp_path):
    options = ["trainer.warmup_epochs=3"]
    rate = fit(tiny("hvi_avo", tmp_path / "rate", *options))
    target = fit(tiny("hvi_avo", tmp_path / "target", *options, "trainer.warmed_up=target"))
    assert read_metrics(target)["warmup"].tolist() == pytest.approx([1 / 3, 2 / 3, 1.0])
    a, b = (weights(f, "best.ckpt")["target.decoder.1.weight"] for f in (rate, target))
    assert not torch.equal(a, b)


def test_a_diverged_run_says_so_and_keeps_the_last_good_checkpoint(tmp_path, monkeypatch):
    config = tiny("vae", tmp_path)
    monkeypatch.setattr(Training, "optimise", poisoned(Training.optimise, seed=0))
    with pytest.raises(Diverged, match=r"not finite.*last good checkpoint is kept"):
        fit(config)
    folder = tmp_path / "quick" / "digits" / "vae" / "seed0"
    with pytest.raises(Diverged, match="not finite"):  # and stays so
        fit(config, resume=True)
    with pytest.raises(UsageError, match="diverged"):
        evaluate(folder, replace_result=True)
    result = json.loads((folder / "result.json").read_text(encoding="utf-8"))
    assert result["status"] == "diverged"
    assert result["training"]["epochs"] == 1  # what it cost is told
    assert result["training"]["seconds_a_seed"] == pytest.approx(
        read_metrics(folder)["seconds"].iloc[-1], abs=0.1
    )
    for name in ("best.ckpt", "last.ckpt"):
        assert all(torch.isfinite(v).all() for v in weights(folder, name).values())
    assert load(folder / "last.ckpt")["epoch"] == 0


def test_a_run_that_diverges_between_two_checkpoints_keeps_its_best_weights(tmp_path, monkeypatch):
    options = ["data.train_images=500", "trainer.checkpoint_seconds=1000", "trainer.epochs=10"]
    monkeypatch.setattr(Training, "optimise", poisoned(Training.optimise, seed=0))
    with pytest.raises(Diverged, match="not finite"):
        fit(tiny("vae", tmp_path, *options))
    folder = tmp_path / "quick" / "digits" / "vae" / "seed0"
    training = json.loads((folder / "result.json").read_text(encoding="utf-8"))["training"]
    assert load(folder / "last.ckpt")["epoch"] == 0
    assert load(folder / "best.ckpt")["epoch"] == training["best_epoch"] > 0


def test_a_diverging_command_exits_with_status_3_without_a_traceback(tmp_path):
    arguments = [*TINY, f"runs={tmp_path}", "optimiser.learning_rate=1e30"]
    result = annealed("fit", "--config", "vae", *arguments, cwd=tmp_path)
    assert result.returncode == 3, result.stderr
    assert "Traceback" not in result.stderr
    assert "not finite" in result.stderr


@pytest.mark.parametrize("name", [signal.SIGTERM, signal.SIGINT])
def test_a_run_that_is_asked_to_stop_says_so_and_goes_on_when_resumed(start, tmp_path, name):
    process = start(tmp_path, "trainer.epochs=400")
    folder = tmp_path / "quick" / "digits" / "hvi_avo" / "seed0"
    while not (folder / "last.ckpt").exists():
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(name)
    done = process.finish()
    assert done.returncode == 130
    assert "interrupted; what is done is kept. Add --resume" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (folder / "result.json").exists()
    done = load(folder / "last.ckpt")["epoch"]
    assert read_metrics(folder)["epoch"].max() >= done


def test_every_session_that_trained_is_recorded(tmp_path, monkeypatch):
    hook = Training.on_validation_epoch_end
    monkeypatch.setattr(Training, "on_validation_epoch_end", after(1, hook))
    with pytest.raises(KeyError):
        fit(tiny("vae", tmp_path))
    monkeypatch.setattr(Training, "on_validation_epoch_end", hook)
    folder = fit(tiny("vae", tmp_path), resume=True)
    result = json.loads((folder / "result.json").read_text(encoding="utf-8"))
    sessions = result["training"]["sessions"]
    assert len(sessions) == 2
    assert all({"commit", "command", "versions", "date"} <= s.keys() for s in sessions)


def after(epochs, hook):
    """`hook` that fails once `epochs` of them are done."""

    def failing(self):
        if self.current_epoch >= epochs:
            raise KeyError("killed")
        hook(self)

    return failing


def test_a_run_of_another_kind_of_device_is_not_gone_on_with(tmp_path):
    folder = fit(tiny("vae", tmp_path))
    (folder / "result.json").unlink()
    checkpoint = load(folder / "last.ckpt")
    checkpoint["callbacks"]["Recorder"]["0"]["sessions"][-1]["device_type"] = "cuda"
    AtomicCheckpointIO().save_checkpoint(checkpoint, folder / "last.ckpt")
    before = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    with pytest.raises(UsageError, match="was trained on cuda and cannot go on on cpu"):
        fit(tiny("vae", tmp_path, "trainer.accelerator=cpu"), resume=True)
    assert all((folder / name).read_bytes() == content for name, content in before.items())


def test_a_kill_while_the_first_metrics_are_written_is_no_obstacle(tmp_path):
    whole = fit(tiny("vae", tmp_path / "a"))
    folder = tmp_path / "b" / "quick" / "digits" / "vae" / "seed0"
    for half in ("", "epoch,step", "epoch,step\n0,1"):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        (folder / "config.yaml").write_text(
            configuration.to_yaml(tiny("vae", tmp_path / "b")), encoding="utf-8"
        )
        (folder / "metrics.csv").write_text(half, encoding="utf-8")
        assert_same_run(whole, fit(tiny("vae", tmp_path / "b"), resume=True))


def test_a_start_that_fails_leaves_the_folder_free(tmp_path, monkeypatch):
    def fail(*arguments, **options):
        raise UsageError("no")

    start_logger = wandb_logger.start
    monkeypatch.setattr(wandb_logger, "start", fail)
    with pytest.raises(UsageError, match="no"):
        fit(tiny("vae", tmp_path))
    monkeypatch.setattr(wandb_logger, "start", start_logger)
    fit(tiny("vae", tmp_path, "network.hidden=50"))


def test_an_evaluation_does_not_replace_what_is_not_there(tmp_path):
    folder = fit(tiny("vae", tmp_path))
    (folder / "result.json").unlink()
    with pytest.raises(UsageError, match=r"result\.json is not there; the run has not"):
        evaluate(folder, replace_result=True)
    (folder / "result.json").write_text('{"status": "fini', encoding="utf-8")
    with pytest.raises(UsageError, match="not a readable result"):
        evaluate(folder)


def test_a_checkpoint_of_another_model_is_refused_on_resume(tmp_path):
    folder = fit(tiny("vae", tmp_path))
    other = fit(tiny("hvi", tmp_path))
    (other / "result.json").unlink()
    (other / "last.ckpt").write_bytes((folder / "last.ckpt").read_bytes())
    with pytest.raises(UsageError, match="weights of another model"):
        fit(tiny("hvi", tmp_path), resume=True)


def test_what_is_not_finite_or_defined_is_null_in_a_result():
    flat, n = torch.zeros(4, dtype=torch.float64), torch.full((4,), torch.nan)
    ideal = Estimate(flat - 3, flat, flat + 50, flat - torch.inf, flat - 4)
    actual = summary(ideal, 50)
    assert (actual["nll"], actual["k_hat_untrusted"], actual["k_hat_max"]) == (3.0, 0.0, None)
    assert summary(Estimate(flat, n, flat + 1, n, flat), 1)["nll_mc_error"] is None
    with pytest.raises(Diverged, match="not finite"):
        summary(Estimate(flat - torch.inf, flat, flat, flat, flat), 50)


@pytest.mark.parametrize(("samples", "untrusted"), [(100, 0.8), (1000, 0.6), (10_000, 0.4)])
def test_the_numbers_of_a_result_are_those_of_its_images(samples, untrusted):
    by_image = {
        "log_prob": np.array([-80.0, -90.0, -100.0, -85.0, -70.0, -76.0]),
        "std_error": np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.6]),
        "ess": np.array([10.0, 20.0, 30.0, 50.0, 40.0, 90.0]),
        "k_hat": np.array([0.3, 0.6, 0.69, 0.9, 2.0, np.nan]),
        "elbo": np.array([-82.0, -93.0, -104.0, -90.0, -71.0, -82.0]),
    }
    estimate = Estimate(**{name: torch.from_numpy(values) for name, values in by_image.items()})
    expected = {
        "nll": 83.5,
        "nll_mc_error": np.sqrt(0.91) / 6,
        "nll_test_error": np.std(by_image["log_prob"], ddof=1) / np.sqrt(6),
        "elbo": -87.0,
        "ess_mean": 40.0,
        "k_hat_max": 2.0,
        "k_hat_median": 0.69,
        "k_hat_untrusted": untrusted,
        "test_images": 6,
        "samples": samples,
    }
    assert summary(estimate, samples) == pytest.approx(expected)


def test_k_hats_limit_falls_with_few_samples():
    # 1 - 1 / log10 S, at most 0.7
    assert trusted_k(10_000) == 0.7
    assert trusted_k(100) == pytest.approx(0.5)
    assert trusted_k(1000) == pytest.approx(2 / 3)


def test_a_folder_with_a_run_is_not_overwritten(tmp_path):
    folder = fit(tiny("vae", tmp_path))
    before = {p.name: p.read_bytes() for p in folder.iterdir() if p.is_file()}
    command = ["fit", "--config", "vae", *TINY, f"runs={tmp_path}"]
    assert "already holds a run; add --resume" in sentence(annealed(*command, cwd=tmp_path))
    other = annealed(*command, "--resume", "network.hidden=7", cwd=tmp_path)
    assert "config.yaml: network.hidden is 100 there and 7 now" in sentence(other)
    done = annealed(*command, "--resume", cwd=tmp_path)
    assert done.returncode == 0
    assert before == {p.name: p.read_bytes() for p in folder.iterdir() if p.is_file()}


def test_a_second_process_on_the_same_folder_is_refused(start, tmp_path):
    first = start(tmp_path, "trainer.epochs=400")
    folder = tmp_path / "quick" / "digits" / "hvi_avo" / "seed0"
    while not (folder / "config.yaml").exists():
        assert first.poll() is None
        time.sleep(0.01)
    arguments = ["--config", "hvi_avo", *TINY, f"runs={tmp_path}", "--resume"]
    arguments += ["trainer.epochs=400"]
    refused = annealed("fit", *arguments, cwd=tmp_path)
    assert refused.returncode == InUse.status
    assert f"annealed: the run folder {folder} is in use by another process" in refused.stderr


def test_a_corrupt_checkpoint_is_named_and_left_alone(tmp_path):
    folder = fit(tiny("vae", tmp_path))
    (folder / "result.json").unlink()
    for name in ("last.ckpt", "best.ckpt"):
        good = (folder / name).read_bytes()
        (folder / name).write_bytes(good[:5000])
        arguments = ["--config", "vae", *TINY, f"runs={tmp_path}", "--resume"]
        assert f"{name} is not a readable" in sentence(annealed("fit", *arguments, cwd=tmp_path))
        assert (folder / name).read_bytes() == good[:5000]
        (folder / name).write_bytes(good)


def test_usage_errors_of_the_command_line_are_one_sentence(tmp_path):
    (tmp_path / "file").write_text("", encoding="utf-8")
    missing = {"ANNEALED_DATA": str(tmp_path / "none"), "http_proxy": "http://127.0.0.1:9"}
    missing["https_proxy"] = missing["http_proxy"]
    cases = [
        (["--config", "none.yaml"], {}, "none.yaml is neither a file"),
        (["--config", "vae", "trainer.epoch=1"], {}, "command line: trainer.epoch is not a key"),
        (["--config", "vae", *TINY, "runs=file"], {}, "cannot be written"),
        (["--config", "vae", *TINY, "trainer.accelerator=gpu"], {}, "no GPU is visible"),
        (
            ["--config", "vae", *TINY, "data.name=mnist"],
            missing,
            "data.root, or ANNEALED_DATA where",
        ),
        (["--config", "vae", *TINY, "wandb.mode=online"], {}, "no key is set"),
    ]
    for arguments, environment, phrase in cases:
        if "gpu" in arguments[-1] and torch.cuda.is_available():
            continue
        result = annealed("fit", *arguments, cwd=tmp_path, **environment)
        assert phrase in sentence(result), arguments


def test_a_wrong_key_is_told_before_lightning_is_imported(tmp_path):
    code = (
        "import sys, annealed.fit\n"
        "sys.argv = ['fit', '--config', 'vae', 'trainer.epoch=1']\n"
        "status = annealed.runs.cli.run(annealed.fit.main, '')\n"
        "print(status, sorted({'pytorch_lightning', 'torchvision', 'wandb'} & set(sys.modules)))"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, encoding="utf-8"
    )
    assert result.stdout == "2 []\n", result.stderr


def test_print_config_shows_the_resolved_configuration_and_stops(tmp_path):
    result = annealed("fit", "--config", "hvi_avo.yaml", "--print-config", "seed=4", cwd=tmp_path)
    assert result.returncode == 0
    (tmp_path / "config.yaml").write_text(result.stdout, encoding="utf-8")
    read = configuration.read_resolved(tmp_path / "config.yaml")
    assert read == configuration.load("hvi_avo", ["seed=4"])
    assert os.listdir(tmp_path) == ["config.yaml"]


def test_evaluate_scores_a_checkpoint_anew(tmp_path):
    folder = fit(tiny("hvi_avo", tmp_path))
    result = annealed("evaluate", folder, "--samples", "60", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert "S = 60" in result.stdout
    anew = json.loads((folder / "evaluation_S60.json").read_text(encoding="utf-8"))
    before = json.loads((folder / "result.json").read_text(encoding="utf-8"))
    assert (anew["samples"], before["samples"]) == (60, 20)
    assert anew["nll"] < before["nll"]  # the bound rises with S
    assert anew["training"] == before["training"]
    annealed("evaluate", folder, "--samples", "60", "--replace", cwd=tmp_path)
    assert json.loads((folder / "result.json").read_text(encoding="utf-8"))["nll"] == anew["nll"]
    assert "is not a run folder" in sentence(annealed("evaluate", tmp_path, cwd=tmp_path))
    one = annealed("evaluate", folder, "--samples", "1", cwd=tmp_path)
    assert "nats (S = 1, " in one.stdout  # one sample has no Monte Carlo error
    assert "+-" not in one.stdout
    assert "--samples is 0" in sentence(
        annealed("evaluate", folder, "--samples", "0", cwd=tmp_path)
    )


def test_scoring_alone_agrees_with_scoring_after_training(tmp_path):
    config = tiny("vae", tmp_path)
    folder = fit(config)
    method = method_class("vae")(config, 64)
    method.load_state_dict(weights(folder, "best.ckpt"))
    x = load_images("digits", None, 0).test[100:200].float() / 255
    alone = log_marginal(method.target, method.posterior, x, 10, 20, seed=0, batch_index=1)
    scores = np.load(folder / "result.npz")["log_prob"][100:200]
    np.testing.assert_allclose(alone.log_prob.numpy(), scores, rtol=0, atol=1e-5)


def test_static_pixels_are_left_as_they_are_in_training():
    from annealed.utils import randomness

    bits = load_images("digits", None, 0).validation
    again = randomness.binarise(bits, randomness.uniform(bits.shape, 3, "binarise", 5))
    assert torch.equal(again * 255, bits.float())
