"""Runs of seconds, and whether two of them are the same run."""

import json

import numpy as np
import torch
from conftest import TINY

from annealed import config as configuration
from annealed.training.checkpoints import load
from annealed.training.record import read_metrics


def tiny(row, runs, *overrides):
    return configuration.load(row, [*TINY, f"runs={runs}", *overrides])


def weights(folder, name="last.ckpt"):
    return load(folder / name)["state_dict"]


def assert_same_run(a, b):
    """Bit-identical parameters, scores and results, up to times and places."""
    for name in ("last.ckpt", "best.ckpt"):
        for key, value in weights(a, name).items():
            assert torch.equal(value, weights(b, name)[key]), (name, key)
    one, two = np.load(a / "result.npz"), np.load(b / "result.npz")
    assert all(np.array_equal(one[k], two[k], equal_nan=True) for k in one)
    results = [json.loads((f / "result.json").read_text(encoding="utf-8")) for f in (a, b)]
    for r in results:
        for key in ("config", "provenance", "evaluate_seconds"):
            r.pop(key)
        for key in ("seconds", "seconds_a_seed", "sessions"):
            r["training"].pop(key)
    assert results[0] == results[1]
    metrics = [read_metrics(f).drop(columns="seconds") for f in (a, b)]
    assert metrics[0].equals(metrics[1])


def poisoned(optimise, seed):
    """`optimise`, after which at step 20 a weight of `seed` is not a number."""

    def step(self, grey):
        optimise(self, grey)
        if self.global_step == 20:
            (method,) = [m for m in self.methods if m.config.seed == seed]
            method.target.decoder[1].bias.data[0] = torch.nan

    return step


class Killed(Exception):
    """What stands for a kill."""

    pass
