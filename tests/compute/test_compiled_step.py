"""A whole step that is compiled is the plain one: the same metrics, parameters and moments."""

from functools import partial

import numpy as np
import pytest
import torch
from side_by_side import training, walk
from test_replicas import result, tiny
from tiny_runs import Killed

from annealed.compute import compiling
from annealed.config.registry import METHODS
from annealed.inference.objectives import Maximise
from annealed.runs.run import fit
from annealed.training.module import Training
from annealed.training.record import read_metrics
from annealed.utils.errors import UsageError

CHOICES = [(row, ()) for row in METHODS] + [
    ("hvi_avo", ("train_encoder=true",)),
    ("hvi_nvi", ("resample=true", "alphas=learnt", "stagewise=true")),
    ("householder_avo", ("train_encoder=true", "train_decoder=false")),
    ("hvi_avo", ("mixing=convex", "anchor=prior")),
    ("hvi_avo", ("stagewise=true", "warm_up=false", "alphas=geometric")),
    ("uha", ("steps=2", "leapfrogs=2", "alphas=learnt", "max_drift=0.05")),
    ("cmcd", ("steps=2", "learn_step_size=false", "per_dimension=false")),
    ("mcd", ("steps=2", "per_dimension=false", "max_drift=0.05")),
]


SHORT = "method.transitions.steps=2"  # a trace takes as long as the path is


@pytest.fixture
def traced(monkeypatch):
    """Steps are traced into one graph, and a backend does not see it."""
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="eager"))
    torch._dynamo.reset()


def moments(module, adam):
    """What Adam knows of each parameter, by its name."""
    pairs = zip(module.replicas.names, module.replicas.stacks, strict=True)
    return {name: adam.state[p] for name, p in pairs if adam.state[p]}


def assert_same(fast, other, plain, adam, tolerance):
    for a, b in zip(fast.replicas.stacks, plain.replicas.stacks, strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=tolerance)
        assert a.grad is None
    actual, expected = moments(fast, other), moments(plain, adam)
    assert actual.keys() == expected.keys()
    for name, state in expected.items():
        assert actual[name].keys() == state.keys()
        for key, value in state.items():
            torch.testing.assert_close(actual[name][key], value, rtol=0, atol=tolerance, msg=name)


@pytest.mark.parametrize("seeds", [1, 2])
@pytest.mark.parametrize(("row", "options"), CHOICES)
def test_every_row_and_choice_takes_the_plain_steps(row, options, seeds, grey, traced):
    groups = dict.fromkeys(("uha", "cmcd", "mcd"), "transitions")
    group = "nvi" if "nvi" in row else groups.get(row, "avo")
    options = [f"method.{group}.{option}" for option in options]
    options += [f"method.{group}.rho=0.5"] if "avo" in row or "nvi" in row else []
    options += [SHORT] if row.startswith(("hvi", "house")) else []
    fast, other = training(row, range(seeds), *options, "trainer.compile=true")
    plain, adam = training(row, range(seeds), *options)
    expected = walk(plain, adam, 6, grey)
    torch.testing.assert_close(walk(fast, other, 6, grey), expected, rtol=0, atol=1e-10)
    assert_same(fast, other, plain, adam, 1e-10)


@pytest.mark.parametrize(
    "options",
    [
        ["optimiser.clip_norm=0.5"],
        ["optimiser.transitions=3.0"],
        ["optimiser.milestones=[0.1,0.2]", "optimiser.factors=[0.3,0.1]"],
        ["trainer.warmup=cyclical", "trainer.cycles=1", "trainer.warmed_up=target"],
    ],
)
def test_clipping_rates_and_warm_ups_are_the_plain_ones(options, grey, traced):
    options = [*options, SHORT, "method.avo.rho=0.5", "trainer.epochs=1"]
    fast, other = training("hvi_avo", range(2), *options, "trainer.compile=true")
    plain, adam = training("hvi_avo", range(2), *options)
    for step in range(8):
        batch = torch.stack([grey[s][step] for s in range(2)])
        (metrics, norms), (expected, others) = (
            module.update(optimiser, batch, step)
            for module, optimiser in ((fast, other), (plain, adam))
        )
        torch.testing.assert_close(metrics, expected, rtol=0, atol=1e-10)
        torch.testing.assert_close(norms, others, rtol=1e-10, atol=0)
    assert_same(fast, other, plain, adam, 1e-10)


def test_a_seed_that_leaves_is_left_alone(grey, traced):
    fast, other = training("hvi_avo", range(3), SHORT, "trainer.compile=true")
    plain, adam = training("hvi_avo", range(3), SHORT)
    for module, optimiser in ((fast, other), (plain, adam)):
        walk(module, optimiser, 4, grey)
        left = module.methods[0].state_dict()
        before = {name: value.clone() for name, value in left.items()}
        module.replicas.select([2], optimiser)
        walk(module, optimiser, 4, grey)
        assert all(torch.equal(left[name], value) for name, value in before.items())
    assert_same(fast, other, plain, adam, 1e-10)


