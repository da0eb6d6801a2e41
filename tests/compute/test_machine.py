"""A run's device, processes, products and precision are resolved once, into one record."""

import pytest
import torch
from conftest import TINY

from annealed import config as configuration
from annealed.compute import onednn
from annealed.compute.machine import Machine, resolve
from annealed.compute.ranks import Ranks
from annealed.utils.errors import UsageError


def test_a_machine_is_what_the_configuration_asks_for(monkeypatch):
    monkeypatch.setattr(onednn, "_has_avx512", lambda: True)
    monkeypatch.setattr(onednn, "_is_intel", lambda: False)
    monkeypatch.setattr(torch.backends.mkl, "is_available", lambda: True)
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: True)
    options = [*TINY, "trainer.products=auto", "trainer.precision=bf16"]
    config = configuration.load("vae", [*options, "trainer.accelerator=cpu"])
    machine = resolve(config, Ranks(1, 2))
    assert (machine.device, machine.products) == (torch.device("cpu"), "onednn")
    assert (machine.ranks.rank, machine.ranks.world, machine.precision) == (1, 2, "bf16")
    assert resolve(config).ranks.leads
    assert resolve(config, device=torch.device("meta")).products == "torch"
    with pytest.raises(AttributeError):
        machine.products = "torch"


def test_each_process_has_a_gpu_and_one_that_is_not_there_is_refused(monkeypatch):
    config = configuration.load("vae", [*TINY, "trainer.accelerator=gpu"])
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert resolve(config, Ranks(1, 2)).device == torch.device("cuda", 1)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(UsageError, match="'gpu' but no GPU is visible"):
        resolve(config)
    assert Machine(torch.device("cpu")).ranks.leads
