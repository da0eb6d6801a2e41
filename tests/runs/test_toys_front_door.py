"""Energies through the command that trains on images: `data.name=toy data.energy=...`."""

import hashlib
import json
from functools import partial

import numpy as np
import pytest
import torch
from commands import annealed, sentence
from tiny_runs import assert_same_run, weights

from annealed import config as configuration
from annealed.config.datasets import ENERGIES
from annealed.config.registry import METHODS
from annealed.evaluation.densities import densities, density_picture
from annealed.evaluation.energy_score import quality
from annealed.models import catalogue
from annealed.models.catalogue import Toy
from annealed.models.targets import Energy
from annealed.runs.folders import each_seed, run_folder
from annealed.runs.load import trained
from annealed.runs.problems import problem
from annealed.runs.rescore import evaluate
from annealed.runs.run import fit
from annealed.training.module import Training
from annealed.training.record import read_metrics
from annealed.utils.errors import Diverged, UsageError

SECONDS = [
    "preset=quick",
    "data.name=toy",
    "data.steps_an_epoch=5",
    "data.validation_paths=200",
    "trainer.epochs=2",
    "trainer.steps_per_call=2",
    "trainer.threads=1",
    "trainer.accelerator=cpu",
    "evaluate.samples=300",
    "wandb.mode=disabled",
]
KNOWN = {
    "elbo",
    "log_z",
    "log_z_mc_error",
    "log_z_true",
    "log_z_error",
    "kl",
    "kl_mc_error",
    "kl_marginal_low",
    "kl_marginal",
    "kl_marginal_mc_error",
    "ess",
    "k_hat",
    "energy_distance",
    "noise_floor",
}
OWN = """
import numpy
import torch

def log_f(z):
    return -0.5 * (z - 1.0).square().sum(-1)

def vector(z):
    return -z.square()

def nan(z):
    return z.sum(-1) * float("nan")

def numbers(z):
    return torch.from_numpy(numpy.square(z.numpy()).sum(-1))

def three(z):
    return -(z @ torch.ones(3)).square()

def raises(z):
    raise KeyError("a fault\\nof two lines")

class Kind:
    pass

net = torch.nn.Linear(2, 1)
"""


def toy(row, runs, energy, *overrides):
    return configuration.load(row, [*SECONDS, f"data.energy={energy}", f"runs={runs}", *overrides])


