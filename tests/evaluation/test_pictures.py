"""Samples, reconstructions and traversals of a row."""

import numpy as np
import pytest
import torch
from conftest import TINY

from annealed import config as configuration
from annealed.config.registry import METHODS, method_class
from annealed.evaluation.pictures import (
    COLUMNS,
    draw_pictures,
    interpolations,
    picture,
    reconstructions,
    traversals,
)
from annealed.runs.run import fit
from reproduce.table import pictures as page


@pytest.fixture
def images():
    g = torch.Generator().manual_seed(0)
    return 255 * torch.randint(0, 2, (20, 64), generator=g).to(torch.uint8)


@pytest.mark.parametrize("row", METHODS)
def test_every_row_draws_all_three(row, images):
    method = method_class(row)(configuration.load(row, TINY), 64)
    asked = []
    part = lambda count: asked.append(count) or images[:count]  # noqa: E731
    actual = draw_pictures(method, part, count=40)
    assert asked == [20, 40]
    assert actual["samples"].shape == (40, 64)
    assert actual["reconstructions"].shape == (32, 64)  # two whole rows of eight, and theirs
    assert torch.equal(actual["reconstructions"][:8], images[:8] / 255)
    assert torch.equal(actual["reconstructions"][16:24], images[8:16] / 255)
    for drawn in actual.values():
        assert ((drawn >= 0) & (drawn <= 1)).all()


def test_a_traversal_moves_the_most_used_latent_first_and_nothing_else(images):
    method = method_class("vae")(configuration.load("vae", [*TINY, "network.latent=3"]), 64)
    with torch.no_grad():  # the posterior's mean of latent 2 is the first pixel times 3
        for parameter in method.posterior.parameters():
            parameter.zero_()
        method.posterior.encoder = torch.nn.Identity()
        head = method.posterior.head.linear = torch.nn.Linear(64, 6)
        head.weight.zero_()
        head.bias.zero_()
        head.weight[2, 0] = 3.0
        shown = torch.nn.Linear(3, 64)
        shown.weight.zero_()
        shown.weight[0, 2] = 1.0  # pixel 0 shows latent 2 alone
        method.target.decoder = torch.nn.Sequential(shown)
    drawn = torch.logit(traversals(method, images, latents=2))
    first, second = drawn[:COLUMNS, 0], drawn[COLUMNS:, 0]
    bias = shown.bias[0]
    torch.testing.assert_close(first - bias, torch.linspace(-3, 3, COLUMNS), atol=1e-4, rtol=0)
    torch.testing.assert_close(second, second[:1].expand(COLUMNS))


@pytest.fixture
def transparent():
    """A VAE whose posterior's mean is twice the first pixels, and whose logits there are z."""
    method = method_class("vae")(configuration.load("vae", [*TINY, "network.latent=5"]), 64)
    with torch.no_grad():
        method.posterior.encoder = torch.nn.Identity()
        head = method.posterior.head.linear = torch.nn.Linear(64, 10)
        head.weight.zero_()[:5, :5] = 2.0 * torch.eye(5)
        head.bias.zero_()[5:] = -20.0  # hardly any noise
        shown = torch.nn.Linear(5, 64)
        shown.weight.zero_()[:5] = torch.eye(5)
        shown.bias.zero_()
        method.target.decoder = shown
    return method


def test_a_reconstruction_is_of_the_image_above_it(transparent, images):
    drawn = reconstructions(transparent, images)
    above, below = (torch.cat([drawn[k : k + 8], drawn[16 + k : 24 + k]]) for k in (0, 8))
    assert not torch.equal(above[:, :5], above.flip(0)[:, :5])
    torch.testing.assert_close(torch.logit(below)[:, :5], 2 * above[:, :5], rtol=0, atol=1e-3)


def test_an_interpolation_goes_along_the_great_circle(transparent):
    images = torch.zeros(2, 64, dtype=torch.uint8)
    images[0, 0] = images[1, 1] = 255  # z is (2, 0, ...) and (0, 2, ...)
    drawn = torch.logit(interpolations(transparent, images))[:, :5]
    angle = torch.linspace(0.0, torch.pi / 2, COLUMNS)
    expected = 2 * torch.nn.functional.pad(torch.stack([angle.cos(), angle.sin()], 1), (0, 3))
    torch.testing.assert_close(drawn, expected, rtol=0, atol=1e-3)


def test_a_grid_has_every_pixel_at_its_place():
    images = torch.zeros(9, 4)
    images[8, 3] = 1.0  # the ninth image starts the second row
    drawn = np.asarray(picture(images, scale=2).convert("L"))
    assert drawn[6:10, 1:5].tolist() == [[0, 0, 0, 0]] * 2 + [[0, 0, 255, 255]] * 2


def test_a_run_is_drawn_into_png_and_pdf_and_always_the_same(tmp_path):
    run = fit(configuration.load("hvi", [*TINY, f"runs={tmp_path}"]))
    for name in ("a", "b"):
        page.draw(run, "hvi", tmp_path, name)
    first, second = ([(tmp_path / f"{n}.{k}").read_bytes() for k in ("png", "pdf")] for n in "ab")
    assert first == second
    assert first[0].startswith(b"\x89PNG")
    assert first[1].startswith(b"%PDF")
    assert b"CreationDate" not in first[1]
