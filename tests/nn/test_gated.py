import torch

from annealed.nn.gated import GatedDense, gated_mlp


def test_gated_dense_is_the_literal_formula():
    layer = GatedDense(4, 3).double()
    x = torch.randn(7, 4, dtype=torch.float64)
    w, v = layer.linear.weight.chunk(2)
    b, c = layer.linear.bias.chunk(2)
    expected = (x @ w.T + b) * torch.sigmoid(x @ v.T + c)
    torch.testing.assert_close(layer(x), expected, rtol=0, atol=1e-14)


def test_the_protocols_encoder_has_the_size_the_protocol_says():
    sizes = sum(p.numel() for p in gated_mlp(784, 300, 2).parameters())
    assert sizes == 2 * (784 * 300 + 300) + 2 * (300 * 300 + 300)
