import json
import shutil
import signal
import time
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from commands import Command, annealed, sentence
from tiny_runs import Killed, tiny
from torch.nn import functional as F

from annealed import evaluate as evaluate_command
from annealed.compute.machine import resolve
from annealed.evaluation import annealed_score
from annealed.evaluation.annealed_options import AnnealedScoreOptions
from annealed.evaluation.annealed_score import AnnealedScore, row_start
from annealed.evaluation.annealed_summary import read_annealed
from annealed.inference.importance import log_marginal
from annealed.models.targets import Joint
from annealed.runs import parent_watch, problems
from annealed.runs.load import configured, trained
from annealed.runs.rescore import evaluate, evaluate_annealed
from annealed.runs.run import fit
from annealed.training.checkpoints import BEST
from annealed.utils.arrays import index_of_part
from annealed.utils.errors import UsageError

NAME = "evaluation_ais_C16_T6.json"
SMALL = {"temperatures": 6, "leapfrogs": 2, "images": 60, "simulated": 30}
ARGUMENTS = ["--estimator", "ais", *(f"--{key}={value}" for key, value in SMALL.items())]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return fit(tiny("vae", tmp_path_factory.mktemp("runs")))


@pytest.fixture(scope="module")
def whole(run, tmp_path_factory):
    """The folder of a scoring that nothing interrupted."""
    folder = tmp_path_factory.mktemp("whole")
    evaluate_annealed(run, options(), output=folder)
    return folder


@pytest.fixture
def copy(run, tmp_path):
    """A folder of its own for each test."""
    return shutil.copytree(run, tmp_path / "seed0")


def options(**values):
    return AnnealedScoreOptions.of(**{**SMALL, **values})


def arrays(folder, name=NAME):
    with np.load((folder / name).with_suffix(".npz")) as file:
        return dict(file)


def assert_same(a, b):
    """Equal names and bits."""
    assert set(a) == set(b)
    assert all(np.array_equal(a[name], b[name], equal_nan=True) for name in a)


def test_the_command_writes_a_result_beside_the_importance_sampled_one(copy):
    before = (copy / "result.json").read_bytes()
    scored = annealed("evaluate", copy, *ARGUMENTS, cwd=copy)
    assert scored.returncode == 0, scored.stderr
    assert "AIS NLL" in scored.stdout
    assert "BDMC gap" in scored.stdout
    assert "60 of 60 images" in scored.stderr
    result, by_image = read_annealed(copy / NAME)
    assert (copy / "result.json").read_bytes() == before
    assert not (copy / NAME).with_suffix(".batches.npz").exists()
    assert result["annealing"] == {"chains": 16, "start": "posterior", **SMALL}
    assert result["test_images"] == len(by_image["log_prob"]) == 60
    assert result["nll"] == pytest.approx(-by_image["log_prob"].mean())
    assert result["nll_mean_log_weight"] > result["nll"]
    gap = by_image["model_upper"] - by_image["model_lower"]
    assert len(gap) == result["bdmc"]["images"] == 30
    assert result["bdmc"]["gap"] == pytest.approx(gap.mean())
    with np.load(copy / "result.npz") as file:
        weighted = file["log_prob"][:60]
    assert result["importance"]["samples"] == 20
    assert result["importance"]["nll"] == pytest.approx(-weighted.mean())
    assert result["importance"]["gap"] == pytest.approx((by_image["log_prob"] - weighted).mean())


def test_both_estimators_say_the_same_of_a_decoder_that_both_can_score(run, tmp_path):
    sizes = options(chains=32, temperatures=40, simulated=0)
    result = evaluate_annealed(run, sizes, output=tmp_path)
    _, by_image = read_annealed(tmp_path / "evaluation_ais_C32_T40.json")
    method, subject = trained(run, configured(run))
    x = subject.held_out[:60].float() / 255
    latent = method.config.network.latent
    weighted = log_marginal(method.target, method.posterior, x, latent, 5000, seed=1)
    error = np.hypot(by_image["std_error"], weighted.std_error.numpy())
    assert np.abs((by_image["log_prob"] - weighted.log_prob.numpy()) / error).max() < 5.0
    assert error.max() < 0.5
    assert result["bdmc"] is None


