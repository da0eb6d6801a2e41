"""Networks without a state between calls: gated dense, convolutional, autoregressive."""

from annealed.utils.lazy import lazy_names

__all__, __getattr__, __dir__ = lazy_names(
    __name__,
    {
        "autoregressive": (
            "AutoregressiveDecoder",
            "LocallyMaskedConv",
            "MaskedBlock",
            "pixel_order",
        ),
        "convolutional": (
            "ConvolutionalDecoder",
            "ConvolutionalEncoder",
            "Norm",
            "ResidualBlock",
            "Upsample",
            "sides",
        ),
        "gated": ("GatedDense", "gated_mlp", "image_shape"),
    },
)
