"""Offline runs that W&B's own client sends to a server here, and the dashboard made for them."""

import errno
import json
import sys

import pytest
import wandb
from conftest import ROOT, TINY
from wandb_server import KEY, served

from annealed import config as configuration
from annealed.runs.rescore import evaluate
from annealed.runs.run import fit
from annealed.utils.errors import UsageError
from annealed.utils.files import locked
from reproduce.tracking.dashboard import __main__ as dashboard, layout
from reproduce.tracking.sync import pieces, sync


@pytest.fixture(scope="module")
def sent(tmp_path_factory):
    """Two runs, one of which first has no result, and what a server heard of three calls."""
    home = tmp_path_factory.mktemp("home")
    runs = home / "runs"
    options = [*TINY[:-1], "wandb.mode=offline", f"runs={runs}"]
    with pytest.MonkeyPatch.context() as patch, served(home / "wandb", patch) as server:
        first, second = (
            fit(configuration.load("hvi_avo", [*options, f"seed={seed}"])) for seed in (0, 1)
        )
        evaluate(first, samples=30)
        wandb.teardown()  # only then everything is on disk
        patch.chdir(home)
        (second / "result.json").rename(second / "away")
        calls = [sync(runs)]
        heard = len(server.asked)
        calls.append(sync(runs))
        assert len(server.asked) == heard
        (second / "away").rename(second / "result.json")
        calls.append(sync(runs))
    return server, calls, first


def test_whole_runs_are_sent_once_and_others_wait(sent):
    server, calls, first = sent
    assert not (first.parents[4] / "wandb" / "logs").exists()  # nothing where the command is run
    assert calls == [(1, 0, 1), (0, 1, 1), (1, 1, 0)]  # sent, sent before, not whole
    names = [v["displayName"] for v in server.variables("UpsertBucket") if v["displayName"]]
    expected = ["hvi_avo-seed0", "hvi_avo-seed0-evaluate-S30", "hvi_avo-seed1"]
    assert sorted(names) == expected


def test_a_run_arrives_with_its_seed_group_curves_table_and_media(sent):
    server, _, first = sent
    begun = {v["displayName"]: v for v in server.variables("UpsertBucket") if v["displayName"]}
    train, scored = begun["hvi_avo-seed0"], begun["hvi_avo-seed0-evaluate-S30"]
    assert train["groupName"] == scored["groupName"] == "digits/hvi_avo"
    assert (train["jobType"], scored["jobType"]) == ("train", "evaluate")
    config = json.loads(begun["hvi_avo-seed1"]["config"])
    assert config["seed"]["value"] == 1
    lines = server.history((first / "wandb_id").read_text(encoding="utf-8"))
    keys = {key for line in lines for key in line}
    logged = {"val/elbo", "train/rate", "warmup", "learning_rate", "test/table"}
    assert logged | {"media/samples", "media/reconstructions"} <= keys
    assert {"trainer/global_step"} <= keys
    (table,) = [
        json.loads(content)
        for name, content in server.uploads.items()
        if "table_" in name and json.loads(content)["data"][0][3:5] == [0, "test"]
        and json.loads(content)["data"][0][-1] == 20
    ]  # fmt: skip
    result = json.loads((first / "result.json").read_text(encoding="utf-8"))
    line = dict(zip(table["columns"], table["data"][0], strict=True))
    assert line["nll"] == pytest.approx(result["nll"], rel=1e-6)
    assert (line["row"], line["data"], line["preset"]) == ("hvi_avo", "digits", "quick")


def test_results_arrive_as_artifacts(sent):
    server, _, first = sent
    wanted = [v["input"] for v in server.variables("CreateArtifact")]
    results = {v["artifactCollectionName"] for v in wanted if v["artifactTypeName"] == "result"}
    run_id = (first / "wandb_id").read_text(encoding="utf-8")
    assert {f"result-{run_id}", f"result-{run_id}-evaluate-S30"} <= results
    names = {"result.json", "result.npz", "metrics.csv", "config.yaml", "evaluation_S30.json"}
    arrived = {k.removeprefix("artifact/") for k in server.uploads if k.startswith("artifact/")}
    assert names <= arrived
    assert (
        server.uploads["artifact/evaluation_S30.json"]
        == (first / "evaluation_S30.json").read_bytes()
    )
    assert len(server.variables("CommitArtifact")) >= len(results)


@pytest.fixture
def run(tmp_path, monkeypatch):
    """A run folder with a result, whose offline piece no client can read; nobody has a key."""
    piece = tmp_path / "runs" / "a" / "wandb" / "offline-run-20260101_000000-x"
    piece.mkdir(parents=True)
    (piece / "run-x.wandb").write_bytes(b"not a record")
    (tmp_path / "runs" / "a" / "result.json").write_text("{}", encoding="utf-8")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(tmp_path / "none"))
    assert pieces(tmp_path / "runs") == {tmp_path / "runs" / "a": [piece]}
    return tmp_path / "runs"


def test_without_a_key_runs_or_a_server_one_sentence_says_so(run, monkeypatch):
    with pytest.raises(UsageError, match="holds no offline run of W&B"):
        sync(run / "nothing")
    with pytest.raises(UsageError, match=r"no W&B key is set for https://api\.wandb\.ai"):
        sync(run)
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    with pytest.raises(UsageError, match=r"http://127\.0\.0\.1:9 does not answer"):
        sync(run)


