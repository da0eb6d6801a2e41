"""Small models of several seeds, and batches for them."""

import torch

from annealed import config as configuration
from annealed.config.registry import method_class
from annealed.training.module import Training

SMALL = ["data.name=digits", "preset=quick", "network.hidden=8", "network.latent=3"]


SMALL += ["wandb.mode=disabled", "optimiser.learning_rate=0.01"]


def training(row, seeds, *overrides, kind=torch.float64, device="cpu"):
    """A small model of `kind` on `device` for each seed, and its Adam."""
    cells = [configuration.load(row, [*SMALL, f"seed={seed}", *overrides]) for seed in seeds]
    methods = [method_class(c.method)(c, 64).to(device, kind) for c in cells]
    module = Training(methods, cells[0], steps_an_epoch=10)
    return module, module.configure_optimizers()


def walk(module, adam, steps, grey):
    """The means of each of the first `steps` steps."""
    batches = (torch.stack([grey[s][step] for s in module.seeds]) for step in range(steps))
    return torch.stack([module.update(adam, batch, i)[0] for i, batch in enumerate(batches)])