def log_marginal_of_steep(x):
    """log p(x) by the trapezoid rule, (B,), where every logit is 3 z_1: x (B, X) of 0 and 1."""
    z = torch.linspace(-8.0, 8.0, 100_001, dtype=torch.float64)
    ones = x.double().sum(1, keepdim=True)
    log_likelihood = ones * F.logsigmoid(3 * z) + (x.shape[1] - ones) * F.logsigmoid(-3 * z)
    log_prior = torch.distributions.Normal(0.0, 1.0).log_prob(z)
    return (log_likelihood + log_prior).logsumexp(1) + (z[1] - z[0]).log()


def test_the_bounds_of_drawn_images_enclose_their_log_p(run, tmp_path, monkeypatch):
    config = configured(run)
    machine = resolve(config)
    method, subject = trained(run, config, machine.device)
    decoder = method.target.decoder = torch.nn.Linear(config.network.latent, method.pixels)
    with torch.no_grad():
        decoder.bias.zero_()
        decoder.weight.zero_()[:, 0] = 3.0
    batches, seen = annealed_score.Annealing, []
    monkeypatch.setattr(
        annealed_score, "Annealing", lambda *a, **k: seen.append(a[2]) or batches(*a, **k)
    )
    sizes = options(temperatures=150, images=1, simulated=50, start="prior")
    score = AnnealedScore(method, subject.images, run, tmp_path, machine, sizes)
    bdmc = score.score(lambda done, note: None)["bdmc"]
    by_image = arrays(tmp_path, sizes.name)
    exact = log_marginal_of_steep(torch.cat(seen[1:])).numpy()
    lower, upper = (by_image[f"model_{name}"] - exact for name in ("lower", "upper"))
    errors = [values.std(ddof=1) / len(values) ** 0.5 for values in (lower, upper)]
    assert lower.mean() < 4 * errors[0]
    assert upper.mean() > -4 * errors[1]
    assert 0 < bdmc["gap"] < 0.2


@pytest.mark.parametrize("score", [evaluate, partial(evaluate_annealed, options=options())])
def test_a_row_that_cannot_be_scored_compiled_is_told_so(score, copy, monkeypatch):
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="eager"))
    forward = Joint.forward

    def looking(self, x, z):
        parts = forward(self, x, z)
        return parts if parts[0].mean() < 0 else (2 * parts[0], parts[1])

    monkeypatch.setattr(Joint, "forward", looking)
    with pytest.raises(UsageError, match=r"VAE cannot be scored compiled .*compile=false"):
        score(copy, overrides=["trainer.compile=true"])


def interrupted(folder, place, after):
    """A scoring that ends after so many reports."""
    config = configured(folder)
    machine = resolve(config)
    method, subject = trained(folder, config, machine.device)
    score = AnnealedScore(method, subject.images, folder, place, machine, options())

    def report(done, note):
        if done == after:
            raise Killed

    with pytest.raises(Killed):
        score.score(report)


@pytest.mark.parametrize("after", [3, 150, 280])
def test_a_killed_scoring_goes_on_and_gives_the_same_bits(run, whole, tmp_path, after, monkeypatch):
    parts = tmp_path
    interrupted(run, parts, after)
    batches, made = annealed_score.Annealing, []
    monkeypatch.setattr(
        annealed_score, "Annealing", lambda *a, **k: made.append(a) or batches(*a, **k)
    )
    evaluate_annealed(run, options(), output=parts)
    finished = 5 - len(made)
    assert finished == {3: 0, 150: 2, 280: 4}[after]
    assert_same(arrays(whole), arrays(parts))
    results = [json.loads((f / NAME).read_text(encoding="utf-8")) for f in (whole, parts)]
    for result in results:
        result.pop("evaluate_seconds")
        result.pop("provenance")
    assert results[0] == results[1]


def test_an_interrupted_command_says_so_and_goes_on(copy):
    long = [*ARGUMENTS, "--temperatures=200", "--images=50", "--simulated=0"]
    process = Command("annealed.evaluate", copy, *long, cwd=copy)
    kept = copy / "evaluation_ais_C16_T200.batches.npz"
    while not kept.exists() and process.poll() is None:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    stopped = process.finish()
    assert stopped.returncode == 130, stopped.stderr
    assert "annealed: interrupted; what is done is kept." in stopped.stderr
    done = len(np.load(kept)["image/log_prob"])
    assert done == 25
    scored = annealed("evaluate", copy, *long, cwd=copy)
    assert scored.returncode == 0, scored.stderr
    assert not kept.exists()


