import torch

from annealed.likelihoods import bernoulli


def test_bernoulli_is_that_of_torch_distributions_also_far_out():
    logits = torch.linspace(-80, 80, 2 * 3 * 5, dtype=torch.float64).reshape(2, 3, 5)
    x = (torch.arange(15).reshape(3, 5) % 2).double()
    expected = torch.distributions.Bernoulli(logits=logits).log_prob(x).sum(-1)
    torch.testing.assert_close(bernoulli(logits, x), expected, rtol=1e-12, atol=1e-12)
