"""Convolutional networks: shapes, sizes, stacked parameters, the memory that scoring takes."""

from itertools import accumulate

import pytest
import torch

from annealed import config as configuration
from annealed.config.registry import method_class
from annealed.inference.importance import floats_a_sample, log_marginal
from annealed.models import build
from annealed.nn.convolutional import ConvolutionalDecoder, ConvolutionalEncoder
from annealed.nn.gated import image_shape
from annealed.utils import randomness
from annealed.utils.errors import UsageError

ROWS = ("vae", "iwae", "hvi", "hvi_avo", "householder", "iaf")
SHAPE, WIDTHS = (3, 16, 16), [8, 12, 8]


def networks(seed: int = 0):
    """A small encoder and decoder in float64, no layer of which is zero."""
    with randomness.initialisation(seed):
        encoder = ConvolutionalEncoder(SHAPE, WIDTHS, 1, 5)
        decoder = ConvolutionalDecoder(4, SHAPE, WIDTHS, 1, [0.0, -1.0])
        for net in (encoder, decoder):
            for p in net.parameters():
                p.data += 0.1 * torch.randn_like(p)
    return encoder.double(), decoder.double()


def test_an_image_is_flat_in_and_out_and_a_batch_is_its_rows_one_by_one():
    encoder, decoder = networks()
    g = torch.Generator().manual_seed(0)
    x = torch.rand(5, 768, generator=g, dtype=torch.float64)
    z = torch.randn(2, 5, 4, generator=g, dtype=torch.float64)
    context, outputs = encoder(x), decoder(z)
    assert context.shape == (5, 5)
    assert outputs.shape == (2, 5, 2 * 768)
    for b in range(5):
        torch.testing.assert_close(encoder(x[b : b + 1])[0], context[b], rtol=0, atol=1e-12)
        torch.testing.assert_close(decoder(z[1, b]), outputs[1, b], rtol=0, atol=1e-12)


def test_pixels_keep_their_places():
    encoder, decoder = networks()
    corner = torch.zeros(SHAPE, dtype=torch.float64)
    corner[1, 0, 0] = 1.0  # green, top left
    black, first = torch.zeros_like(corner), encoder.layers[0]
    seen = first(corner[None])[0] - first(black[None])[0]
    assert seen[:, 2:, :].abs().max() == 0
    assert seen[:, :2, :2].abs().max() > 0
    with torch.no_grad():
        decoder.out.weight.zero_()
        decoder.out.bias.copy_(torch.arange(6.0))  # parameters of red, green, blue, then the next
    blocks = decoder(torch.zeros(1, 4).double()).reshape(2, 3, 16, 16)
    expected = torch.arange(6.0).reshape(2, 3, 1, 1).double().expand(blocks.shape)
    assert torch.equal(blocks, expected)


def test_every_value_starts_where_its_likelihood_says():
    with randomness.initialisation(0):
        decoder = ConvolutionalDecoder(4, SHAPE, WIDTHS, 1, [0.5, -1.0])
    loc, raw = decoder(torch.randn(20, 4, generator=torch.Generator().manual_seed(0))).chunk(2, -1)
    assert (loc - 0.5).abs().max() < 0.3
    assert (raw + 1.0).abs().max() < 0.3
    assert loc.std(0).min() > 0  # and yet z is read everywhere


@pytest.mark.parametrize("which", [0, 1])
def test_vmap_over_stacked_parameters_is_each_set_alone(which):
    nets = [networks(seed)[which] for seed in (0, 1)]
    g = torch.Generator().manual_seed(0)
    size = (2, 3, 768) if which == 0 else (2, 1, 3, 4)
    given = torch.rand(size, generator=g, dtype=torch.float64)
    stacked, _ = torch.func.stack_module_state(nets)
    one = lambda p, v: torch.func.functional_call(nets[0], p, (v,))  # noqa: E731
    actual = torch.func.vmap(one)(stacked, given)
    for i, net in enumerate(nets):
        torch.testing.assert_close(actual[i], net(given[i]), rtol=0, atol=1e-10)


def test_half_precision_ends_before_the_last_layer():
    with randomness.initialisation(0):
        decoder = ConvolutionalDecoder(4, SHAPE, WIDTHS, 1, [0.0, -1.0])
    with torch.autocast("cpu", torch.bfloat16):
        assert decoder.linear(torch.zeros(1, 4)).dtype == torch.bfloat16
        assert decoder(torch.zeros(1, 4)).dtype == torch.float32


def celeba(row: str, *overrides: str):
    """A row on CelebA in float32, as its configuration makes it."""
    config = configuration.load(row, ["data.name=celeba", *overrides])
    return method_class(row)(config, 3 * config.data.size**2)


@pytest.mark.parametrize("size", [32, 64])
@pytest.mark.parametrize("row", ROWS)
def test_the_default_model_is_under_ten_million_parameters(row, size):
    with torch.device("meta"):  # sizes alone
        method = celeba(row, f"data.size={size}")
    count = sum(p.numel() for p in method.parameters())
    assert 5e6 < count < 10e6
    assert method.config.network.latent == 128


