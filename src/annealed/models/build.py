"""What a configuration describes: the target, the encoder and the head that makes q_0."""

from torch import nn

from annealed.config.datasets import ENERGIES, TOY
from annealed.config.schema import Config, NetworkOptions
from annealed.config.toys import energy_function
from annealed.inference.kernels import inverse_softplus
from annealed.inference.posteriors import FixedHead, GaussianHead
from annealed.models import catalogue
from annealed.models.catalogue import Toy
from annealed.models.likelihoods import Likelihood, bernoulli
from annealed.models.logistic import DiscretisedLogistic, LogisticMixture
from annealed.models.targets import AutoregressiveJoint, Energy, Joint
from annealed.nn.autoregressive import AutoregressiveDecoder
from annealed.nn.convolutional import ConvolutionalDecoder, ConvolutionalEncoder, sides
from annealed.nn.gated import gated_mlp, image_shape
from annealed.utils.errors import UsageError


def likelihood(options: NetworkOptions) -> Likelihood:
    """p(x | z) of what the decoder returns; it also says what x is."""
    if options.likelihood == "discretised_logistic":
        return DiscretisedLogistic()
    if options.likelihood == "logistic_mixture":
        return LogisticMixture(options.components)
    return bernoulli


def toy(config: Config) -> Toy:
    """The energy `data.energy`, of the catalogue or the user's own, and what is known of it.

    Raises UsageError where `network.latent` is not its dimension.
    """
    name, dim = config.data.energy, config.network.latent
    if name not in ENERGIES:
        return Toy(Energy(energy_function(name)))
    try:
        return catalogue.toy(name, dim)
    except ValueError as error:
        raise UsageError(
            f"network.latent is {dim}, which does not fit data.energy {name!r}: {error}."
        ) from None


def target(config: Config, pixels: int) -> Joint | Energy:
    """The energy, or the generative model of images of `pixels` values, the channels counted."""
    if config.data.name == TOY:
        return toy(config).energy
    return generative_model(config.network, pixels)


def encoder(config: Config, pixels: int) -> tuple[nn.Module, int]:
    """x (B, X) to a context (B, H), and H: where there is no x, the context is x, a constant 1."""
    if config.data.name == TOY:
        return nn.Identity(), pixels
    return image_encoder(config.network, pixels), config.network.hidden


def head(config: Config, context: int) -> nn.Module:
    """The context (B, H) to q_0: a Gaussian by one linear map, or N(0, scale^2 I) held fixed.

    Where there is no x, the linear map starts at N(0, scale^2 I), too. The prior is N(0, I).
    """
    dim = config.network.latent
    if config.posterior.start == "prior":
        return FixedHead([1.0] * dim)
    if config.data.name != TOY:
        return GaussianHead(context, dim)
    scale = config.data.start_scale or toy(config).scale
    if not config.data.learn_start:
        return FixedHead([scale] * dim)
    return wide_start(context, dim, scale)


def wide_start(context: int, dim: int, scale: float) -> GaussianHead:
    """A Gaussian by one linear map of the context (B, `context`) that starts at N(0, scale^2 I)."""
    start = GaussianHead(context, dim)
    nn.init.zeros_(start.linear.weight)
    nn.init.zeros_(start.linear.bias)
    nn.init.constant_(start.linear.bias[dim:], inverse_softplus(scale))
    return start


def generative_model(options: NetworkOptions, pixels: int) -> Joint:
    """p(x, z) of images of `pixels` values, the channels counted."""
    pixel = likelihood(options)
    if options.decoder == "autoregressive":
        sizes = (options.channels, options.blocks, options.kernel, options.pixel_order)
        return AutoregressiveJoint(AutoregressiveDecoder(options.latent, pixels, *sizes), pixel)
    bias = pixel.bias()
    if options.decoder == "convolutional":
        net = (options.widths, options.residual_blocks, bias or [0.0])
        return Joint(ConvolutionalDecoder(options.latent, _shape(options, pixels), *net), pixel)
    dense = gated_mlp(options.latent, options.hidden, options.layers)
    out = nn.Linear(options.hidden, pixel.parameters * pixels)
    if bias is not None:
        start = out.bias.data.new_tensor(bias)
        out.bias.data.copy_(start.repeat_interleave(pixels))
    return Joint(nn.Sequential(dense, out), pixel)


def image_encoder(options: NetworkOptions, pixels: int) -> nn.Module:
    """Images (B, X) to a context (B, network.hidden)."""
    if options.encoder == "convolutional":
        net = (options.widths, options.residual_blocks, options.hidden)
        return ConvolutionalEncoder(_shape(options, pixels), *net)
    return gated_mlp(pixels, options.hidden, options.layers)


def _shape(options: NetworkOptions, pixels: int) -> tuple[int, int, int]:
    """(C, H, W); raises UsageError where the resolutions of `options` do not fit."""
    shape = image_shape(pixels)
    try:
        sides(shape, options.widths)
    except ValueError as error:
        count, side = len(options.widths), shape[1]
        most = (side & -side).bit_length()
        raise UsageError(
            f"network.widths has {count} entries but {error}; accepted: at most {most} entries "
            f"for images of {side} x {side}."
        ) from None
    return shape