def test_a_seed_that_is_not_finite_does_not_reach_the_others(grey, traced):
    options = [SHORT, "optimiser.clip_norm=1.0"]
    fast, other = training("hvi_avo", range(2), *options, "trainer.compile=true")
    alone, adam = training("hvi_avo", [1], *options)
    with torch.no_grad():
        fast.methods[0].target.decoder[1].bias[0] = torch.nan
    metrics = walk(fast, other, 4, grey)
    assert metrics[:, 0].isnan().any(-1).all()
    torch.testing.assert_close(metrics[:, 1], walk(alone, adam, 4, grey)[:, 0], rtol=0, atol=1e-10)
    actual, expected = fast.methods[1].state_dict(), alone.methods[0].state_dict()
    for name, value in expected.items():
        torch.testing.assert_close(actual[name], value, rtol=0, atol=1e-10)
    norms = fast.update(other, grey[:2, 5], 5)[1]
    assert norms.isfinite().tolist() == [False, True]


def test_products_rounded_to_bfloat16_are_so_in_a_whole_step(grey, traced):
    metrics = {}
    for precision in ("bf16", "32"):
        for compiled in ("true", "false"):
            options = [SHORT, f"trainer.compile={compiled}", f"trainer.precision={precision}"]
            module, adam = training("hvi", range(2), *options, kind=torch.float32)
            metrics[precision, compiled] = walk(module, adam, 4, grey)
    actual, plain = metrics["bf16", "true"], metrics["bf16", "false"]
    torch.testing.assert_close(actual, plain, rtol=1e-4, atol=1e-4)
    assert (actual - metrics["32", "true"]).abs().max() > 1e-3


def test_compiled_steps_and_scores_are_the_plain_ones_and_compile_once(grey, tmp_path):
    torch._dynamo.reset()
    torch._dynamo.utils.counters.clear()
    options = [SHORT, "method.avo.rho=0.5", "trainer.warmup_epochs=2"]
    options += ["optimiser.milestones=[0.2]", "optimiser.factors=[0.1]"]
    plain, adam = training("hvi_avo", range(2), *options)
    fast, other = training("hvi_avo", range(2), *options, "trainer.compile=true")
    assert fast.whole is not None
    before = torch._dynamo.utils.counters["stats"]["unique_graphs"]
    torch.testing.assert_close(
        walk(fast, other, 12, grey), walk(plain, adam, 12, grey), rtol=0, atol=1e-8
    )
    assert_same(fast, other, plain, adam, 1e-8)
    # one graph for steps under AVO and one for steps under the ELBO, whatever beta and the rate are
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] - before == 2
    runs = [
        fit(tiny("vae", tmp_path / name, "trainer.epochs=1", *more))
        for name, more in (("plain", []), ("fast", ["trainer.compile=true"]))
    ]
    assert result(runs[0])["nll"] == pytest.approx(result(runs[1])["nll"], abs=1e-3)


def test_an_interrupted_compiled_run_has_the_same_bits_and_may_go_on_uncompiled(
    tmp_path, monkeypatch
):
    options = ["trainer.replicas=2", "trainer.epochs=4"]
    whole = fit(tiny("vae", tmp_path / "whole", *options, "trainer.compile=true"))
    hook = Training.on_validation_epoch_end

    def dying(self):
        hook(self)
        if self.current_epoch == 2:
            raise Killed

    for compiled in ("true", "false"):
        runs = tmp_path / compiled
        monkeypatch.setattr(Training, "on_validation_epoch_end", dying)
        with pytest.raises(Killed):
            fit(tiny("vae", runs, *options, "trainer.compile=true"))
        monkeypatch.setattr(Training, "on_validation_epoch_end", hook)
        killed = fit(tiny("vae", runs, *options, f"trainer.compile={compiled}"), resume=True)
        for name in ("seed0", "seed1"):
            a, b = (
                read_metrics(f.with_name(name)).drop(columns="seconds") for f in (whole, killed)
            )
            if compiled == "true":
                assert a.equals(b)
            np.testing.assert_allclose(a.to_numpy(), b.to_numpy(), rtol=1e-4)


def test_without_a_compiler_one_line_says_so_and_nothing_changes(grey, capsys, monkeypatch):
    def missing(*_, **__):
        raise RuntimeError("no C++ compiler\nat all")

    compiling._works.cache_clear()
    monkeypatch.setattr(torch, "compile", missing)
    slow, adam = training("vae", range(2), "trainer.compile=true")
    actual = walk(slow, adam, 2, grey)
    compiling._works.cache_clear()
    assert torch.equal(actual, walk(*training("vae", range(2)), 2, grey))
    output = capsys.readouterr().err
    assert output == "trainer.compile has no effect: nothing compiles here (no C++ compiler)\n"


def test_a_row_that_cannot_be_compiled_is_told_so(grey, traced):
    class Looking(Maximise):
        def __call__(self, step):
            for value, terms in super().__call__(step):
                yield (value if value.mean() < 0 else 2 * value), terms

    fast, adam = training("vae", [0], "trainer.compile=true")
    fast.methods[0].objective = Looking()
    with pytest.raises(UsageError, match=r"VAE cannot be trained .*compiled .*compile=false"):
        walk(fast, adam, 1, grey)


def test_many_shapes_are_compiled_and_none_is_one_too_many(traced):
    # graphs are counted before a backend sees them
    square = compiling.compiled(torch.square, torch.device("cpu"))
    for size in range(1, 14):  # torch's own limit is 8
        assert torch.equal(square(torch.full((size,), 3.0)), torch.full((size,), 9.0))
