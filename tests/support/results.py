"""A result as a run writes it, and committed results with other numbers."""

import numpy as np
import pandas as pd

from annealed import config as configuration
from annealed.evaluation.result import identity
from reproduce.results.store import Committed, pack_of


def result(row, seed, nll, **changes):
    """A result.json as `fit` writes it."""
    record = {
        "status": "finished",
        "row": row,
        "preset": "short",
        "seed": seed,
        "data": "mnist",
        "binarisation": "dynamic",
        "data_digest": "d" * 64,
        "samples": 500,
        "nll": nll,
        "nll_mc_error": 0.03,
        "nll_test_error": 0.25,
        "elbo": -nll - 4,
        "test_images": 10_000,
        "k_hat_untrusted": 0.5,
        "training": {
            "epochs": 100,
            "seconds": 600.0,
            "best_epoch": 98,
            "sessions": [{"commit": "abc"}, {"commit": "abc"}],
        },
        "provenance": {"commit": "def"},
        "config": {},
    }
    return {**record, **changes}


def replace_result(committed, **changes):
    """Give a committed run another result, with what stands beside it as it was."""
    pack, name = committed.pack, committed.name
    pack.add(name, committed.read() | changes, pack.metrics(name), pack.log_prob(name))


def commit_made_up(results, row, seed, metrics, log_prob, *overrides, **training):
    """Put a finished run with these metrics and log p(x) into its pack below `results`.

    Its configuration is that of `row` under `overrides`; `training` are keys of the result's.
    """
    config = configuration.load(row, [*overrides, f"seed={seed}"])
    process = {"commit": "c" * 40, "device_type": "cpu", "device": "made up", "cores": 2}
    process |= {
        "memory_gib": 4.0,
        "threads": 1,
        "versions": {"torch": "2.15.0"},
        "python": "3.11.7",
    }
    process |= {"platform": "Linux", "date": "2026-01-01T00:00:00+00:00", "command": "made up"}
    times = {"seconds": 3600.0, "seconds_a_seed": 1200.0, "replicas": 3, "sessions": [process] * 2}
    length = {"epochs": len(metrics), "best_epoch": len(metrics) - 1}
    record = result(row, seed, float(-log_prob.mean())) | identity(config)
    record |= {"split": "test", "samples": config.evaluate.samples, "rate": 25.0}
    record |= {"active_units": 20, "evaluate_seconds": 900.0, "provenance": process}
    record |= {"training": {**times, **length, **training}}
    record |= {"config": {**configuration.to_dict(config), "runs": "runs"}}
    pack = pack_of(config.preset, config.data.name, results)
    pack.add(f"{row}/seed{seed}", record, metrics, log_prob)
    return Committed(pack, f"{row}/seed{seed}")


def bounds(validation, training=None, rate=2e-4, steps=500, warmup=1.0):
    """Metrics of a run with these bounds by epoch, `steps` optimiser steps each."""
    validation = np.asarray(validation, dtype=float)
    epoch = np.arange(len(validation))
    columns = {"epoch": epoch, "step": steps * (epoch + 1), "learning_rate": rate, "warmup": warmup}
    columns |= {"train/elbo": validation + 1.0 if training is None else training}
    return pd.DataFrame({**columns, "val/elbo": validation})