def test_the_number_of_images_changes_no_bit_of_the_first(run, whole, tmp_path):
    evaluate_annealed(run, options(images=30, simulated=3), output=tmp_path)
    few, many = arrays(tmp_path), arrays(whole)
    assert_same(few, {name: many[name][: len(few[name])] for name in few})


def test_more_images_than_there_are_means_all(run, tmp_path):
    sizes = options(images=10_000, temperatures=2, leapfrogs=1, simulated=0)
    result = evaluate_annealed(run, sizes, output=tmp_path)
    assert result["test_images"] == result["data_images"]["test"]


@pytest.mark.parametrize("row", ["hvi_avo", "hvm", "iaf", "iterative"])
def test_chains_start_near_what_the_row_infers(row, tmp_path):
    folder = fit(tiny(row, tmp_path, "trainer.epochs=1"))
    method, subject = trained(folder, configured(folder))
    x = subject.held_out[:7].float() / 255
    with torch.no_grad():
        start = row_start(method, x, 0)
        z = method.posterior(x, method.noise("usage", 4000, 7, 0)).z[-1]
    spread = z.std(0)
    assert ((start.loc - z.mean(0)) / spread).abs().max() < 0.6
    assert (start.scale / spread - 1.0).abs().max() < 0.4
    result = evaluate_annealed(folder, options(images=7, simulated=2))
    assert result["acceptance_min"] > 0.2


def test_chains_of_a_gaussian_row_start_from_q0_or_the_prior(run, whole, tmp_path):
    method, subject = trained(run, configured(run))
    x = subject.held_out[:7].float() / 255
    with torch.no_grad():
        start, (base, _) = row_start(method, x, 0), method.posterior.start(x)
    assert all(torch.equal(a, b) for a, b in zip(start, base, strict=True))
    near, _ = read_annealed(whole / NAME)
    prior = evaluate_annealed(run, options(start="prior"), output=tmp_path)
    assert near["nll_mean_log_weight"] < prior["nll_mean_log_weight"]
    assert near["nll"] == pytest.approx(prior["nll"], abs=1.0)


def test_a_decoder_that_reads_its_pixels_is_scored(tmp_path):
    network = ["network.decoder=autoregressive", "network.channels=2", "network.blocks=0"]
    folder = fit(tiny("vae", tmp_path, *network, "trainer.epochs=1"))
    result = evaluate_annealed(folder, options(images=5, simulated=5, temperatures=4))
    assert result["bdmc"]["gap"] is not None


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--chains", "0"], "--chains is 0; accepted: a whole number from 1."),
        (["--temperatures", "-1"], "--temperatures is -1; accepted: a whole number from 1."),
        (["--leapfrogs", "0"], "--leapfrogs is 0; accepted: a whole number from 1."),
        (["--images", "0"], "--images is 0; accepted: a whole number from 1."),
        (["--simulated", "-1"], "--simulated is -1; accepted: a whole number from 0."),
        (["--samples", "50"], "--samples is not an option of --estimator ais."),
        (["--replace"], "--replace is not an option of --estimator ais."),
    ],
)
def test_an_option_that_is_not_accepted_is_told_in_a_sentence(run, tmp_path, arguments, said):
    refused = annealed("evaluate", run, "--estimator", "ais", *arguments, cwd=tmp_path)
    assert sentence(refused) == f"annealed: {said}"


def test_options_of_the_other_estimator_are_not_ignored(run, tmp_path):
    refused = annealed("evaluate", run, "--chains", "4", cwd=tmp_path)
    assert sentence(refused) == "annealed: --chains is an option of --estimator ais alone."


def test_a_result_with_other_options_is_not_replaced(run, whole):
    before = (whole / NAME).read_bytes()
    with pytest.raises(UsageError, match=rf"{NAME} has images 60 \(now 30\); remove it, or name"):
        evaluate_annealed(run, options(images=30), output=whole)
    assert (whole / NAME).read_bytes() == before


