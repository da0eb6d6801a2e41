"""The CelebA page: its plan, its table in bits per dimension, its figures, its FID."""

import math

import numpy as np
import pandas as pd
import pytest
import torch
import torchvision
from faces import TINY, at_hand
from scipy import linalg, stats

from annealed.data.locations import DataNotFound
from annealed.evaluation.result import read_result
from annealed.runs.folders import run_folder
from annealed.runs.run import fit
from annealed.utils.errors import UsageError
from reproduce.experiments.celeba import design, fid, page, summary
from reproduce.scheduling.run_grid import Run

CHANGES = tuple(option for option in TINY if not option.startswith(("preset=", "data.name=")))


@pytest.fixture(scope="module", autouse=True)
def root(tmp_path_factory):
    """Drawn faces where CelebA is looked for."""
    folder = tmp_path_factory.mktemp("faces")
    with at_hand(folder, 40):
        yield folder


@pytest.fixture(scope="module")
def runs(root):
    """Two seeds of two trained rows, of whose curves the page shows both."""
    planned = [
        Run("quick", "celeba", row, seed, str(root / "runs"), changes=CHANGES)
        for row in ("vae", "hvi_avo")
        for seed in (0, 1)
    ]
    for run in planned:
        fit(run.config())
    return planned


def test_the_plan_has_every_row_with_kernels_as_wide_as_the_latents():
    for preset, latent in (("quick", 32), ("full", 128)):
        planned = design.runs(preset, 2, "runs")
        assert [(c.row, c.seed) for c in planned] == [(r, s) for s in (0, 1) for r in design.ROWS]
        for run in planned[: len(design.ROWS)]:
            config = run.config()
            assert config.network.latent == latent
            assert config.network.encoder == config.network.decoder == "convolutional"
            assert config.optimiser.clip_norm is not None
            assert 0 < config.trainer.warmup_epochs < config.trainer.epochs
            if run.row in design.KERNELS:
                assert config.method_options.transitions.hidden == latent
    for run in design.runs("full", 1, "runs", ["network.latent=7", "data.size=32"]):
        config = run.config()
        assert (config.network.latent, config.data.size) == (7, 32)
        if run.row in design.KERNELS:
            assert config.method_options.transitions.hidden == 7


def test_other_rows_are_chosen_by_their_names_alone(root, tmp_path):
    rows = ("lmcvae", "mcd", "cmcd", "uha", "tvo")
    assert [run.row for run in design.runs("full", 1, "runs", rows=rows)] == list(rows)
    (run,) = design.runs("quick", 1, str(tmp_path / "runs"), CHANGES, ["uha"])
    fit(run.config())
    text = page.write([run], tmp_path / "page", "quick")
    assert text.splitlines()[2].startswith("| UHA | ")
    shown = (tmp_path / "page" / "index.md").read_text(encoding="utf-8")
    assert "## Losses" not in shown
    assert "PRESET=quick ROWS=uha" in shown


def test_missing_faces_are_told_before_anything_is_trained(monkeypatch, tmp_path):
    monkeypatch.setenv("ANNEALED_DATA", str(tmp_path))
    with pytest.raises(DataNotFound, match=r"celeba: .* ANNEALED_DATA"):
        design.check_data(design.runs("quick", 1, "runs")[0])


def test_the_page_says_what_the_results_say_in_bits(runs, tmp_path):
    folder = tmp_path / "celeba"
    text = page.write(runs, folder, "quick")
    results = [read_result(path) for run in runs for path in run.results()]
    table = pd.read_csv(folder / "table.csv").set_index("row")
    for row in ("vae", "hvi_avo"):
        bits = np.array([r["bits_per_dim"] for r in results if r["row"] == row])
        errors = np.array([r["bits_per_dim_mc_error"] for r in results if r["row"] == row])
        line = table.loc[row]
        assert line.bits_per_dim == pytest.approx(bits.mean(), rel=1e-5)
        half = stats.t.ppf(0.975, 1) * bits.std(ddof=1) / math.sqrt(2)
        assert line.ci_high - line.ci_low == pytest.approx(2 * half, rel=1e-3, abs=1e-5)
        assert line.mc_error == pytest.approx(np.sqrt((errors**2).mean()), rel=1e-4)
        assert line.elbo > line.bits_per_dim  # the bound is a looser loss
        assert f"{line.bits_per_dim:.4f}" in text
    for name in ("vae", "hvi_avo", "losses"):
        assert (folder / f"{name}.png").read_bytes().startswith(b"\x89PNG")
    written = (folder / "index.md").read_text(encoding="utf-8")
    assert written.count("SMOKE RUN") == 1
    assert page.NO_FID in written
    assert "clipped at a norm of 50000" in written


