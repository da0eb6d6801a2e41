"""Seeds trained side by side are the seeds trained alone."""

import json
import shutil

import numpy as np
import pytest
import torch
from commands import annealed, sentence
from conftest import TINY
from side_by_side import training, walk
from tiny_runs import Killed, poisoned

from annealed import config as configuration
from annealed.compute.replicas import Replicas, transpose_stack
from annealed.config.registry import METHODS
from annealed.inference.objectives import Maximise
from annealed.runs.folders import run_folder
from annealed.runs.run import fit
from annealed.training.checkpoints import load
from annealed.training.module import Training
from annealed.training.record import read_metrics
from annealed.utils.errors import Diverged, UsageError


@pytest.mark.parametrize("row", METHODS)
def test_a_seed_among_five_takes_the_steps_it_takes_alone(row, grey):
    overrides = ["method.avo.rho=0.5"] if row.endswith("avo") else []
    together, adam = training(row, range(5), *overrides)
    means = walk(together, adam, 12, grey)
    for seed in (0, 3):
        alone, optimiser = training(row, [seed], *overrides)
        expected = walk(alone, optimiser, 12, grey)[:, 0]
        torch.testing.assert_close(means[:, seed], expected, rtol=0, atol=1e-10)
        actual = together.methods[seed].state_dict()
        for name, value in alone.methods[0].state_dict().items():
            torch.testing.assert_close(actual[name], value, rtol=0, atol=1e-10, msg=name)


def test_seeds_see_different_numbers_and_start_from_different_values(grey):
    same = grey[:1].expand(5, -1, -1, -1)
    together, adam = training("hvi", range(2))
    means = walk(together, adam, 1, same)
    assert (means[0, 0] != means[0, 1]).all()


@pytest.mark.parametrize("mixing", ["random", "convex"])
def test_stagewise_and_convex_mixing_agree_side_by_side_and_alone(mixing, grey):
    overrides = [f"method.avo.mixing={mixing}", "method.avo.rho=0.4"]
    together, adam = training("hvi_avo", range(2), *overrides)
    walk(together, adam, 6, grey)
    alone, optimiser = training("hvi_avo", [1], *overrides, "method.avo.stagewise=true")
    walk(alone, optimiser, 6, grey)
    for a, b in zip(together.methods[1].parameters(), alone.methods[0].parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-10)


def test_a_seed_that_leaves_stays_as_it_is_and_the_others_go_on_as_before(grey):
    three, adam = training("hvi_avo", range(3))
    whole, other = training("hvi_avo", range(3))
    walk(three, adam, 4, grey)
    walk(whole, other, 4, grey)
    left = three.methods[1]
    before = {name: value.clone() for name, value in left.state_dict().items()}
    three.replicas.select([0, 2], adam)
    assert three.seeds == [0, 2]
    walk(three, adam, 8, grey)
    walk(whole, other, 8, grey)
    assert all(torch.equal(left.state_dict()[name], value) for name, value in before.items())
    for actual, expected in zip(three.methods, (whole.methods[0], whole.methods[2]), strict=True):
        for a, b in zip(actual.parameters(), expected.parameters(), strict=True):
            torch.testing.assert_close(a, b, rtol=0, atol=1e-10)


def test_each_gradient_is_clipped_to_its_own_norm(grey):
    together, _ = training("vae", range(3))
    alone, _ = training("vae", [2])
    for module in (together, alone):
        module.backward(torch.stack([grey[s][0] for s in module.seeds]), 0)
    norms = together.replicas.gradient_norms()
    limit = norms[2].item() / 2
    together.replicas.clip(norms, limit)
    alone_parameters = list(alone.replicas.parameters())
    norm = torch.nn.utils.clip_grad_norm_(alone_parameters, limit)
    torch.testing.assert_close(norms[2], norm, rtol=0, atol=1e-10)
    for a, b in zip(together.replicas.parameters(), alone_parameters, strict=True):
        actual = transpose_stack(a.grad, together.replicas.transposed)[2]
        torch.testing.assert_close(actual, b.grad[0], rtol=0, atol=1e-10)


def tiny(row, runs, *overrides):
    return configuration.load(row, [*TINY, f"runs={runs}", *overrides])


def result(folder):
    return json.loads((folder / "result.json").read_text(encoding="utf-8"))


