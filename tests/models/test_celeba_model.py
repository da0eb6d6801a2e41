"""The image model on drawn faces: every row, bits per dimension, replicas, learning, the page."""

import dataclasses
import math

import numpy as np
import pytest
import torch
from faces import TINY, at_hand

from annealed import config as configuration
from annealed.config.registry import METHODS, method_class
from annealed.data.images import load_images
from annealed.evaluation.pictures import COLUMNS, draw_pictures, interpolations, picture
from annealed.evaluation.result import read_result
from annealed.evaluation.score import bits_per_dimension
from annealed.inference.importance import SAMPLE_BLOCK
from annealed.models.logistic import DiscretisedLogistic, level_log_prob
from annealed.models.targets import Joint
from annealed.runs.run import fit
from annealed.training.module import Training
from annealed.utils import randomness
from annealed.utils.errors import UsageError

X = 3 * 32 * 32


@pytest.fixture(scope="module", autouse=True)
def faces(tmp_path_factory):
    """Forty drawn faces where CelebA is looked for; returns their tensors at size 32."""
    with at_hand(tmp_path_factory.mktemp("faces"), 40):
        yield load_images("celeba", None, 0, size=32)


def tiny(row: str, *overrides: str):
    config = configuration.load(row, [*TINY, *overrides])
    return method_class(row)(config, X), config


@pytest.mark.parametrize(
    ("row", "likelihood"),
    [*((row, "discretised_logistic") for row in METHODS), ("hvi_avo", "logistic_mixture")],
)
def test_every_row_composes_and_its_step_moves_every_part(row, likelihood, faces):
    overrides = [f"network.likelihood={likelihood}", "network.components=2"]
    overrides += ["method.avo.mixing=convex"] * row.endswith("avo")
    overrides += ["method.nvi.mixing=convex"] * row.startswith("hvi_nvi")
    method, config = tiny(row, *overrides)
    module = Training([method], config, steps_an_epoch=1)
    before = {name: value.clone() for name, value in method.state_dict().items()}
    adam = torch.optim.Adam(module.replicas.parameters(), 1e-3)
    for step in range(2):  # what a layer of zeros hides gets its gradient at the second step
        means = module.backward(faces.train[None, :4], step)
        adam.step()
    assert torch.isfinite(means).all()
    same = [n for n, p in method.named_parameters() if torch.equal(p.detach(), before[n])]
    assert same == []


def test_a_step_draws_no_uniforms_for_levels_and_one_a_pixel_for_bits(faces):
    method, config = tiny("vae")
    module = Training([method], config, steps_an_epoch=1)
    (grey, uniforms, noise), common = module.inputs(faces.train[None, :4], 0)
    assert uniforms.shape == (1, 4, 0)
    loss, _ = method(grey[0], uniforms[0], noise[0], *common)
    whole = randomness.uniform((4, X), 0, "binarise", 0)
    assert torch.equal(method(grey[0], whole, noise[0], *common)[0], loss)
    bits = configuration.load("vae", ["data.name=digits"])
    of_bits = Training([method_class("vae")(bits, 64)], bits, steps_an_epoch=1)
    (_, drawn, _), _ = of_bits.inputs(torch.zeros(1, 4, 64, dtype=torch.uint8), 7)
    assert torch.equal(drawn[0], randomness.uniform((4, 64), bits.seed, "binarise", 7))


@pytest.mark.parametrize("row", ["vae", "hvi_avo", "iaf"])
def test_a_seed_among_three_takes_the_steps_it_takes_alone(row, faces):
    def walk(seeds):
        cells = [configuration.load(row, [*TINY, f"seed={seed}"]) for seed in seeds]
        module = Training([method_class(row)(c, X).double() for c in cells], cells[0], 1)
        adam = torch.optim.Adam(module.replicas.parameters(), 1e-3)
        for step in range(3):
            batch = faces.train[:12].reshape(3, 4, X)[list(seeds)]
            module.backward(batch, step)
            adam.step()
        return module.methods

    alone, beside = walk([1])[0].state_dict(), walk([0, 1, 2])[1].state_dict()
    for name, value in alone.items():
        torch.testing.assert_close(beside[name], value, rtol=0, atol=1e-8, msg=name)


def test_the_convolutional_model_overfits_sixteen_images(faces):
    x = faces.train[:16]
    config = configuration.load("vae", [*TINY, "network.widths=[16,16,16]", "network.latent=16"])
    module = Training([method_class("vae")(config, X)], config, steps_an_epoch=1)
    adam = torch.optim.Adam(module.replicas.parameters(), 3e-3)
    for step in range(100):
        means = module.backward(x[None], step + 10)  # beyond warm-up
        module.replicas.clip(module.replicas.gradient_norms(), config.optimiser.clip_norm)
        adam.step()
    bound = -means[0, 0].item() / (X * math.log(2))

    # each value's own logistic over the sixteen images, at its maximum likelihood
    pixels, values = x / 255.0, (2 * x / 255.0 - 1).mean(0)
    loc, raw = values.clone().requires_grad_(), torch.full((X,), -1.5, requires_grad=True)
    climb = torch.optim.Adam([loc, raw], 0.05)
    for _ in range(150):
        climb.zero_grad()
        loss = -level_log_prob(loc, raw, pixels).sum(1).mean()
        loss.backward()
        climb.step()
    independent = loss.item() / (X * math.log(2))
    assert bound < independent - 0.5


