"""The networks that a configuration describes: the generative model and the encoder."""

from torch import nn

from annealed.config.schema import NetworkOptions
from annealed.models.likelihoods import Likelihood, bernoulli
from annealed.models.logistic import DiscretisedLogistic, LogisticMixture
from annealed.models.targets import AutoregressiveJoint, Joint
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


def target(options: NetworkOptions, pixels: int) -> Joint:
    """The generative model of images of `pixels` values, the channels counted."""
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


def encoder(options: NetworkOptions, pixels: int) -> nn.Module:
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