def test_a_run_of_three_seeds_is_three_runs(tmp_path):
    options = ["evaluate.samples=100", "trainer.epochs=5", "seed=1"]
    first = fit(tiny("hvi_avo", tmp_path / "a", *options, "trainer.replicas=3"))
    for seed in (1, 2, 3):
        folder = first.with_name(f"seed{seed}")
        alone = fit(tiny("hvi_avo", tmp_path / "b", *options[:2], f"seed={seed}"))
        actual, expected = result(folder), result(alone)
        assert actual["config"]["seed"] == actual["seed"] == seed
        assert actual["training"]["replicas"] == 3
        assert actual["training"]["best_epoch"] == expected["training"]["best_epoch"]
        assert abs(actual["nll"] - expected["nll"]) < expected["nll_mc_error"]
        a, b = (read_metrics(f).drop(columns="seconds") for f in (folder, alone))
        assert list(a.columns) == list(b.columns)
        np.testing.assert_allclose(a.to_numpy(), b.to_numpy(), rtol=1e-3)
        checkpoint = folder / "best.ckpt"  # one seed's weights, not the stack of three
        assert checkpoint.stat().st_size < 1.2 * (alone / "best.ckpt").stat().st_size


def test_a_seed_that_diverges_is_told_and_does_not_disturb_the_others(tmp_path, monkeypatch):
    options = ["trainer.replicas=3"]
    calm = fit(tiny("vae", tmp_path / "calm", *options))
    monkeypatch.setattr(Training, "optimise", poisoned(Training.optimise, seed=1))
    with pytest.raises(Diverged, match=r"seed1: .*not finite.*last good checkpoint is kept"):
        fit(tiny("vae", tmp_path / "rough", *options))
    rough = run_folder(tiny("vae", tmp_path / "rough"))
    assert result(rough.with_name("seed1"))["status"] == "diverged"
    for name in ("seed0", "seed2"):
        a, b = result(calm.with_name(name)), result(rough.with_name(name))
        assert b["training"]["epochs"] == 3
        assert abs(a["nll"] - b["nll"]) < 1e-4


def test_patience_ends_each_seed_at_its_own_epoch(tmp_path):
    options = ["trainer.epochs=60", "trainer.patience=1", "optimiser.learning_rate=0.02"]
    first = fit(tiny("vae", tmp_path / "a", *options, "trainer.replicas=3"))
    ended = {}
    for seed in range(3):
        folder = first.with_name(f"seed{seed}")
        alone = fit(tiny("vae", tmp_path / "b", *options, f"seed={seed}"))
        ended[seed] = result(folder)["training"]["epochs"]
        assert ended[seed] == result(alone)["training"]["epochs"] == len(read_metrics(folder))
    assert len(set(ended.values())) > 1  # or nothing was shown


def test_an_interrupted_group_goes_on_as_if_nothing_had_happened(tmp_path, monkeypatch):
    options = ["trainer.replicas=2", "trainer.epochs=4"]
    whole = fit(tiny("hvi_avo", tmp_path / "whole", *options))
    hook = Training.on_validation_epoch_end

    def dying(self):
        hook(self)
        if self.current_epoch == 2:
            raise Killed

    monkeypatch.setattr(Training, "on_validation_epoch_end", dying)
    with pytest.raises(Killed):
        fit(tiny("hvi_avo", tmp_path / "killed", *options))
    monkeypatch.setattr(Training, "on_validation_epoch_end", hook)
    killed = fit(tiny("hvi_avo", tmp_path / "killed", *options), resume=True)
    for name in ("seed0", "seed1"):
        a, b = (np.load(f.with_name(name) / "result.npz") for f in (whole, killed))
        assert all(np.array_equal(a[k], b[k], equal_nan=True) for k in a)
        a, b = (read_metrics(f.with_name(name)).drop(columns="seconds") for f in (whole, killed))
        assert a.equals(b)
    assert load(killed.with_name("seeds0-1") / "last.ckpt")["seeds"] == [0, 1]


