import math
from itertools import pairwise

import pytest
import torch
from conftest import D, small_problem
from torch.nn import functional as F

import annealed as al
from annealed.inference import annealing
from annealed.inference.annealing import Annealing
from annealed.inference.importance import WeightStream
from annealed.inference.tempering import BLOCK, AnnealingOptions, inverse_temperature
from annealed.utils import randomness

TARGET, X = small_problem()


def log_joint(x, z):
    return sum(TARGET(x, z))


def wide(batch, dim=D):
    """A start that is neither the prior nor the posterior."""
    loc = torch.full((batch, dim), 0.2).double()
    return al.Normal(loc, torch.full_like(loc, 1.2))


def near(x):
    """A start that is the exact posterior without its correlations, so that weights spread little.

    The posterior is N(C W' (x - b) / s^2, C) with C = (I + W' W / s^2)^-1.
    """
    weight, variance = TARGET.weight.detach(), TARGET.noise_scale**2
    covariance = (torch.eye(D) + weight.T @ weight / variance).inverse()
    loc = (x - TARGET.bias.detach()) @ weight @ covariance / variance
    return al.Normal(loc, (1.2 * covariance.diagonal()).sqrt().expand_as(loc))


def simulated(count, seed=0):
    """z ~ p(z), x ~ p(x | z) of TARGET: (count, D) and (count, X)."""
    generator = torch.Generator().manual_seed(seed)
    z = torch.randn(count, D, generator=generator, dtype=torch.float64)
    noise = torch.randn(count, X.shape[1], generator=generator, dtype=torch.float64)
    return z, (z @ TARGET.weight.T + TARGET.bias + TARGET.noise_scale * noise).detach()


def both_sides(z, x, q=None, joint=log_joint, **sizes):
    chains = Annealing(joint, q or wide(len(x)), x, AnnealingOptions(**sizes))
    return chains.forward(), chains.reverse(z)


def z_score(values):
    """The mean of values (N,) in standard errors from zero."""
    return (values.mean() / (values.std() / len(values) ** 0.5)).item()


def test_temperatures_rise_evenly_about_the_middle_and_slowly_at_the_ends():
    beta = [inverse_temperature(k / 10) for k in range(11)]
    assert beta[0] == pytest.approx(0.0, abs=1e-15)
    assert beta[5] == pytest.approx(0.5)
    assert beta[10] == pytest.approx(1.0)
    rises = [b - a for a, b in pairwise(beta)]
    assert rises == pytest.approx(rises[::-1])
    assert 0 < rises[0] < rises[2] < rises[4]


def test_the_exact_log_p_lies_within_the_stated_error_of_both_sides():
    z, x = simulated(10)
    exact = TARGET.log_marginal(x)
    lower, upper = both_sides(z, x, chains=32, temperatures=400)
    assert (lower.std_error < 0.1).all()
    assert ((lower.log_prob - exact) / lower.std_error).abs().max() < 4.0
    assert (upper.log_prob - exact).abs().max() < 0.3
    assert (upper.log_prob - lower.log_prob).abs().max() < 0.3
    assert (lower.acceptance > 0.5).all()
    assert (lower.acceptance < 0.85).all()


def test_forward_chains_are_below_and_reverse_ones_above_in_expectation():
    z, x = simulated(400)
    exact = TARGET.log_marginal(x)
    gaps = []
    for temperatures in (3, 30):
        lower, upper = both_sides(z, x, chains=4, temperatures=temperatures)
        assert z_score(exact - lower.log_prob) > 4.0
        assert z_score(upper.log_prob - exact) > 4.0
        gaps.append((upper.log_prob - lower.log_prob).mean())
    assert gaps[1] < 0.3 * gaps[0]


def test_weights_of_few_temperatures_are_unbiased_in_both_directions():
    z, x = simulated(4000)
    exact = TARGET.log_marginal(x)
    lower, upper = both_sides(z, x, near(x), chains=16, temperatures=4, leapfrogs=2)
    for ratio in ((lower.log_prob - exact).exp(), (exact - upper.log_prob).exp()):
        assert abs(z_score(ratio - 1.0)) < 4.0
        assert ratio.std() / len(x) ** 0.5 < 0.02  # what is not seen is less than that


