"""A row as a plain Lightning run: its networks and objective in a loop written by hand."""

import random

import pytorch_lightning as pl
import torch
from torch import Tensor
from torch.utils.data import DataLoader, TensorDataset

from annealed.methods.base import Method
from reproduce.benchmark.annealed_cases import methods, trainer
from reproduce.results.timing import Case


class Plain(pl.LightningModule):
    """Automatic optimisation, torch's global noise, one seed."""

    def __init__(self, method: Method):
        super().__init__()
        self.method = method

    def training_step(self, batch: list[Tensor], index: int) -> Tensor:
        """The loss of a batch of uint8 images (B, X)."""
        (grey,), method = batch, self.method
        uniforms = torch.rand(grey.shape, device=self.device)
        shape = (method.posterior.num_draws, method.objective.samples, len(grey))
        noise = torch.randn(*shape, method.config.network.latent, device=self.device)
        one = torch.ones((), device=self.device)
        loss, _ = method(
            grey, uniforms, noise, method.objective.draw_mode(random.random()), one, one
        )
        return loss

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Adam as it comes."""
        return torch.optim.Adam(self.parameters(), 1e-3)


def in_sequence(row: str, train: Tensor, device: torch.device, seeds: int) -> Case:
    """An epoch over `train`, uint8 (N, X), by `seeds` plain runs one after another, as a case."""
    modules = [Plain(method) for method in methods(row, seeds, train.shape[1], device)]
    batch = modules[0].method.config.data.batch_size
    data = DataLoader(TensorDataset(train), batch, shuffle=True)

    def case() -> None:
        for module in modules:
            trainer(device).fit(module, data)

    return case
