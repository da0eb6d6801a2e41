"""Networks: gated dense, convolutional, autoregressive."""