def test_accepting_every_move_would_bias_the_weights(monkeypatch):
    draw = randomness.uniform
    monkeypatch.setattr(annealing.randomness, "uniform", lambda *a, **k: 0.0 * draw(*a, **k))
    z, x = simulated(4000)
    lower, _ = both_sides(z, x, near(x), chains=16, temperatures=4, leapfrogs=2)
    assert abs(z_score((lower.log_prob - TARGET.log_marginal(x)).exp() - 1.0)) > 6.0


def test_one_temperature_is_importance_sampling_from_the_start():
    q = wide(len(X))
    estimate = al.ais(log_joint, q, X, chains=40, temperatures=1, seed=5, batch_index=3)
    noise = [
        randomness.normal((BLOCK, len(X), D), 5, "ais", 3, 0, block, 0, 0, dtype=torch.float64)
        for block in range(3)
    ]
    z = q.rsample(torch.cat(noise)[:40])
    log_w = log_joint(X, z) - torch.distributions.Normal(*q).log_prob(z).sum(-1)
    torch.testing.assert_close(estimate.log_prob, log_w.logsumexp(0) - math.log(40))
    torch.testing.assert_close(estimate.elbo, log_w.mean(0))
    assert estimate.acceptance.isnan().all()


NET = torch.tensor([[2.0, -1.0], [0.5, 1.5], [-1.0, 2.5]], dtype=torch.float64)


def binary_joint(x, z):
    """Three binary pixels of a nonlinear decoder of two latents."""
    logits = 2.0 * (z @ NET.T).tanh() + z[..., :1].square() - 1.0
    prior = torch.distributions.Normal(0.0, 1.0).log_prob(z).sum(-1)
    return (x * logits - F.softplus(logits)).sum(-1) + prior


def test_both_sides_meet_the_quadrature_of_a_nonlinear_model():
    generator = torch.Generator().manual_seed(0)
    z = torch.randn(200, 2, generator=generator, dtype=torch.float64)
    logits = 2.0 * (z @ NET.T).tanh() + z[..., :1].square() - 1.0
    x = (torch.rand(200, 3, generator=generator) < logits.sigmoid()).double()
    axis = torch.linspace(-8, 8, 401, dtype=torch.float64)
    grid = torch.cartesian_prod(axis, axis)[:, None]
    exact = binary_joint(x, grid).logsumexp(0) + 2 * math.log(16 / 400)
    codes = (x @ torch.tensor([4.0, 2.0, 1.0]).double()).long()
    each = exact[[int((codes == code).nonzero()[0]) for code in codes.unique()]]
    if len(each) == 8:
        assert each.exp().sum().item() == pytest.approx(1.0, abs=1e-6)  # probabilities of all x
    lower, upper = both_sides(z, x, wide(200, 2), binary_joint, chains=16, temperatures=100)
    assert ((lower.log_prob - exact) / lower.std_error).abs().max() < 5.0
    assert abs(z_score((lower.log_prob - exact).exp() - 1.0)) < 4.0
    assert abs(z_score((exact - upper.log_prob).exp() - 1.0)) < 4.0
    assert (upper.log_prob - lower.log_prob).mean() < 0.02


def weights_of(monkeypatch, **sizes):
    """The chunks of log-weights that a run adds up."""
    chunks, add = [], WeightStream.add

    def watched(self, log_w):
        chunks.append(log_w.clone())
        add(self, log_w)

    monkeypatch.setattr(WeightStream, "add", watched)
    al.ais(log_joint, wide(len(X)), X, temperatures=8, **sizes)
    monkeypatch.setattr(WeightStream, "add", add)
    return chunks


def test_more_chains_come_in_blocks_and_change_no_bit_of_the_first(monkeypatch):
    few, many = (weights_of(monkeypatch, chains=chains) for chains in (16, 40))
    assert [len(chunk) for chunk in many] == [BLOCK, BLOCK, 8]
    assert torch.equal(few[0], many[0])
    assert not torch.equal(many[0], many[1])


def test_the_same_seed_gives_the_same_bits_and_another_does_not():
    def run(**key):
        return al.ais(log_joint, wide(len(X)), X, temperatures=8, **key)

    first, again = run(seed=3), run(seed=3)
    for name in ("log_prob", "std_error", "ess", "elbo", "acceptance"):
        assert torch.equal(getattr(first, name), getattr(again, name))
    for other in (run(seed=4), run(seed=3, batch_index=1)):
        assert not torch.equal(first.log_prob, other.log_prob)