@pytest.mark.parametrize(
    ("override", "phrase"),
    [
        (["data.name=mnist", "network.likelihood=logistic_mixture"], "accepted: bernoulli"),
        (["data.name=celeba", "network.likelihood=bernoulli"], "accepted: discretised_logistic"),
        (["data.name=celeba", "network.decoder=autoregressive"], "accepted: dense, conv"),
        (["network.widths=[8,0]"], "each a whole number from 1"),
        (["network.widths=[]"], "network.widths is empty"),
        (["network.encoder=transformer"], "accepted: one of dense, convolutional"),
    ],
)
def test_what_does_not_fit_together_is_one_sentence(override, phrase):
    with pytest.raises(UsageError, match=r"network\.") as error:
        configuration.load("vae", override)
    assert phrase in str(error.value)
    assert "\n" not in str(error.value)


def test_too_many_resolutions_are_told_with_how_many_fit():
    options = configuration.load("vae", ["network.encoder=convolutional"]).network
    with pytest.raises(UsageError, match=r"widths has 5 .* at most 3 entries for images of 28"):
        build.image_encoder(options, 784)
    options.widths = [4, 4, 4]
    assert build.image_encoder(options, 784)(torch.rand(2, 784)).shape == (2, options.hidden)


@pytest.mark.parametrize("likelihood", ["discretised_logistic", "logistic_mixture"])
def test_a_dense_decoder_starts_where_its_likelihood_says(likelihood):
    options = ["network.decoder=dense", f"network.likelihood={likelihood}", "network.components=3"]
    method = celeba("vae", "data.size=32", "network.widths=[8,8]", *options)
    pixel = method.target.likelihood
    blocks = method.target.decoder[1].bias.reshape(pixel.parameters, 3072)
    assert torch.equal(blocks, torch.tensor(pixel.bias())[:, None].expand_as(blocks))
    log_prob, _ = method.target(torch.rand(2, 3072), torch.zeros(1, 2, 128))
    assert log_prob.shape == (1, 2)


def test_binary_pixels_take_convolutions_too():
    options = ["data.name=digits", "network.encoder=convolutional", "network.widths=[8,8]"]
    config = configuration.load("vae", [*options, "network.decoder=convolutional"])
    method = method_class("vae")(config, 64)
    grey, noise = torch.randint(0, 256, (3, 64)).byte(), method.noise("posterior", 2, 3, 0)
    one = torch.ones(())
    loss, metrics = method(grey, torch.rand(3, 64), noise, None, one, one)
    assert metrics.shape == (3,)
    torch.testing.assert_close(loss.detach(), -metrics[0])
    assert abs(metrics[1] + 64 * 0.693) < 10  # at the start a pixel costs about a bit


def test_a_flat_images_shape_is_its_own():
    assert [image_shape(n) for n in (784, 64, 3072, 12288)] == [
        (1, 28, 28),
        (1, 8, 8),
        (3, 32, 32),
        (3, 64, 64),
    ]
    with pytest.raises(ValueError, match="785"):
        image_shape(785)


def test_feature_maps_count_in_the_memory_budget(monkeypatch):
    method = celeba("hvi", "data.size=32", "network.widths=[16,8]", "network.hidden=16")
    floats = floats_a_sample(method.target, method.posterior, 3072, 128)
    assert floats > 3 * 32 * 32 * 16  # the finest maps
    seen, walk = [], method.posterior.sample_path

    def watched(base, context, noise):
        seen.append(noise.shape[1])
        return walk(base, context, noise)

    monkeypatch.setattr(method.posterior, "sample_path", watched)
    x, estimates = torch.rand(2, 3072).mul(255).round() / 255, []
    for samples_at_once in (4, 100):
        budget = 4 * 2 * floats * (samples_at_once + 0.5) / 2**20
        seen.clear()
        estimates.append(log_marginal(method.target, method.posterior, x, 128, 20, 0, 0, budget))
        # an even part of a block of ten; then all of S
        assert set(seen) == {{4: 2, 100: 20}[samples_at_once]}
    for name, value in vars(estimates[0]).items():
        other = vars(estimates[1])[name]
        torch.testing.assert_close(other, value, rtol=1e-5, atol=0, equal_nan=True)


def peak(call) -> float:
    """The most floats that `call` holds at once."""
    with torch.no_grad(), torch.profiler.profile(profile_memory=True) as profile:
        call()
    events = [e for e in profile.profiler.kineto_results.events() if e.name() == "[memory]"]
    sizes = [e.nbytes() / 4 for e in sorted(events, key=lambda e: e.start_ns())]
    return max(accumulate(sizes))


@pytest.mark.parametrize("likelihood", ["discretised_logistic", "logistic_mixture"])
@pytest.mark.parametrize("widths", ["[16,8]", "[8,32]", "[64,8]"])
def test_a_sample_takes_no_more_memory_than_stated_and_not_much_less(widths, likelihood):
    options = ["data.size=32", "network.hidden=16", f"network.widths={widths}"]
    method = celeba("vae", *options, f"network.likelihood={likelihood}")
    stated = floats_a_sample(method.target, method.posterior, 3072, 128)
    x = torch.rand(1, 3072).mul(255).round() / 255
    few, many = (peak(lambda s=s: method.target(x, torch.randn(s, 1, 128))) for s in (4, 8))
    assert 0.3 * stated < (many - few) / 4 <= stated
