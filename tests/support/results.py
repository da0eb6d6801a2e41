"""A result as a run writes it, and committed results with other numbers."""


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
