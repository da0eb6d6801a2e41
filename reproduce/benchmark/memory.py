"""Peak memory of a training step or of scoring, each in a fresh process.

`python -m reproduce.benchmark.memory hvi_avo T stagewise`, or `... hvi S score`.
"""

import json
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch

from annealed.compute import onednn
from annealed.compute.allocator import keep_freed
from annealed.training.module import Training
from reproduce.benchmark.annealed_cases import configurations, method_class, scoring as score

BATCH = 1000


def step(row: str, transitions: int, stagewise: bool) -> dict:
    """Milliseconds and peak MB above the model itself of an AVO step, or an ELBO step for hvi.

    The first step gives the peak, and the second, which finds its memory in place, the time.
    """
    overrides = [f"method.transitions.steps={transitions}", "trainer.threads=1"]
    if row == "hvi_avo":
        overrides += ["method.avo.rho=1.0", f"method.avo.stagewise={str(stagewise).lower()}"]
    (config,) = configurations(row, 1, *overrides)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.set_num_threads(1)
    module = Training([method_class(row)(config, 784).to(device)], config, 1)
    grey = torch.zeros(1, BATCH, 784, dtype=torch.uint8, device=device)
    with onednn.multiplying(onednn.resolve(config.trainer.products, device)):
        module.backward(grey[:, :2], 0)  # what the libraries need for themselves
        return _measured(lambda: module.backward(grey, 0), device)


def scoring(row: str, samples: int) -> dict:
    """Milliseconds and peak MB above the model itself of scoring 100 images, as of a step."""
    torch.set_num_threads(1)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    x = torch.zeros(100, 784, device=device)
    score(row, x[:1], 10)()
    return _measured(score(row, x, samples), device)


def _measured(case: Callable[[], object], device: torch.device) -> dict:
    before = _peak(device)
    case()
    peak = _peak(device)  # of a GPU, once it has ended
    began = time.perf_counter()
    case()
    _wait(device)
    return {"milliseconds": 1e3 * (time.perf_counter() - began), "megabytes": peak - before}


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()


def _peak(device: torch.device) -> float:
    _wait(device)
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated() / 2**20
    status = Path("/proc/self/status")
    if status.exists():  # ru_maxrss starts from the parent's peak
        (line,) = (
            line
            for line in status.read_text(encoding="utf-8").splitlines()
            if line.startswith("VmHWM")
        )
        return int(line.split()[1]) / 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


if __name__ == "__main__":
    row, number, how = sys.argv[1:]
    keep_freed()
    measured = (
        scoring(row, int(number)) if how == "score" else step(row, int(number), how == "stagewise")
    )
    print(json.dumps(measured))