def test_a_part_of_a_sorted_split_is_evenly_spaced_and_replaces_no_result_of_the_first(
    run, whole, tmp_path, monkeypatch
):
    load = problems.load_images
    as_sorted = lambda *a: replace(load(*a), sorted_splits=("test",))  # noqa: E731
    monkeypatch.setattr(problems, "load_images", as_sorted)
    with np.load(run / "result.npz") as file:
        weighted = file["log_prob"]
    spaced = evaluate_annealed(run, options(), output=tmp_path)
    assert spaced["images_spaced"]
    same = weighted[index_of_part(60, len(weighted), spaced=True)]
    assert spaced["importance"]["nll"] == pytest.approx(-same.mean())
    assert np.corrcoef(arrays(tmp_path)["log_prob"], same)[0, 1] > 0.9
    assert np.corrcoef(arrays(whole)["log_prob"], same)[0, 1] < 0.5
    method, subject = trained(run, configured(run))
    every = options(images=len(weighted))
    machine = resolve(configured(run))
    assert not AnnealedScore(method, subject.images, run, tmp_path / "all", machine, every).spaced
    before = (whole / NAME).read_bytes()
    with pytest.raises(UsageError, match=rf"{NAME} is of other images; remove it, or name"):
        evaluate_annealed(run, options(), output=whole)
    assert (whole / NAME).read_bytes() == before


def test_batches_of_other_weights_or_options_are_not_gone_on_with(copy):
    interrupted(copy, copy, 150)
    with pytest.raises(UsageError, match=r"unfinished scoring with leapfrogs 2 \(now 3\); ask for"):
        evaluate_annealed(copy, options(leapfrogs=3))
    checkpoint = torch.load(copy / BEST, weights_only=True)
    next(iter(checkpoint["state_dict"].values())).mul_(1.01)
    torch.save(checkpoint, copy / BEST)
    with pytest.raises(UsageError, match=r"batches\.npz is of an unfinished scoring with weights"):
        evaluate_annealed(copy, options())
    kept = (copy / NAME).with_suffix(".batches.npz")
    kept.write_bytes(kept.read_bytes()[:100])
    with pytest.raises(UsageError, match=r"batches\.npz is not readable; remove it and score"):
        evaluate_annealed(copy, options())


def test_a_decoder_that_is_not_finite_is_told_and_costs_no_batch(copy, tmp_path):
    interrupted(copy, tmp_path, 150)
    kept = (tmp_path / NAME).with_suffix(".batches.npz")
    before = kept.read_bytes()
    config = configured(copy)
    machine = resolve(config)
    method, subject = trained(copy, config, machine.device)
    score = AnnealedScore(method, subject.images, copy, tmp_path, machine, options())
    score.log_joint = lambda x, z: torch.full_like(z[..., 0], torch.nan) * z.sum(-1)
    said = r"in the batch of scored images 50 to 59, log p\(x, z\) is nan .* are kept\.$"
    with pytest.raises(UsageError, match=said):
        score.score(lambda done, note: None)
    assert kept.read_bytes() == before


def test_a_broken_checkpoint_ends_in_a_sentence(copy):
    checkpoint = torch.load(copy / BEST, weights_only=True)
    for name, value in checkpoint["state_dict"].items():
        if name.startswith("target"):
            value.fill_(torch.nan)
    torch.save(checkpoint, copy / BEST)
    said = sentence(annealed("evaluate", copy, *ARGUMENTS, cwd=copy))
    assert (
        "cannot be scored by annealing: in the batch of scored images 0 to 24, log p(x, z)" in said
    )


@pytest.mark.parametrize("name", ["result.json", "result.npz"])
def test_a_result_cut_short_is_named_before_anything_is_scored(copy, name, monkeypatch):
    made = []
    monkeypatch.setattr(annealed_score, "Annealing", lambda *a, **k: made.append(a))
    (copy / name).write_bytes((copy / name).read_bytes()[:100])
    with pytest.raises(UsageError, match=rf"{name} is not (a )?readable"):
        evaluate_annealed(copy, options())
    assert not made


def test_a_toy_is_refused(tmp_path):
    energy = ["data.name=toy", "data.energy=four_modes", "data.steps_an_epoch=1"]
    folder = fit(tiny("hvi", tmp_path, *energy, "trainer.epochs=1", "evaluate.samples=50"))
    with pytest.raises(UsageError, match=r"is of a toy; accepted by --estimator ais: a run of"):
        evaluate_annealed(folder, options())


def test_an_evaluation_that_is_none_is_refused_by_name(run):
    with pytest.raises(UsageError, match=r"result\.json is not a result of --estimator ais\.$"):
        read_annealed(run / "result.json")


def test_a_scoring_ends_with_the_process_that_started_it(tmp_path, monkeypatch):
    class Watched(Exception):
        pass

    def watch():
        raise Watched

    monkeypatch.setattr(parent_watch, "stop_with_parent", watch)
    monkeypatch.setattr("sys.argv", ["annealed.evaluate", str(tmp_path), "--estimator", "ais"])
    with pytest.raises(Watched):
        evaluate_command.main()