def test_a_seed_begun_in_another_company_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(Training, "on_validation_epoch_end", lambda self: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        fit(tiny("vae", tmp_path))
    with pytest.raises(UsageError, match="begun in seed0 and not in seeds0-1"):
        fit(tiny("vae", tmp_path, "trainer.replicas=2"), resume=True)


def test_seeds_that_have_their_result_are_left_out_of_a_group(tmp_path):
    alone = fit(tiny("vae", tmp_path, "seed=1"))
    before = (alone / "result.json").read_bytes()
    fit(tiny("vae", tmp_path, "trainer.replicas=3"), resume=True)
    assert (alone / "result.json").read_bytes() == before
    assert load(alone.with_name("seeds0-2") / "last.ckpt")["seeds"] == [0, 2]
    assert result(alone.with_name("seed2"))["status"] == "finished"
    (alone / "result.json").unlink()
    (alone / "config.yaml").unlink()
    (alone / "last.ckpt").unlink()
    with pytest.raises(
        UsageError, match=r"does not fit seeds \[1\]: .*seed1 is gone; remove .*0-2"
    ):
        fit(tiny("vae", tmp_path, "trainer.replicas=3"), resume=True)


def test_a_groups_checkpoint_is_neither_taken_over_nor_forgotten(tmp_path):
    first = fit(tiny("vae", tmp_path, "trainer.replicas=2"))
    for name in ("seed0", "seed1"):
        shutil.rmtree(first.with_name(name))
    other = ["trainer.replicas=2", "optimiser.learning_rate=0.02"]
    with pytest.raises(UsageError, match="seeds0-1 already holds a run"):
        fit(tiny("vae", tmp_path, *other))
    with pytest.raises(UsageError, match=r"learning_rate is 0.001 there and 0.02 now"):
        fit(tiny("vae", tmp_path, *other), resume=True)


def test_groups_that_overlap_are_refused(tmp_path, monkeypatch):
    hook = Training.on_validation_epoch_end
    monkeypatch.setattr(Training, "on_validation_epoch_end", lambda self: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        fit(tiny("vae", tmp_path, "trainer.replicas=2"))
    monkeypatch.setattr(Training, "on_validation_epoch_end", hook)
    with pytest.raises(UsageError, match="seed1 was begun in seeds0-1 and not in seeds1-2"):
        fit(tiny("vae", tmp_path, "trainer.replicas=2", "seed=1"), resume=True)


def test_a_seeds_own_configuration_is_that_of_the_seed_alone(tmp_path):
    first = fit(tiny("vae", tmp_path, "trainer.replicas=2"))
    config = configuration.read_resolved(first.with_name("seed1") / "config.yaml")
    assert (config.seed, config.trainer.replicas) == (1, 1)


def test_a_row_that_looks_at_its_numbers_is_told_to_train_alone(grey):
    together, _ = training("vae", range(2))
    alone, _ = training("vae", [0])

    class Looking(Maximise):
        def __call__(self, step):
            for value, terms in super().__call__(step):
                yield (value if value.mean() < 0 else 2 * value), terms

    for module in (together, alone):
        for method in module.methods:
            method.objective = Looking()
    walk(alone, alone.configure_optimizers(), 1, grey)
    with pytest.raises(UsageError, match=r"VAE cannot be trained side by side .*replicas=1"):
        together.backward(grey[:2, 0], 0)


def test_the_time_a_seed_took_is_its_share_of_the_groups(tmp_path):
    options = ["trainer.epochs=60", "trainer.patience=1", "optimiser.learning_rate=0.02"]
    first = fit(tiny("vae", tmp_path, *options, "trainer.replicas=3"))
    trainings = [result(first.with_name(f"seed{seed}"))["training"] for seed in range(3)]
    whole = max(t["seconds"] for t in trainings)
    assert sum(t["seconds_a_seed"] for t in trainings) == pytest.approx(whole, abs=0.3)


def test_a_group_on_the_command_line_mirrors_every_seed(tmp_path):
    options = [o for o in TINY if not o.startswith("wandb")] + ["wandb.mode=offline"]
    options += ["trainer.replicas=2", f"runs={tmp_path}"]
    done = annealed("fit", "--config", "vae", *options, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    for name in ("seed0", "seed1"):
        folder = tmp_path / "quick" / "digits" / "vae" / name
        (log,) = folder.glob("wandb/offline-run-*/run-*.wandb")
        logged = log.read_bytes()
        assert f"vae-{name}".encode() in logged
        assert b"val/elbo" in logged
        assert b"test/nll" in logged
    again = annealed("fit", "--config", "vae", *options, cwd=tmp_path)
    assert "already holds a run" in sentence(again)


class Permuted(torch.nn.Module):
    """A model whose buffer differs from seed to seed."""

    def __init__(self, seed):
        super().__init__()
        g = torch.Generator().manual_seed(seed)
        self.register_buffer("order", torch.randperm(6, generator=g))
        self.weight = torch.nn.Parameter(torch.randn(6, generator=g))

    def forward(self, x, each=None):
        loss = (self.weight * x[self.order]).sum().square()
        if each:
            each(loss)
        return loss, loss.detach()


def test_buffers_that_differ_between_seeds_stay_each_seeds_own():
    replicas = Replicas([Permuted(seed) for seed in (0, 1)])
    x = torch.arange(12.0).reshape(2, 6)
    metrics = replicas.backward((x,))
    for i in range(2):
        alone = Replicas([Permuted(i)])
        torch.testing.assert_close(metrics[i : i + 1], alone.backward((x[i : i + 1],)))
        for a, b in zip(replicas.parameters(), alone.parameters(), strict=True):
            torch.testing.assert_close(a.grad[i : i + 1], b.grad)
