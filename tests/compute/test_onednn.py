"""Products by oneDNN are the products, and only where they are asked for."""

import json

import pytest
import torch
from conftest import TINY
from torch.func import vmap
from torch.profiler import ProfilerActivity, profile

from annealed import config as configuration
from annealed.compute import compiling, onednn
from annealed.compute.machine import resolve
from annealed.runs.run import fit
from annealed.training import distributed
from annealed.training.record import read_metrics
from annealed.utils.errors import UsageError

CPU = torch.device("cpu")
ONEDNN = "mkldnn::_linear_pointwise"
pytestmark = pytest.mark.skipif(
    not torch.backends.mkldnn.is_available(), reason="torch has no oneDNN here"
)


def drawn(*shape, kind=torch.float32):
    g = torch.Generator().manual_seed(sum(shape))
    values = 0.1 * torch.randn(shape, generator=g, dtype=torch.float64)
    return values.to(kind).requires_grad_()


def operations(function, *arguments):
    """What `function` returns, and how often it ran each operation, by name."""
    with profile(activities=[ProfilerActivity.CPU]) as profiled:
        returned = function(*arguments)
    return returned, {event.key: event.count for event in profiled.key_averages()}


def gradients(function, arguments):
    value = function(*arguments)
    weight = torch.linspace(0.5, 1.5, value.numel(), dtype=value.dtype).reshape(value.shape)
    return [value, *torch.autograd.grad((value * weight).sum(), arguments)]


def slopes(bias, x, weight):
    return torch.nn.functional.linear(x, weight, bias).tanh()


CASES = {
    "linear": (slopes, [(300,), (128, 200), (300, 200)]),
    "of samples": (slopes, [(300,), (4, 32, 200), (300, 200)]),
    "without bias": (torch.mm, [(128, 200), (200, 300)]),
    "of seeds": (torch.bmm, [(3, 128, 200), (3, 200, 300)]),
    "seeds mapped": (vmap(slopes), [(3, 300), (3, 128, 200), (3, 300, 200)]),
    "transposed": (lambda a, b: a.mT @ b.mT, [(200, 128), (300, 200)]),
    "strided bias": (lambda c, x, w: slopes(c[:, 1], x, w), [(300, 3), (128, 200), (300, 200)]),
    "one bias": (lambda c, x, w: slopes(c.expand(300), x, w), [(1,), (128, 200), (300, 200)]),
    "every other": (lambda a, b: a[:, ::2] @ b[::2, ::3], [(128, 400), (400, 900)]),
    "of rows that overlap": (lambda a, s: a @ s.unfold(0, 300, 1)[:200], [(128, 200), (600,)]),
    "seeds transposed": (lambda a, b: a.mT @ b.mT, [(2, 200, 128), (2, 300, 200)]),
}


@pytest.mark.parametrize("name", CASES)
def test_values_and_gradients_are_those_of_float64(name):
    function, shapes = CASES[name]
    given = [drawn(*shape) for shape in shapes]
    with onednn.multiplying("onednn"):
        actual, ran = operations(gradients, function, given)
    assert ran[ONEDNN] >= 3  # a product and the gradients of both factors
    expected = gradients(function, [a.detach().double().requires_grad_() for a in given])
    for value, exact in zip(actual, expected, strict=True):
        error = (value.double() - exact).abs().max() / exact.abs().max()
        assert error < 2e-6


