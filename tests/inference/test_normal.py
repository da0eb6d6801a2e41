import torch
from torch import distributions

from annealed.inference.normal import Normal, standard_log_prob


def test_log_prob_is_that_of_torch_distributions():
    g = torch.Generator().manual_seed(0)
    loc, value = torch.randn(2, 4, 3, generator=g, dtype=torch.float64)
    scale = torch.rand(4, 3, generator=g, dtype=torch.float64) + 0.1
    expected = distributions.Normal(loc, scale).log_prob(value).sum(-1)
    torch.testing.assert_close(Normal(loc, scale).log_prob(value), expected, rtol=0, atol=1e-12)
    standard = distributions.Normal(0.0, 1.0).log_prob(value).sum(-1)
    torch.testing.assert_close(standard_log_prob(value), standard, rtol=0, atol=1e-12)


def test_rsample_has_the_mean_and_scale_asked_for():
    noise = torch.randn(100_000, 2, generator=torch.Generator().manual_seed(0))
    draws = Normal(torch.tensor([1.0, -2.0]), torch.tensor([0.5, 3.0])).rsample(noise)
    torch.testing.assert_close(draws.mean(0), torch.tensor([1.0, -2.0]), rtol=0, atol=0.05)
    torch.testing.assert_close(draws.std(0), torch.tensor([0.5, 3.0]), rtol=0.02, atol=0)