def result_of(folder):
    return json.loads((folder / "result.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("energy", ENERGIES)
def test_every_energy_of_the_catalogue_is_trained_and_scored(energy, tmp_path):
    config = toy("hvi_avo", tmp_path, energy)
    folder = fit(config)
    assert folder == tmp_path / "quick" / "toy" / energy / "hvi_avo" / "seed0"
    result = result_of(folder)
    assert (result["status"], result["data"], result["energy"]) == ("finished", "toy", energy)
    assert (result["samples"], result["config"]) == (300, configuration.to_dict(config))
    assert all(isinstance(result[name], float) for name in KNOWN)
    entry = catalogue.toy(energy, 2)
    assert result["log_z_true"] == entry.energy.log_z
    assert result["log_z_error"] == pytest.approx(result["log_z"] - result["log_z_true"])
    assert result["elbo"] <= result["log_z"]
    assert result["kl"] == pytest.approx(result["log_z_true"] - result["elbo"], abs=1e-5)
    assert result["kl_marginal_low"] <= result["kl_marginal"]
    if entry.modes:
        assert sum(result["mode_masses"]) == pytest.approx(1.0)
        assert result["true_mode_masses"] == list(entry.masses)
    else:
        assert result["mode_masses"] is result["true_mode_masses"] is None
    assert read_metrics(folder)["step"].tolist() == [5, 10]
    picture = density_picture(*_method_and_toy(folder, config))
    assert picture.size[0] > picture.size[1] > 300


def _method_and_toy(folder, config):
    method, subject = trained(folder, config)
    return method, subject.toy


@pytest.mark.parametrize("row", METHODS)
def test_every_row_trains_or_says_that_it_needs_an_x(row, tmp_path):
    if row == "iterative":
        with pytest.raises(UsageError, match=r"method\.name is 'iterative', which needs an x"):
            toy(row, tmp_path, "four_modes")
        return
    result = result_of(fit(toy(row, tmp_path, "four_modes")))
    assert result["status"] == "finished"
    known = {name for name in KNOWN if result[name] is not None}
    if row in ("hvm", "uha"):  # the last step is neither invertible nor a Gaussian of z alone
        assert KNOWN - known == {"kl_marginal_low", "kl_marginal", "kl_marginal_mc_error"}
    else:
        assert known == KNOWN
    invertible = not row.startswith(("hv", "lmcvae", "mcd", "cmcd", "uha"))
    if invertible:
        assert result["kl_marginal"] == result["kl_marginal_low"] == result["kl"]
    elif known == KNOWN:
        assert result["kl_marginal_low"] <= result["kl_marginal"]


def test_the_noise_floor_is_the_energy_distance_of_one_exact_sample_from_another():
    entry = catalogue.toy("four_modes", 2)
    numbers = quality(entry, entry.sample(300, 5, 1), 5)
    assert numbers["energy_distance"] == pytest.approx(numbers["noise_floor"])


def test_a_gaussian_is_learnt_and_scored_within_its_error(tmp_path):
    """A VAE's diagonal Gaussian on correlation 0.9: KL = -1/2 log(1 - 0.9^2) at its optimum."""
    options = ["data.steps_an_epoch=300", "trainer.epochs=4", "evaluate.samples=20000"]
    options += ["optimiser.learning_rate=0.02", "optimiser.milestones=[0.5]"]
    options += ["optimiser.factors=[0.05]"]
    diagonal = result_of(fit(toy("vae", tmp_path, "correlated_gaussian", *options)))
    assert diagonal["kl"] == pytest.approx(-0.5 * np.log(1 - 0.9**2), abs=0.02)
    assert abs(diagonal["log_z_error"]) < 5 * diagonal["log_z_mc_error"] + 1e-3
    # one linear IAF step has the whole covariance
    full = result_of(fit(toy("cc_lin_iaf", tmp_path, "correlated_gaussian", *options)))
    assert full["kl"] == pytest.approx(0.0, abs=0.01)
    assert abs(full["log_z_error"]) < 5 * full["log_z_mc_error"] + 1e-3
    assert full["energy_distance"] < 5 * abs(full["noise_floor"]) + 0.005
    assert full["k_hat"] < 0.7


def test_replicas_are_the_seeds_alone(tmp_path):
    together = toy("hvi_avo", tmp_path / "together", "wave", "trainer.replicas=3")
    fit(together)
    for cell in each_seed(together):
        alone = fit(toy("hvi_avo", tmp_path / "alone", "wave", f"seed={cell.seed}"))
        for key, value in weights(alone, "best.ckpt").items():
            beside = weights(run_folder(cell), "best.ckpt")[key]
            torch.testing.assert_close(beside, value, rtol=0, atol=2e-6)
        a, b = result_of(alone), result_of(run_folder(cell))
        assert a["seed"] == b["seed"] == cell.seed
        assert a["log_z"] == pytest.approx(b["log_z"], abs=1e-3)


def test_a_seed_that_diverges_leaves_the_others(tmp_path, monkeypatch):
    def poison(method):
        method.posterior.head.linear.bias.data[0] = torch.nan

    step = Training.optimise

    def optimise(self, grey):
        step(self, grey)
        for method in self.methods:
            if self.global_step == 7 and method.config.seed == 1:
                poison(method)

    monkeypatch.setattr(Training, "optimise", optimise)
    config = toy("hvi", tmp_path, "four_modes", "trainer.replicas=2", "trainer.epochs=3")
    with pytest.raises(Diverged, match=r"seed1.*not finite"):
        fit(config)
    first, second = (result_of(run_folder(cell)) for cell in each_seed(config))
    assert (first["status"], second["status"]) == ("finished", "diverged")
    assert (first["training"]["epochs"], second["energy"]) == (3, "four_modes")


def test_a_run_killed_and_resumed_is_the_run_never_killed(tmp_path, monkeypatch):
    options = ["trainer.epochs=4"]
    whole = fit(toy("iaf_avo", tmp_path / "whole", "four_modes", *options))
    hook = Training.on_validation_epoch_end

    def killed(self):
        if self.current_epoch >= 2:
            raise KeyError("killed")
        hook(self)

    monkeypatch.setattr(Training, "on_validation_epoch_end", killed)
    config = toy("iaf_avo", tmp_path / "killed", "four_modes", *options)
    with pytest.raises(KeyError):
        fit(config)
    monkeypatch.setattr(Training, "on_validation_epoch_end", hook)
    assert not (run_folder(config) / "result.json").exists()
    assert_same_run(whole, fit(config, resume=True))
    other = toy("iaf_avo", tmp_path / "killed", "four_modes", *options, "data.learn_start=false")
    with pytest.raises(UsageError, match=r"data\.learn_start is True there and False now"):
        fit(other, resume=True)


def test_compiled_steps_give_the_plain_numbers(tmp_path, monkeypatch):
    """Traced whole and computed by torch: what a compiler makes of it takes minutes."""
    torch._dynamo.reset()
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="eager"))
    small = ["method.transitions.steps=1", "method.avo.mixing=convex", "method.avo.rho=0.5"]
    plain = fit(toy("hvi_avo", tmp_path / "plain", "four_modes", *small))
    fast = fit(toy("hvi_avo", tmp_path / "fast", "four_modes", *small, "trainer.compile=true"))
    for key, value in weights(plain, "best.ckpt").items():
        torch.testing.assert_close(weights(fast, "best.ckpt")[key], value, rtol=0, atol=1e-5)
    assert result_of(fast)["elbo"] == pytest.approx(result_of(plain)["elbo"], rel=1e-4)