@pytest.mark.parametrize("name", CASES)
def test_compiled_products_are_the_same(name):
    function, shapes = CASES[name]
    given = [drawn(*shape) for shape in shapes]
    torch._dynamo.reset()
    fast = compiling.compiled(function, CPU, "onednn")
    if fast is None:
        pytest.skip("nothing compiles here")
    gradients(fast, given)
    actual, ran = operations(gradients, fast, given)
    assert sum(ran.get(f"annealed::{name}", 0) for name in ("mm", "bmm")) == 3
    assert not ran.keys() & {"aten::mm", "aten::addmm", "aten::bmm", "aten::baddbmm"}
    plain, ran = operations(gradients, function, given)
    assert ONEDNN not in ran
    for value, other in zip(actual, plain, strict=True):
        torch.testing.assert_close(value, other, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", [torch.float64, torch.bfloat16])
def test_other_kinds_and_small_products_stay_with_torch(kind):
    large = [drawn(*shape, kind=kind) for shape in CASES["linear"][1]]
    small = [drawn(*shape) for shape in [(30,), (12, 20), (30, 20)]]
    for given in (large, small):
        expected = gradients(slopes, given)
        with onednn.multiplying("onednn"):
            actual, ran = operations(gradients, slopes, given)
        assert ONEDNN not in ran
        assert all(map(torch.equal, actual, expected))


@pytest.mark.parametrize(
    ("function", "phrase"),
    [
        (lambda a: torch.mm(a, a), "shapes cannot be multiplied"),
        (lambda a: torch.mm(a, a[0]), "must be a matrix"),
        (lambda a: torch.bmm(a[None], a.mT.expand(2, -1, -1)), "batch"),
    ],
)
def test_torch_has_its_own_products_again_also_after_an_error(function, phrase):
    a, b = drawn(128, 200), drawn(200, 300)
    expected = a @ b
    with pytest.raises(RuntimeError, match=phrase), onednn.multiplying("onednn"):
        function(a)
    actual, ran = operations(torch.mm, a, b)
    assert ONEDNN not in ran
    assert torch.equal(actual, expected)
    with onednn.multiplying("torch"):
        assert ONEDNN not in operations(torch.mm, a, b)[1]


def test_a_scaled_or_broadcast_sum_is_torchs():
    c, a, b = drawn(300), drawn(128, 200), drawn(200, 300)
    for wide, options in (
        (c, {"beta": 0.5}),
        (c, {"alpha": 2.0}),
        (c[:1], {}),
        (drawn(128, 1), {}),
    ):
        expected = torch.addmm(wide, a, b, **options)
        with onednn.multiplying("onednn"):
            assert torch.equal(torch.addmm(wide, a, b, **options), expected)


@pytest.mark.parametrize(
    ("wide", "intel", "mkl", "expected"),
    [
        (True, False, True, "onednn"),
        (True, True, True, "torch"),
        (False, False, True, "torch"),
        (True, False, False, "torch"),
    ],
)
def test_auto_is_onednn_where_mkl_leaves_avx512_out(monkeypatch, wide, intel, mkl, expected):
    monkeypatch.setattr(onednn, "_has_avx512", lambda: wide)
    monkeypatch.setattr(onednn, "_is_intel", lambda: intel)
    monkeypatch.setattr(torch.backends.mkl, "is_available", lambda: mkl)
    assert onednn.resolve("auto", CPU) == expected
    assert onednn.resolve("torch", CPU) == "torch"
    assert onednn.resolve("onednn", CPU) == "onednn"
    assert onednn.resolve("auto", torch.device("cuda")) == "torch"


def test_onednn_where_there_is_none_is_refused_and_scoring_goes_on(monkeypatch):
    cell = configuration.load("vae", [*TINY, "trainer.products=onednn"])
    distributed.check(cell, resolve(cell, device=CPU))
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: False)
    with pytest.raises(UsageError, match=r"'onednn', which takes a CPU .*accepted here: auto, to"):
        distributed.check(cell, resolve(cell, device=CPU))
    assert resolve(cell, device=CPU).products == onednn.resolve("auto", CPU) == "torch"
    with pytest.raises(UsageError, match="products is 'mkl'; accepted: one of auto, torch, onednn"):
        configuration.load("vae", ["trainer.products=mkl"])


def test_functions_compiled_twice_share_their_graphs():
    torch._dynamo.reset()
    torch._dynamo.utils.counters.clear()
    x = drawn(3)
    for _ in range(3):
        fast = compiling.compiled(torch.sin, CPU, "onednn")
        if fast is None:
            pytest.skip("nothing compiles here")
        fast(x)
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] <= 2  # and the compiler's trial


def test_a_run_has_the_same_curve_and_result_and_says_who_multiplied(tmp_path):
    options = [*TINY, "network.hidden=300", "data.batch_size=100", "trainer.epochs=2"]
    records = {}
    for by in ("torch", "onednn"):
        cell = [*options, f"trainer.products={by}", f"runs={tmp_path / by}"]
        (folder, ran) = operations(fit, configuration.load("hvi", cell))
        assert (ONEDNN in ran) == (by == "onednn")
        result = json.loads((folder / "result.json").read_text(encoding="utf-8"))
        assert {s["products"] for s in result["training"]["sessions"]} == {by}
        assert result["provenance"]["products"] == by
        records[by] = result, read_metrics(folder).drop(columns="seconds").to_numpy()
    (actual, curve), (other, expected) = records["onednn"], records["torch"]
    assert curve == pytest.approx(expected, rel=1e-4)
    assert actual["nll"] == pytest.approx(other["nll"], abs=1e-3)