def test_bits_per_dimension_of_a_run_is_that_of_its_raw_log_weights(faces, tmp_path):
    """log w again, from the posterior's own Gaussian, torch's and a difference of CDFs in numpy."""
    folder = fit(configuration.load("vae", [*TINY, f"runs={tmp_path}"]))
    result = read_result(folder / "result.json")
    config = configuration.read_resolved(folder / "config.yaml")
    method = method_class("vae")(config, X)
    state = torch.load(folder / "best.ckpt", weights_only=True)["state_dict"]
    method.load_state_dict(state)
    method.eval()
    log_prob = []
    for index, batch in enumerate(faces.test[:4].split(3)):
        x = batch / 255.0
        with torch.no_grad():
            q = method.posterior.head(method.posterior.encoder(x))
            shape = (1, SAMPLE_BLOCK, len(x), 5)
            noise = [randomness.normal(shape, 0, "evaluate", index, k)[0] for k in range(3)]
            z = q.loc + q.scale * torch.cat(noise)
            outputs = method.target.decoder(z).double().numpy()
        normal = torch.distributions.Normal
        ratio = normal(0.0, 1.0).log_prob(z) - normal(q.loc, q.scale).log_prob(z)
        loc, raw = outputs[..., :X], outputs[..., X:]
        scale = np.exp(np.minimum(np.logaddexp(0, raw + 7) - 7, 7))
        level = batch.numpy().astype(float)

        def cdf(edge, loc=loc, scale=scale):
            return 1 / (1 + np.exp(-((2 * edge / 255 - 1) - loc) / scale))

        above = np.where(level == 255, 1.0, cdf(level + 0.5))
        mass = above - np.where(level == 0, 0.0, cdf(level - 0.5))
        log_w = np.log(mass).sum(-1) + ratio.double().sum(-1).numpy()
        top = log_w.max(0)
        log_prob.append(top + np.log(np.exp(log_w - top).mean(0)))
    saved = np.load(folder / "result.npz")["log_prob"]
    np.testing.assert_allclose(saved, np.concatenate(log_prob), rtol=2e-6)
    bits = -np.concatenate(log_prob).mean() / X / math.log(2)
    assert result["bits_per_dim"] == pytest.approx(bits, rel=2e-6)
    assert result["bits_per_dim_mc_error"] == pytest.approx(
        result["nll_mc_error"] / X / math.log(2), rel=1e-12
    )
    assert 0 < bits < 9
    assert (result["test_images"], result["binarisation"]) == (4, "none")


def test_bits_per_dimension_of_a_model_without_latents_is_its_entropy():
    """A decoder that ignores z: the marginal is the likelihood, uniform over levels at 8 bits."""

    class Flat(DiscretisedLogistic):
        def __call__(self, outputs, x):
            return -math.log(256) * torch.ones(*outputs.shape[:2]) * x.shape[-1]

    method, _ = tiny("vae")
    method.target = Joint(method.target.decoder, Flat())
    x = torch.rand(2, X)
    terms, _ = method.target(x, torch.randn(1, 2, 5))
    numbers = {"nll": -terms.mean().item(), "nll_mc_error": None}
    actual = bits_per_dimension(numbers, X)
    assert actual["bits_per_dim"] == pytest.approx(8.0)
    assert actual["bits_per_dim_mc_error"] is None


def test_pictures_have_colours_and_an_interpolation_ends_at_its_reconstructions(faces):
    method, _ = tiny("hvi")
    for drawn in draw_pictures(method, lambda count: faces.test[:4], 8).values():
        assert drawn.shape[1] == X
        assert ((drawn >= 0) & (drawn <= 1)).all()
    between = interpolations(method, faces.test[:4])
    assert between.shape == (2 * COLUMNS, X)
    with torch.no_grad():
        x = faces.test[:4] / 255.0
        z = method.posterior(x, method.noise("pictures", 1, 4, 4)).z[-1][0]
        ends = method.target.show(z, torch.zeros(4, X))
    expected = torch.stack([between[0], between[COLUMNS - 1], between[COLUMNS], between[-1]])
    torch.testing.assert_close(expected, ends, rtol=0, atol=1e-4)
    red = torch.zeros(1, X)
    red[0, :1024] = 1.0
    grid = np.asarray(picture(red))
    assert (grid[1:33, 1:33] == [255, 0, 0]).all()


def test_a_cut_held_out_set_is_told_where_it_is_too_large(faces):
    assert len(load_images("celeba", None, 0, size=32, held_out_limit=3).test) == 3
    assert len(load_images("digits", None, 0, held_out_limit=3).validation) == 3
    with pytest.raises(UsageError, match=r"data\.held_out_images is 5; .* 1 to the 4 of celeba"):
        load_images("celeba", None, 0, size=32, held_out_limit=5)


def test_a_configuration_without_the_keys_of_images_is_still_read():
    values = configuration.to_dict(configuration.load("vae", ["data.name=mnist"]))
    for key in ("encoder", "likelihood", "components", "widths", "residual_blocks"):
        del values["network"][key]
    for key in ("size", "held_out_images"):
        del values["data"][key]
    actual = configuration.from_dict(values)
    assert dataclasses.asdict(actual.network)["likelihood"] == "bernoulli"
    assert actual == configuration.load("vae", ["data.name=mnist"])