def test_q_0_starts_where_the_energy_is_covered_and_may_be_held_there(tmp_path):
    device = torch.device("cpu")
    for scale, options in ((5.0, []), (1.5, ["data.start_scale=1.5"])):
        for learn in ("true", "false"):
            config = toy("hvi", tmp_path, "wide_modes", f"data.learn_start={learn}", *options)
            method = problem(config).method(config, device)
            base, _ = method.posterior.start(torch.ones(3, 1))
            torch.testing.assert_close(base.scale, torch.full((3, 2), scale))
            torch.testing.assert_close(base.loc, torch.zeros(3, 2))
            heads = list(method.posterior.head.parameters())
            assert bool(heads) == (learn == "true")
    folder = fit(toy("hvi", tmp_path, "wide_modes", "data.learn_start=false"))
    assert weights(folder, "best.ckpt")["posterior.head.scale"].tolist() == [5.0, 5.0]
    assert result_of(folder)["status"] == "finished"


def test_a_row_with_nothing_to_train_is_refused(tmp_path):
    config = toy("vae", tmp_path, "four_modes", "data.learn_start=false")
    with pytest.raises(UsageError, match="learn_start is false and vae has nothing else to train"):
        fit(config)
    assert not run_folder(config).joinpath("config.yaml").exists()


def test_a_bound_that_is_not_finite_is_a_diverged_run(tmp_path):
    config = toy("hvi", tmp_path, "four_modes", "optimiser.learning_rate=1e30")
    with pytest.raises(Diverged, match="not finite"):
        fit(config)
    result = result_of(run_folder(config))
    assert (result["status"], result["energy"]) == ("diverged", "four_modes")


def test_evaluate_scores_a_toy_anew(tmp_path):
    folder = fit(toy("hvi_avo", tmp_path, "four_modes"))
    anew = annealed("evaluate", folder, "--samples", "2000", cwd=tmp_path)
    assert anew.returncode == 0, anew.stderr
    result = json.loads((folder / "evaluation_S2000.json").read_text(encoding="utf-8"))
    spread = f"{result['log_z']:.3f} +- {result['log_z_mc_error']:.3f} nats"
    assert f"log Z {spread} (S = 2000; exact: 0.000)" in anew.stdout
    assert f"k-hat {result['k_hat']:.2f}, " in anew.stdout
    assert "trusted up to 0.70" in anew.stdout
    assert "mass of the modes" in anew.stdout
    assert result["samples"] == 2000
    assert result["training"] == result_of(folder)["training"]
    again = evaluate(folder, replace_result=True)
    assert again["log_z"] == result_of(folder)["log_z"]
    kept = np.load(folder / "result.npz")
    assert kept["z"].shape == (300, 2)
    assert kept["log_w"].mean() == pytest.approx(again["elbo"], abs=1e-5)
    one = annealed("evaluate", folder, "--samples", "1", cwd=tmp_path)
    assert one.returncode == 0, one.stderr
    assert "nats (S = 1; exact" in one.stdout
    assert "k-hat not defined" in one.stdout


