"""Processes that share a batch take together the step that one process takes."""

import math
import os

import pytest
import torch
from conftest import TINY
from side_by_side import SMALL, training

from annealed import config as configuration
from annealed.compute.machine import resolve
from annealed.compute.ranks import Ranks
from annealed.config.registry import METHODS, method_class
from annealed.training import distributed
from annealed.training.module import Training
from annealed.utils.errors import UsageError


@pytest.mark.parametrize("world", [1, 2, 3, 5])
def test_shares_cover_every_image_once_and_weigh_one(world):
    for batch in (1, 2, 3, 7, 100):
        shares = [Ranks(rank, world).share(batch) for rank in range(world)]
        seen = [i for part, weight in shares if weight for i in range(batch)[part]]
        assert seen == list(range(batch))
        assert math.isclose(sum(weight for _, weight in shares), 1.0)
        assert all(range(batch)[part] for part, _ in shares)  # nobody takes an empty mean
    taken = [rank for i in range(7) for rank in range(world) if Ranks(rank, world).takes(i)]
    assert taken == [i % world for i in range(7)]


class Alone(Ranks):
    """A process whose sum is its own part of it: the test adds the parts."""

    def mean(self, values, weight):
        return [weight * value for value in values]


@pytest.mark.parametrize(("row", "seeds"), [*((row, 1) for row in METHODS), ("hvi_avo", 2)])
def test_the_parts_of_a_gradient_add_up_to_it(row, seeds):
    overrides = ["method.avo.rho=0.5"] if row.endswith("avo") else []
    g = torch.Generator().manual_seed(0)
    whole, _ = training(row, range(seeds), *overrides)
    kinds = set()
    for batch in (7, 2):  # with three processes: 2, 2 and 3 images; none, 1 and 1
        grey = torch.randint(0, 256, (seeds, batch, 64), dtype=torch.uint8, generator=g)
        for step in range(2):
            metrics, sums = 0, {}
            for rank in range(3):
                part, _ = training(row, range(seeds), *overrides)
                part.ranks = Alone(rank, 3)
                metrics = metrics + part.backward(grey, step)
                for name, p in part.replicas.named_parameters():
                    sums.setdefault(name, []).append(p.grad)
            expected = whole.backward(grey, step)
            torch.testing.assert_close(metrics, expected, rtol=1e-10, atol=1e-10)
            for name, p in whole.replicas.named_parameters():
                reached = {grad is not None for grad in sums[name]}
                assert reached == {p.grad is not None}, name
                kinds |= reached
                if p.grad is not None:
                    torch.testing.assert_close(sum(sums[name]), p.grad, rtol=1e-9, atol=1e-11)
    assert not row.startswith("hvi_avo") or kinds == {True, False}  # AVO steps leave q_0 alone


@pytest.mark.parametrize(("row", "seeds"), [*((row, 1) for row in METHODS), ("hvi_avo", 2)])
def test_bfloat16_rounds_the_products_and_nothing_that_is_kept(row, seeds):
    g = torch.Generator().manual_seed(0)
    grey = torch.randint(0, 256, (seeds, 20, 64), dtype=torch.uint8, generator=g)
    steps = {}
    for precision in ("32", "bf16"):
        options = [*SMALL, f"trainer.precision={precision}", "network.hidden=50"]
        cells = [configuration.load(row, [*options, f"seed={s}"]) for s in range(seeds)]
        module = Training([method_class(row)(c, 64) for c in cells], cells[0], 10)
        metrics = module.backward(grey, 0)
        grads = [p.grad for p in module.replicas.parameters() if p.grad is not None]
        steps[precision] = metrics, torch.cat([grad.flatten() for grad in grads])
        assert {p.dtype for p in module.replicas.parameters()} == {torch.float32}
    (metrics, grad), (rounded, other) = steps["32"], steps["bf16"]
    assert rounded.dtype == other.dtype == torch.float32
    assert not torch.equal(metrics, rounded)
    torch.testing.assert_close(rounded, metrics, rtol=2e-2, atol=2e-2)
    assert torch.nn.functional.cosine_similarity(grad, other, dim=0) > 0.99


def test_devices_and_precisions_that_are_not_there_are_refused(monkeypatch):
    cpu, there = torch.device("cpu"), os.cpu_count()

    def check(*overrides):
        config = configuration.load("vae", [*TINY, *overrides])
        distributed.check(config, resolve(config, device=cpu))

    def refusal(*overrides):
        with pytest.raises(UsageError) as error:
            check(*overrides)
        return str(error.value)

    assert f"accepted: 1 to {there}" in refusal(f"trainer.devices={there + 1}")
    assert "takes a GPU" in refusal("trainer.precision=tf32")
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    assert "only the command python -m annealed.fit" in refusal("trainer.devices=2")
    check("trainer.strategy=ddp")


def test_the_precision_is_a_choice_that_yaml_may_read_as_a_number():
    assert configuration.load("vae", ["trainer.precision=32"]).trainer.precision == "32"
    with pytest.raises(UsageError, match=r"precision is 16; accepted: one of 32, tf32, bf16"):
        configuration.load("vae", ["trainer.precision=16"])
