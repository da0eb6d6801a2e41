"""Runs that stopped and went on, as W&B's own client sends them to a server here."""

import pytest
import wandb
from conftest import TINY
from wandb_server import served

from annealed import config as configuration
from annealed.runs.run import fit
from annealed.training.record import read_metrics
from reproduce.tracking.sync import pieces, sync


@pytest.mark.parametrize("how", ["offline, sent at once", "offline, sent in between", "online"])
def test_all_pieces_of_a_run_arrive_one_behind_the_other(how, tmp_path, monkeypatch):
    mode = how.split(",")[0]

    def train(epochs, **arguments):
        options = [o for o in TINY[:-1] if not o.startswith("trainer.epochs")]
        options += [f"wandb.mode={mode}", f"trainer.epochs={epochs}", f"runs={tmp_path / 'runs'}"]
        folder = fit(configuration.load("vae", options), **arguments)
        wandb.teardown()  # only then everything is on disk
        return folder

    with served(tmp_path / "wandb", monkeypatch) as server:
        folder = train(2)
        if "between" in how:
            assert sync(tmp_path / "runs") == (1, 0, 0)
        train(3, resume=True, new_limit=True)
        if mode == "offline":
            assert sync(tmp_path / "runs") == (1, 0, 0)
            assert len(pieces(tmp_path / "runs")[folder]) == 2
    arrived = server.history((folder / "wandb_id").read_text(encoding="utf-8"))
    assert [line["_step"] for line in arrived] == list(range(len(arrived)))
    metrics = read_metrics(folder)
    sent = [
        (line["trainer/global_step"], line["val/elbo"]) for line in arrived if "val/elbo" in line
    ]
    assert sent == list(zip(metrics["step"], metrics["val/elbo"], strict=True))
