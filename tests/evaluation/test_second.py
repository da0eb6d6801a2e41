"""Every row, trained and scored by the package, against a second evaluation of its checkpoint."""

import json
from functools import cache

import numpy as np
import pytest
import second
import torch
from conftest import TINY, mnist_folder

from annealed import config as configuration
from annealed.config.registry import METHODS
from annealed.data.images import Images, load_images
from annealed.inference.importance import SAMPLE_BLOCK
from annealed.runs.run import fit
from annealed.training.checkpoints import load
from annealed.utils import randomness

S = 15  # one whole block of noise and a part of the next
IMAGES = 10


@cache
def real_images(name: str, root: str) -> Images:
    """The first images of each split, so that an epoch is 50 steps."""
    images = load_images(name, root, 0)
    return Images(images.train[:5000], images.validation[:200], images.test[:150], images.shape)


def scoring_noise(row, options, seed: int, sizes: list[int], latent: int):
    """The noise that the package scored with, batch after batch, in float64."""

    def drawn(draws, block, samples=SAMPLE_BLOCK):
        shapes = [(draws, samples, size, latent) for size in sizes]
        parts = [
            randomness.normal(shape, seed, "evaluate", batch, block)
            for batch, shape in enumerate(shapes)
        ]
        return torch.cat(parts, 2).double()

    blocks = range(-(-S // SAMPLE_BLOCK))
    path = torch.cat([drawn(second.path_draws(row, options), block) for block in blocks], 1)
    return drawn(second.num_start_draws(row, options), -1, samples=1), path[:, :S]


def own_noise(row, options, g: torch.Generator, latent: int):
    """Noise of the same shape from a generator that the package has nothing to do with."""
    sizes = (second.num_start_draws(row, options), second.path_draws(row, options))
    shapes = [(n, s, IMAGES, latent) for n, s in zip(sizes, (1, S), strict=True)]
    return [torch.randn(shape, generator=g, dtype=torch.float64) for shape in shapes]


def check(folder, images: Images, **transitions) -> None:
    """The second evaluation of a run folder: image by image, then with noise of its own.

    `transitions` are options of the row's transitions in the place of those it was trained with.
    """
    result = json.loads((folder / "result.json").read_text(encoding="utf-8"))
    row, resolved = result["row"], result["config"]
    options, latent = resolved["method"], resolved["network"]["latent"]
    options = options | {"transitions": options.get("transitions", {}) | transitions}
    weights = second.Weights(load(folder / "best.ckpt")["state_dict"])
    actual = np.load(folder / "result.npz")
    sizes = [len(part) for part in images.test.split(resolved["evaluate"]["batch_size"])]
    which = torch.linspace(0, len(images.test) - 1, IMAGES).long()  # of every batch
    x = (images.test[which] == 255).double()

    def estimates(start, noise):
        return second.summary(second.log_weights(row, options, weights, x, start, noise))

    noise = scoring_noise(row, options, result["seed"], sizes, latent)
    for key, value in estimates(*(part[:, :, which] for part in noise)).items():
        second_estimate = torch.from_numpy(actual[key])[which]
        torch.testing.assert_close(second_estimate, value, rtol=0, atol=1e-3, msg=f"{row}: {key}")

    # with other noise the package's number is one more draw of the same estimator
    g = torch.Generator().manual_seed(1234)
    repeats = [estimates(*own_noise(row, options, g, latent)) for _ in range(14)]
    for key in ("elbo", "log_prob"):
        drawn = torch.stack([repeat[key].mean() for repeat in repeats])
        error = drawn.std() * (1 + 1 / len(drawn)) ** 0.5
        assert abs(actual[key][which].mean() - drawn.mean()) < 6 * error, (row, key)


CUT = ["method.transitions.max_drift=0.05"]


@pytest.mark.parametrize(
    ("row", "options"),
    [*((row, []) for row in METHODS), *((row, CUT) for row in ("cmcd", "mcd", "uha"))],
)
def test_a_row_trained_on_digits_scores_as_a_second_evaluation_says(row, options, tmp_path):
    tiny = [*TINY, f"runs={tmp_path}", "trainer.epochs=2", f"evaluate.samples={S}", *options]
    folder = fit(configuration.load(row, tiny))
    check(folder, load_images("digits", None, 0))
    if options:  # and the limit counts: without it the scores are others
        with pytest.raises(AssertionError):
            check(folder, load_images("digits", None, 0), max_drift=None)


@pytest.mark.parametrize(
    ("row", "data"), [*((row, "mnist") for row in METHODS), ("vae", "mnist_static")]
)
def test_a_row_trained_on_real_images_scores_as_a_second_evaluation_says(
    row, data, tmp_path, monkeypatch
):
    root = str(mnist_folder())
    if data == "mnist_static" and not list((mnist_folder() / "binarized_mnist").glob("*_test*")):
        pytest.skip("static MNIST is not at hand")
    images = real_images(data, root)
    monkeypatch.setattr("annealed.runs.problems.load_images", lambda *_: images)
    tiny = [*TINY, f"runs={tmp_path}", f"data.name={data}", f"data.root={root}"]
    tiny += ["data.batch_size=100", "trainer.epochs=1", f"evaluate.samples={S}"]
    check(fit(configuration.load(row, tiny)), images)


def test_the_best_epoch_is_scored_and_not_the_last(tmp_path):
    tiny = [*TINY, f"runs={tmp_path}", "trainer.epochs=4", f"evaluate.samples={S}"]
    worse = ["optimiser.milestones=[0.5]", "optimiser.factors=[100.0]"]  # a rate too high to learn
    folder = fit(configuration.load("vae", [*tiny, *worse]))
    assert (
        json.loads((folder / "result.json").read_text(encoding="utf-8"))["training"]["best_epoch"]
        < 3
    )
    check(folder, load_images("digits", None, 0))