def test_steps_are_found_before_the_chains_and_fit_each_example():
    def narrow(x, z):  # a Gaussian whose width is x
        return -0.5 * (z / x).square().sum(-1) - D * x[:, 0].log()

    widths = torch.tensor([[1.0], [0.1], [0.01]]).double()
    q = al.Normal(torch.zeros(3, D).double(), torch.ones(3, D).double())
    steps = {}
    for chains in (1, 64):
        run = Annealing(narrow, q, widths, AnnealingOptions(chains, 50))
        steps[chains] = run.log_steps.clone()
        estimate = run.forward()
        assert torch.equal(run.log_steps, steps[chains])  # no chain changes its steps
    assert torch.equal(steps[1], steps[64])
    assert (estimate.acceptance > 0.4).all()
    wide_step, middle, smallest = steps[1][-1].exp().tolist()
    assert wide_step > 4 * middle > 16 * smallest
    exact = D / 2 * math.log(2 * math.pi)
    assert estimate.log_prob[:2].tolist() == pytest.approx([exact, exact], abs=0.5)


@pytest.mark.parametrize("x", [X, None], ids=["with an x", "without"])
def test_compiled_steps_make_the_same_moves(x):
    joint = log_joint if x is X else lambda x, z: log_joint(X, z)
    arguments = joint, wide(len(X)), x
    plain = al.ais(*arguments, temperatures=6, leapfrogs=3)
    fast = al.ais(*arguments, temperatures=6, leapfrogs=3, compile=True)
    torch.testing.assert_close(fast.log_prob, plain.log_prob, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(fast.acceptance, plain.acceptance, rtol=1e-9, atol=1e-9)


def test_the_log_z_of_an_energy_without_an_x_is_estimated():
    modes = torch.tensor([[-4.0, 0.0], [4.0, 0.0]])

    def log_f(x, z):
        return (-(z[..., None, :] - modes).square().sum(-1)).logsumexp(-1)

    q = al.Normal(torch.zeros(1, 2), torch.full((1, 2), 3.0))
    estimate = al.ais(log_f, q, chains=200, temperatures=50)
    error = 4 * estimate.std_error.item()
    assert error < 0.3
    assert estimate.log_prob.item() == pytest.approx(math.log(2 * math.pi), abs=error)
    assert str(estimate).startswith(f"log Z = {estimate.log_prob.item():.4f} nats, standard")


def test_a_run_reports_as_many_transitions_as_it_says():
    options, reports = AnnealingOptions(20, 7, 2), []
    run = Annealing(log_joint, wide(len(X)), X, options, report=lambda: reports.append(1))
    run.forward()
    run.reverse(torch.zeros(len(X), D).double())
    assert len(reports) == options.transitions(passes=2) == 50 + 2 * 2 * 6
    assert AnnealingOptions(20, 1).transitions() == 0


@pytest.mark.parametrize("name", ["chains", "temperatures", "leapfrogs"])
@pytest.mark.parametrize("value", [0, -3])
def test_a_size_below_one_is_refused(name, value):
    with pytest.raises(ValueError, match=rf"^{name} is {value}; accepted: a whole number from 1$"):
        al.ais(log_joint, wide(len(X)), X, **{name: value})


def test_a_start_of_another_shape_is_refused():
    for q in (wide(3), al.Normal(torch.zeros(D), torch.ones(D))):
        with pytest.raises(ValueError, match=r"^start is \(.*\); accepted: \(10, D\)$"):
            al.ais(log_joint, q, X)


def test_a_density_of_another_shape_is_refused():
    with pytest.raises(
        ValueError, match=r"\(16, 10, 3\) to \(16, 10, 3\); it must give one number"
    ):
        al.ais(lambda x, z: -z.square(), wide(len(X)), X)


@pytest.mark.parametrize("value", [torch.nan, torch.inf, -torch.inf])
def test_a_density_that_is_not_finite_where_a_chain_starts_is_refused(value):
    def holed(x, z):
        return torch.where(torch.arange(len(X)) == 7, value, log_joint(x, z))

    for temperatures in (1, 5):
        with pytest.raises(ValueError, match=rf"^log p\(x, z\) is {value} where .* example 7 "):
            al.ais(holed, wide(len(X)), X, temperatures=temperatures)


def test_a_step_size_that_falls_without_end_is_told():
    def steep(x, z):
        return -(1e12 * z[..., 0]).abs() * (torch.arange(len(X)) == 2) + log_joint(x, z)

    with pytest.raises(ValueError, match=r"^no step down to 1e-05 .* for example 2: .* diverges"):
        al.ais(steep, wide(len(X)), X, temperatures=50)