def test_what_w_and_b_does_not_take_is_told_and_stays(run, tmp_path, monkeypatch):
    refused = pytest.raises(UsageError, match="0 of 1 runs were sent; W&B did not take")
    with served(tmp_path, monkeypatch), refused:
        sync(run)
    assert not list(run.rglob("*.synced"))


def test_a_run_that_a_process_works_on_is_left_alone(run):
    with locked(run / "a", "the run folder"):
        assert sync(run) == (0, 0, 1)


def test_a_run_that_cannot_be_locked_is_not_taken_for_one_in_training(run, monkeypatch):
    def flock(handle, how):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("fcntl.flock", flock)
    with pytest.raises(UsageError, match="cannot be locked: No locks available"):
        sync(run)


def panels(part):
    """Every panel of a specification, wherever it is."""
    if isinstance(part, dict):
        shown = [part] if "viewType" in part else []
        return shown + [one for value in part.values() for one in panels(value)]
    return [one for value in part for one in panels(value)] if isinstance(part, list) else []


def keys(panel):
    """The metrics that a panel of a specification draws."""
    config, kind = panel["config"], panel["viewType"]
    if kind == "Run History Line Plot":
        return {config["xAxis"], *config["metrics"]}
    if kind == "Bar Chart":
        return {name.removeprefix("summary_metrics.") for name in config["metrics"]}
    if kind == "Media Browser":
        return set(config["mediaKeys"])
    assert kind == "Weave"
    return {text for text in texts(config) if "/" in text}


def texts(part):
    """The constant texts of a panel's query."""
    if not isinstance(part, dict):
        return []
    constants = [part["val"]] if part.get("nodeType") == "const" else []
    below = [text for value in part.values() for text in texts(value)]
    return [text for text in [*constants, *below] if isinstance(text, str)]


@pytest.fixture
def offline(tmp_path, monkeypatch):
    """The specification that the command writes without a key."""
    pytest.importorskip("wandb_workspaces", reason="the optional wandb-workspaces is not installed")
    (tmp_path / "reports").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["reproduce.tracking.dashboard"])
    dashboard.main()
    return (tmp_path / dashboard.SPECIFICATION).read_text(encoding="utf-8")


def test_every_panel_draws_what_a_real_run_logs(sent, offline):
    server, _, first = sent
    lines = server.history((first / "wandb_id").read_text(encoding="utf-8"))
    logged = {key for line in lines for key in line}
    summaries = [v["summaryMetrics"] for v in server.variables("UpsertBucket")]
    logged |= {key for text in summaries if text for key in json.loads(text)}
    logged |= set(json.loads(server.uploads["wandb-summary.json"]))
    asked = [panel.keys for section in layout.SECTIONS.values() for panel in section]
    for part in ("workspace", "report"):
        drawn = [keys(panel) for panel in panels(json.loads(offline)[part])]
        assert len(drawn) == len(asked)
        for shown, wanted in zip(drawn, asked, strict=True):
            assert set(wanted) <= shown <= logged, (part, shown - logged)
    config = json.loads(server.variables("UpsertBucket")[0]["config"])
    for group in layout.GROUPS:
        head, *rest = group.split(".")
        value = config[head]["value"]
        assert isinstance(value[rest[0]] if rest else value, str), group


def test_the_specification_is_the_committed_one_every_time(offline, capsys):
    assert offline == (ROOT / dashboard.SPECIFICATION).read_text(encoding="utf-8")
    dashboard.main()
    assert "nothing was saved there: reports/dashboard.json" in capsys.readouterr().out
    assert dashboard.SPECIFICATION.read_text(encoding="utf-8") == offline


def test_with_a_key_both_are_saved_and_their_addresses_printed(
    offline, tmp_path, monkeypatch, capsys
):
    before = json.loads(offline)
    dashboard.SPECIFICATION.unlink()
    with served(tmp_path, monkeypatch) as server:
        monkeypatch.setenv("WANDB_MODE", "online")
        dashboard.main()
        said = capsys.readouterr().out
        dashboard.main()
        assert capsys.readouterr().out == said
        monkeypatch.setattr(sys, "argv", ["reproduce.tracking.dashboard", "--project", "nowhere"])
        with pytest.raises(UsageError, match=r"did not take the dashboard of tester/nowhere: Run"):
            dashboard.main()
    assert f"report: {server.address}/tester/annealed/reports/" in said
    assert f"workspace: {server.address}/tester/annealed?nw=" in said
    assert not dashboard.SPECIFICATION.exists()
    view, again = server.variables("UpsertView2")
    assert (again["name"], again["id"]) == (view["name"], "id-annealed")  # saved anew, not twice
    assert "id" not in view
    assert json.loads(view["spec"])["section"] == before["workspace"]["section"]
    report, again = server.variables("upsertView")
    assert (report["id"], again["id"]) == (None, f"id-{report['displayName']}")
    titles = [panel["config"].get("chartTitle") for panel in panels(json.loads(report["spec"]))]
    assert titles == [p["config"].get("chartTitle") for p in panels(before["report"])]


def test_without_the_package_or_the_server_one_sentence_says_so(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["reproduce.tracking.dashboard"])
    monkeypatch.setitem(sys.modules, "wandb_workspaces", None)
    monkeypatch.delitem(sys.modules, "reproduce.tracking.dashboard.build", raising=False)
    with pytest.raises(UsageError, match=r"not installed; `pip install 'annealed\[dashboard\]'`"):
        dashboard.main()
    monkeypatch.setenv("WANDB_MODE", "online")
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")
    with pytest.raises(UsageError, match="does not answer"):
        dashboard.main()
