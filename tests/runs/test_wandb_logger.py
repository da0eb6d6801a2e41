import threading
from types import SimpleNamespace

import numpy as np
import pytest
import wandb
from commands import annealed
from conftest import TINY
from PIL import Image
from wandb_server import served

from annealed import config as configuration
from annealed.evaluation.result import RESULT, read_result
from annealed.runs import wandb_logger
from annealed.runs.run import fit
from annealed.runs.wandb_settings import resolve_mode
from annealed.training.record import read_metrics
from annealed.utils.errors import UsageError


@pytest.fixture
def nobody(monkeypatch, tmp_path):
    """A machine without a key, in the environment or in a netrc."""
    monkeypatch.delenv("WANDB_MODE")
    monkeypatch.setenv("HOME", str(tmp_path))
    return monkeypatch


def test_without_a_key_auto_is_offline_and_with_one_online(nobody, tmp_path):
    assert resolve_mode("auto") == "offline"
    nobody.setenv("WANDB_API_KEY", "k" * 40)
    assert resolve_mode("auto") == "online"
    nobody.delenv("WANDB_API_KEY")
    netrc = tmp_path / ".netrc"
    netrc.write_text(
        f"machine api.wandb.ai\n  login user\n  password {'k' * 40}\n", encoding="utf-8"
    )
    netrc.chmod(0o600)
    assert resolve_mode("auto") == "online"
    nobody.setenv("WANDB_MODE", "disabled")
    assert resolve_mode("auto") == "disabled"
    assert resolve_mode("offline") == "offline"


def test_online_without_a_key_is_refused_instead_of_asked_for(nobody):
    with pytest.raises(UsageError, match="no key is set"):
        resolve_mode("online")
    nobody.setenv("WANDB_MODE", "sometimes")
    with pytest.raises(UsageError, match="accepted: online, offline, disabled"):
        resolve_mode("auto")


def test_an_offline_run_logs_metrics_and_pictures_without_a_word(tmp_path):
    options = [o for o in TINY if not o.startswith("wandb")] + ["wandb.mode=offline"]
    command = ["fit", "--config", "vae", *options, f"runs={tmp_path}"]
    result = annealed(*command, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert "wandb" not in result.stderr.lower()
    folder = tmp_path / "quick" / "digits" / "vae" / "seed0"
    (log,) = folder.glob("wandb/offline-run-*/run-*.wandb")
    logged = log.read_bytes()
    for name in (b"val/elbo", b"train/rate", b"warmup", b"test/nll", b"digits/vae"):
        assert name in logged, name
    pictures = {
        p.name.split("_")[0]: np.asarray(Image.open(p), dtype=float)
        for p in log.parent.rglob("*.png")
    }
    assert pictures.keys() == {"samples", "reconstructions", "traversals"}
    for name, picture in pictures.items():
        assert picture.std() > 30, name
    assert (pictures["samples"] != pictures["reconstructions"]).any()


def test_every_run_is_ended_as_failed_or_not_whatever_happens_to_another(capsys):
    class Run:
        def __init__(self, breaks):
            self.breaks, self.codes = breaks, []

        def finish(self, exit_code):
            self.codes.append(exit_code)
            if self.breaks:
                raise RuntimeError("gone")

    runs = [Run(True), Run(False)]
    for run, failed in zip(runs, (True, False), strict=True):
        wandb_logger.finish(SimpleNamespace(experiment=run), failed)
    wandb_logger.finish(None, failed=True)
    assert [run.codes for run in runs] == [[1], [0]]
    assert "could not end a run (gone)" in capsys.readouterr().err


def test_a_server_that_does_not_answer_leaves_the_run_offline(nobody, tmp_path, capsys):
    nobody.setenv("WANDB_API_KEY", "k" * 40)
    modes = []

    def init(**options):
        modes.append(options["mode"])
        if options["mode"] == "online":
            raise wandb.errors.CommError("Run initialization has timed out")
        return offline

    offline = SimpleNamespace(define_metric=lambda *names, **options: None)
    nobody.setattr(wandb, "init", init)
    config = configuration.load("vae", [*TINY[:-1], "wandb.mode=online"])
    runs = [(config, tmp_path / "a"), (config, tmp_path / "b")]
    for _, folder in runs:
        folder.mkdir()
    assert [logger.experiment for logger in wandb_logger.start(runs, "train")] == [offline] * 2
    assert modes == ["online", "offline", "offline"]
    assert "logged offline" in capsys.readouterr().err


def test_an_error_of_w_and_b_never_ends_a_run_nor_touches_its_record(tmp_path, monkeypatch, capsys):
    def full(*arguments, **options):
        raise OSError("No space left on device")

    options = [*TINY[:-1], "wandb.mode=offline"]
    whole = fit(configuration.load("vae", [*TINY, f"runs={tmp_path / 'whole'}"]))
    monkeypatch.setattr(wandb.Run, "log", full)
    broken = fit(configuration.load("vae", [*options, f"runs={tmp_path / 'broken'}"]))
    output = capsys.readouterr().err
    assert output.count("W&B could not log (No space left on device)") == 1
    results = [read_result(folder / RESULT) for folder in (whole, broken)]
    assert results[0]["nll"] == results[1]["nll"]
    records = [read_metrics(folder).drop(columns="seconds") for folder in (whole, broken)]
    assert records[0].equals(records[1])
    assert len(records[0]) == 3


@pytest.mark.parametrize("how", ["hangs", "goes"])
def test_a_server_that_is_lost_in_the_middle_of_a_run_does_not_keep_it(
    how, nobody, tmp_path, capsys
):
    heard, over, waited = threading.Event(), threading.Event(), []

    def lost(run, content):
        heard.set()
        if how == "goes":
            server.socket.close()
            raise ConnectionError
        waited.append(over.wait(120))  # without an answer to what the client has sent

    nobody.setattr(wandb_logger, "FINISH_SECONDS", 2)
    options = [*TINY[:-1], "wandb.mode=online", f"runs={tmp_path / 'runs'}"]
    with served(tmp_path / "wandb", nobody) as server:
        server.stream = lost
        folder = fit(configuration.load("vae", options))
        assert heard.is_set()
        assert not waited  # the run ended while the server was still silent
        over.set()
    wandb.teardown()
    assert read_result(folder / "result.json")["status"] == "finished"
    assert len(read_metrics(folder)) == 3
    output = capsys.readouterr().err.splitlines()
    assert sum(line.startswith("W&B could not end a run (") for line in output) == 1
