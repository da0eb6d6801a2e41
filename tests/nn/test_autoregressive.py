"""The autoregressive decoder and its locally masked convolutions."""

import itertools

import pytest
import torch
from conftest import TINY
from torch.func import functional_call, vmap
from torch.nn import functional as F

from annealed import config as configuration
from annealed.config.registry import method_class
from annealed.evaluation.latents import mutual_information
from annealed.evaluation.result import read_result
from annealed.models.likelihoods import bernoulli
from annealed.models.targets import AutoregressiveJoint
from annealed.nn.autoregressive import AutoregressiveDecoder, LocallyMaskedConv, pixel_order
from annealed.runs.run import fit
from annealed.utils import randomness
from annealed.utils.errors import UsageError


def decoder(pixels=9, order="raster", latent=2):
    with randomness.initialisation(0):
        return AutoregressiveDecoder(latent, pixels, 4, 2, 3, order).double()


def test_the_s_curve_goes_back_every_second_row():
    assert pixel_order("s_curve", 3).tolist() == [0, 1, 2, 5, 4, 3, 6, 7, 8]
    order = pixel_order("s_curve", 6).argsort()
    steps = (order[1:] // 6 - order[:-1] // 6).abs() + (order[1:] % 6 - order[:-1] % 6).abs()
    assert (steps == 1).all()
    with pytest.raises(ValueError, match="accepted: raster, s_curve"):
        pixel_order("spiral", 3)


@pytest.mark.parametrize("strict", [True, False])
def test_in_raster_order_it_is_the_masked_convolution_of_pixelcnn(strict):
    conv = LocallyMaskedConv(2, 3, pixel_order("raster", 5), 3, strict).double()
    before = [(0, 0), (0, 1), (0, 2), (1, 0)] + [(1, 1)] * (not strict)
    assert conv.taps == before  # no product is spent on what comes after
    weight = torch.zeros(3, 2, 3, 3, dtype=torch.float64)
    for tap, of_tap in zip(before, conv.linear.weight.split(2, dim=1), strict=True):
        weight[:, :, tap[0], tap[1]] = of_tap
    x = torch.randn(4, 2, 5, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    expected = F.conv2d(x, weight, conv.linear.bias, padding=1)
    torch.testing.assert_close(conv(x.movedim(1, -1)), expected.movedim(1, -1))


@pytest.mark.parametrize("order", ["raster", "s_curve"])
def test_a_logit_reads_what_comes_before_it_and_nothing_else(order):
    g = torch.Generator().manual_seed(1)  # of a z at which no unit of the network is off
    net, z = decoder(order=order), torch.randn(1, 2, dtype=torch.float64, generator=g)
    x = torch.full((1, 9), 0.5, dtype=torch.float64)
    jacobian = torch.autograd.functional.jacobian(lambda v: net(z, v)[0], x)[:, 0]
    places = pixel_order(order, 3)
    before = places[None, :] < places[:, None]
    assert (jacobian[~before] == 0).all()
    neighbours = jacobian.abs() > 0
    blind = {"raster": 2, "s_curve": 0}[order]  # PixelCNN's blind spot, to the upper right
    assert neighbours.sum() == before.sum() - blind


@pytest.mark.parametrize("order", ["raster", "s_curve"])
def test_probabilities_of_all_images_sum_to_one(order):
    target = AutoregressiveJoint(decoder(order=order), bernoulli)
    images = torch.tensor(list(itertools.product([0.0, 1.0], repeat=9)), dtype=torch.float64)
    z = torch.randn(3, 1, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    log_p, _ = target(images, z.expand(3, 512, 2))
    torch.testing.assert_close(log_p.logsumexp(1), torch.zeros(3, dtype=torch.float64))


def test_draws_have_the_probabilities_of_the_model():
    net, n = decoder(pixels=4), 40_000
    target = AutoregressiveJoint(net, bernoulli)
    z = torch.tensor([[0.3, -1.0]], dtype=torch.float64).expand(n, 2)
    uniforms = randomness.uniform((n, 4), 0, "information").double()
    drawn = target.draw(z, uniforms)
    images = torch.tensor(list(itertools.product([0.0, 1.0], repeat=4)), dtype=torch.float64)
    probability = target(images, z[None, :16])[0][0].exp()
    counts = (drawn[:, None] == images).all(-1).double().mean(0)
    assert ((counts - probability).abs() < 5 * (probability / n).sqrt()).all()


@pytest.mark.parametrize("order", ["raster", "s_curve"])
def test_draws_read_within_reach_what_the_whole_image_says(order):
    with randomness.initialisation(0):
        net = AutoregressiveDecoder(2, 64, 4, 1, 3, order).double()
    assert net.reach == 2  # of 8 rows
    z = torch.randn(50, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    uniforms = randomness.uniform((50, 64), 0, "information").double()
    x = net.draw(z, uniforms)
    torch.testing.assert_close((uniforms < net(z, x).sigmoid()).double(), x)  # and no other image


def test_several_at_once_are_each_alone():
    nets = [decoder(), decoder()]
    with torch.no_grad():
        for p in nets[1].parameters():
            p.mul_(1.5)
    stacks = {
        name: torch.stack([net.get_parameter(name) for net in nets])
        for name, _ in nets[0].named_parameters()
    }
    z = torch.randn(2, 5, 3, 2, dtype=torch.float64)
    x = (torch.rand(2, 3, 9) < 0.5).double()
    together = vmap(lambda p, z, x: functional_call(nets[0], p, (z, x)))(stacks, z, x)
    for i, net in enumerate(nets):
        torch.testing.assert_close(together[i], net(z[i], x[i]))


@pytest.mark.parametrize("row", ["vae", "iterative", "hvi_avo"])
def test_a_row_trains_with_it_alone_and_side_by_side(row, tmp_path):
    options = [*TINY, "network.decoder=autoregressive", "network.channels=4", "network.blocks=1"]
    options += ["trainer.epochs=1"]
    alone = fit(configuration.load(row, [*options, f"runs={tmp_path / 'a'}", "seed=1"]))
    beside = [f"runs={tmp_path / 'b'}", "trainer.replicas=2"]
    fit(configuration.load(row, [*options, *beside]))
    one = read_result(alone / "result.json")
    other = read_result(tmp_path / "b" / "quick" / "digits" / row / "seed1" / "result.json")
    assert one["nll"] == pytest.approx(other["nll"], abs=0.01)


def test_an_even_kernel_is_refused():
    with pytest.raises(UsageError, match=r"network.kernel is 4; accepted: odd"):
        configuration.load("vae", ["network.kernel=4"])
    with pytest.raises(UsageError, match=r"network.kernel is 1; accepted: .*3"):
        configuration.load("vae", ["network.kernel=1"])


def test_information_is_zero_where_the_decoder_ignores_z_and_exact_where_it_copies_it():
    method = method_class("vae")(configuration.load("vae", [*TINY, "network.latent=2"]), 64)
    with torch.no_grad():
        for parameter in method.parameters():
            parameter.zero_()
        method.posterior.head.linear.bias[2:] = 0.5413  # q = N(0, I), the true posterior
    actual = mutual_information(method, 200)
    assert actual["mutual_information"] == pytest.approx(0.0, abs=1e-3)
    with torch.no_grad():  # every pixel is the sign of z_1: one bit
        shown = torch.nn.Linear(2, 64)
        shown.weight.zero_()
        shown.bias.zero_()
        shown.weight[:, 0] = 1e4
        method.target.decoder = shown
        method.config.evaluate.samples = 400
    actual = mutual_information(method, 1000)
    assert actual["mutual_information"] == pytest.approx(0.6931, abs=0.01)