def test_ones_own_energy_takes_leave_to_be_imported_and_has_no_log_z(tmp_path):
    (tmp_path / "my_energy.py").write_text(OWN, encoding="utf-8")
    command = ["fit", "--config", "vae", *SECONDS, "data.energy=my_energy.log_f"]
    refused = sentence(annealed(*command, cwd=tmp_path))
    assert "data.energy is 'my_energy.log_f'; accepted: two_crescents" in refused
    assert "--allow-import" in refused
    result = annealed(*command, "--allow-import", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    folder = tmp_path / "runs" / "quick" / "toy" / "my_energy.log_f" / "vae" / "seed0"
    numbers = result_of(folder)
    unknown = {name for name in KNOWN if numbers[name] is None}
    assert {"log_z_true", "log_z_error", "kl", "energy_distance", "noise_floor"} <= unknown
    assert not unknown & {"elbo", "log_z", "log_z_mc_error", "ess", "k_hat"}
    assert len(numbers["data_digest"]) == 64
    assert "--allow-import" in sentence(annealed("evaluate", folder, cwd=tmp_path))
    (tmp_path / "my_energy.py").write_text(f"{OWN}\n# changed\n", encoding="utf-8")
    scored = annealed("evaluate", folder, "--allow-import", "--samples", "5000", cwd=tmp_path)
    assert "nats (S = 5000)" in scored.stdout, scored.stderr
    assert "KL" not in scored.stdout  # which takes a log Z that is known
    result = json.loads((folder / "evaluation_S5000.json").read_text(encoding="utf-8"))
    assert result["log_z"] == pytest.approx(np.log(2 * np.pi), abs=0.1)
    for code, text in ((numbers, OWN), (result, f"{OWN}\n# changed\n")):
        digest = hashlib.sha256(text.encode()).hexdigest()
        (file,) = code["provenance"]["outside_commit"]
        assert file == {"path": "my_energy.py", "sha256": digest}


@pytest.mark.parametrize(
    ("name", "phrases"),
    [
        ("my_energy.vector", ["(3, 1, 2)", "one number a sample"]),
        ("my_energy.nan", ["must be finite where the posterior starts"]),
        ("my_energy.numbers", ["does not fit", "numpy"]),
        ("my_energy.three", ["network.latent = 2", "(S, B, D)"]),
        ("my_energy.raises", ["a fault"]),
        ("my_energy.Kind", ["is no function"]),
        ("my_energy.net", ["is no function"]),
        ("my_energy.missing", ["which fails"]),
        ("no_such_module.f", ["which fails"]),
        ("seven_modes", ["accepted: two_crescents"]),
    ],
)
def test_an_energy_that_does_not_fit_is_one_sentence(name, phrases, tmp_path):
    (tmp_path / "my_energy.py").write_text(OWN, encoding="utf-8")
    command = ["fit", "--config", "hvi", *SECONDS, f"data.energy={name}", "--allow-import"]
    text = sentence(annealed(*command, cwd=tmp_path))
    assert f"data.energy is '{name}'" in text
    for phrase in phrases:
        assert phrase in text, text
    assert not list(tmp_path.glob("runs/**/config.yaml"))


@pytest.mark.parametrize(
    ("overrides", "phrase"),
    [
        (["data.energy=four_modes", "network.latent=3"], "network.latent is 3, which does not fit"),
        (["data.energy=funnel", "network.latent=1"], "at least 2 dimensions"),
        ([], "data.energy is null; accepted: two_crescents"),
        (["data.energy=four_modes", "data.name=digits"], "accepted: null, or data.name=toy"),
        (["data.energy=four_modes", "method.avo.anchor=prior"], "toy has no prior; accepted: q0"),
        (["data.energy=four_modes", "data.start_scale=0"], "data.start_scale is 0"),
    ],
)
def test_keys_that_do_not_fit_a_toy_are_one_sentence(overrides, phrase, tmp_path):
    command = ["fit", "--config", "hvi_avo", *SECONDS, *overrides]
    assert phrase in sentence(annealed(*command, cwd=tmp_path))


def test_the_funnel_has_the_dimensions_that_network_latent_says(tmp_path):
    folder = fit(toy("hvi", tmp_path, "funnel", "network.latent=4"))
    assert np.load(folder / "result.npz")["z"].shape == (300, 4)
    method, subject = trained(folder, configuration.read_resolved(folder / "config.yaml"))
    assert [d.shape for d in densities(method, subject.toy)] == [(80, 80)] * 2


def test_the_picture_is_of_the_energy_and_of_the_draws(tmp_path):
    config = toy("vae", tmp_path, "four_modes", "data.start_scale=1.0")
    method = problem(config).method(config, torch.device("cpu"))
    entry = catalogue.toy("four_modes", 2)
    target, drawn = densities(method, entry)
    cell = (2 * entry.half_width / 80) ** 2
    assert target.sum().item() * cell == pytest.approx(1.0, abs=1e-3)
    right, top = target[40:].sum() * cell, target[:, 40:].sum() * cell
    assert right.item() == pytest.approx(0.3 + 0.3, abs=0.02)  # and half of top and bottom
    assert top.item() == pytest.approx(0.4 + 0.2, abs=0.02)  # and half of left and right
    assert drawn[40, 40].item() == pytest.approx(1 / (2 * np.pi), rel=0.5)  # N(0, I)
    line = Toy(Energy(lambda z: -0.5 * z[..., 0].square()))  # of one dimension, by its draws
    config = toy("vae", tmp_path, "four_modes", "network.latent=1")
    with pytest.raises(UsageError, match=r"network\.latent is 1"):
        problem(config)
    one = problem(toy("vae", tmp_path, "four_modes")).method(
        toy("vae", tmp_path, "four_modes", "data.start_scale=1.0"), torch.device("cpu")
    )
    one.posterior.head.linear = torch.nn.Linear(1, 2)
    with torch.no_grad():
        one.posterior.head.linear.weight.zero_()
        one.posterior.head.linear.bias.copy_(torch.tensor([0.0, 0.5413]))  # softplus gives 1
    target, drawn = densities(one, line)
    torch.testing.assert_close(target[:, 0], target[:, 79])
    torch.testing.assert_close(drawn, target, rtol=0, atol=0.06)


def test_an_offline_run_logs_the_density_as_a_picture(tmp_path):
    options = [o for o in SECONDS if not o.startswith("wandb")] + ["wandb.mode=offline"]
    command = ["fit", "--config", "hvi", *options, "data.energy=four_modes"]
    result = annealed(*command, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    folder = tmp_path / "runs" / "quick" / "toy" / "four_modes" / "hvi" / "seed0"
    (log,) = folder.glob("wandb/offline-run-*/run-*.wandb")
    logged = log.read_bytes()
    for name in (b"val/elbo", b"test/log_z", b"media/density", b"toy/four_modes/hvi"):
        assert name in logged, name
    (picture,) = folder.glob("wandb/offline-run-*/files/media/images/media/density*.png")
    assert picture.stat().st_size > 500


def test_two_energies_of_a_row_have_folders_of_their_own(tmp_path):
    folders = {run_folder(toy("vae", tmp_path, name)) for name in ("wave", "lattice")}
    assert len(folders) == 2


def test_rows_load_under_every_preset_with_a_toy():
    for row in METHODS:
        for preset in ("quick", "ablation", "short", "paper"):
            options = [f"preset={preset}", "data.name=toy", "data.energy=wave"]
            if row == "iterative":
                with pytest.raises(UsageError, match="needs an x"):
                    configuration.load(row, options)
                continue
            config = configuration.load(row, options)
            assert (config.trainer.warmup_epochs, config.network.latent) == (0, 2)
            assert config.optimiser.learning_rate == 5e-3