def test_curves_are_the_runs_losses(runs):
    folders = [run_folder(run.config()) for run in runs]
    curves = summary.curves(folders, 3072)
    metrics = pd.read_csv(folders[3] / "metrics.csv")
    of_run = curves[(curves.row == "hvi_avo") & (curves.seed == 1)]
    expected = -metrics["val/elbo"] / 3072 / math.log(2)
    np.testing.assert_allclose(of_run.val, expected)
    assert len(curves) == 8  # two epochs of four runs


def test_a_page_without_a_finished_run_is_refused(tmp_path):
    run = Run("quick", "celeba", "vae", 0, str(tmp_path), changes=CHANGES)
    with pytest.raises(UsageError, match="no run on celeba has finished"):
        page.write([run], tmp_path / "page", "quick")


def gaussian(seed: int, d: int = 6):
    g = np.random.default_rng(seed)
    a = g.normal(size=(d, d))
    return torch.from_numpy(g.normal(size=d)), torch.from_numpy(a @ a.T)


def test_the_frechet_distance_is_the_closed_form():
    (m1, c1), (m2, c2) = gaussian(0), gaussian(1)
    root = linalg.sqrtm(c1.numpy() @ c2.numpy()).real
    expected = ((m1 - m2) ** 2).sum() + np.trace((c1 + c2).numpy() - 2 * root)
    assert fid.frechet((m1, c1), (m2, c2)) == pytest.approx(float(expected), rel=1e-9)
    assert fid.frechet((m1, c1), (m1, c1)) == pytest.approx(0.0, abs=1e-9)
    v1, v2 = c1.diag(), c2.diag()  # of axis-aligned Gaussians: squared differences of deviations
    plain = (m1 - m2).square().sum() + (v1.sqrt() - v2.sqrt()).square().sum()
    distance = fid.frechet((m1, v1.diag()), (m2, v2.diag()))
    assert distance == pytest.approx(plain.item(), rel=1e-9)


def test_the_distance_of_few_images_is_finite_though_covariances_are_singular():
    moments = fid.Moments(), fid.Moments()
    g = torch.Generator().manual_seed(0)
    features = torch.randn(2, 5, 50, generator=g)
    for m, f in zip(moments, features, strict=True):
        m.add(f[:2])
        m.add(f[2:])
    mean, covariance = moments[0].estimate()
    np.testing.assert_allclose(mean, features[0].double().mean(0), atol=1e-12)
    np.testing.assert_allclose(covariance, np.cov(features[0].double().T), atol=1e-10)
    distance = fid.frechet(moments[0].estimate(), moments[1].estimate())
    lowest = (mean - moments[1].estimate()[0]).square().sum().item()
    assert lowest < distance < math.inf


def test_features_are_what_inception_pools_and_a_row_has_a_distance(runs, root):
    torch.manual_seed(0)
    net = torchvision.models.inception_v3(weights=None, init_weights=False).eval()
    path = root / "inception.pth"
    torch.save(net.state_dict(), path)
    extractor, digest = fid.load(path)
    assert len(digest) == 64
    pooled = []
    net.avgpool.register_forward_hook(lambda module, given, out: pooled.append(out))
    images = torch.rand(2, 3072, generator=torch.Generator().manual_seed(0))
    large = torch.nn.functional.interpolate(
        images.reshape(2, 3, 32, 32), size=(299, 299), mode="bilinear", antialias=True
    )
    standard = torchvision.transforms.functional.normalize(large, fid.MEAN, fid.STD)
    with torch.no_grad():
        net(standard)
    torch.testing.assert_close(extractor(images), pooled[0].flatten(1), rtol=1e-4, atol=1e-5)

    distances, note = page.fids([run_folder(run.config()) for run in runs[2:3]], path)
    assert distances.keys() == {"hvi_avo"}
    assert 0 < distances["hvi_avo"] < math.inf
    assert "between 4 test images" in note
    assert digest[:12] in note


def test_weights_of_another_network_are_refused_in_a_sentence(tmp_path):
    path = tmp_path / "weights.pth"
    torch.save(torch.nn.Linear(2, 2).state_dict(), path)
    with pytest.raises(UsageError, match=r"weights\.pth is no state dict of torchvision"):
        fid.load(path)
    with pytest.raises(UsageError, match=r"nothing\.pth cannot be read"):
        fid.load(tmp_path / "nothing.pth")
