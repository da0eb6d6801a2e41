import pytest
import torch
from conftest import TINY, D, noise_for, posterior

from annealed import config as configuration
from annealed.inference.objectives import (
    DoublyReparameterised,
    Maximise,
    ObjectiveInputs,
    elbo,
    iwae,
    log_weight,
)
from annealed.runs.run import fit
from annealed.training.record import read_metrics


def exact_slopes(target, x, values):
    """The ELBO's gradient in closed form: it is quadratic in mu and sigma."""
    mu, log_sigma = values.chunk(2, -1)
    w = target.weight.detach()
    likelihood = (x - target.bias.detach() - mu @ w.T) @ w / 0.49
    curvature = 1 + w.square().sum(0) / 0.49
    return torch.cat([likelihood - mu, 1 - curvature * (2 * log_sigma).exp()], -1)


def test_the_slopes_are_those_of_the_elbo(linear_gaussian):
    target, x = linear_gaussian
    q = posterior("iterative", target=target)
    g = torch.Generator().manual_seed(0)
    values = 0.3 * torch.randn(len(x), 2 * D, generator=g, dtype=torch.float64)
    noise = torch.randn(200_000, 1, D, generator=g, dtype=torch.float64)
    noise = torch.cat([noise, -noise])  # mean zero, so the linear part is exact
    actual = torch.cat([q.slopes(x[b : b + 1], values[b : b + 1], noise) for b in range(3)])
    torch.testing.assert_close(actual, exact_slopes(target, x, values)[:3], rtol=0.02, atol=0.05)
    with torch.no_grad():  # as in scoring
        again = q.slopes(x[:1], values[:1], noise)
    assert torch.equal(again, actual[:1])


def test_the_target_is_no_part_of_the_posterior_and_gets_no_gradient(linear_gaussian):
    target, x = linear_gaussian
    q = posterior("iterative", target=target)
    assert {name.split(".")[0] for name, _ in q.named_parameters()} == {
        "encoder",
        "head",
        "refiner",
    }
    base, _ = q.start(x, noise_for(q, 2, len(x))[:3])
    (base.loc.sum() + base.scale.sum()).backward()
    assert all(p.grad is None for p in target.parameters())
    assert all(p.grad.abs().sum() > 0 for p in q.parameters())


def test_training_makes_each_refinement_worth_its_while(linear_gaussian):
    target, x = linear_gaussian
    q = posterior("iterative", target=target)
    with torch.no_grad():  # an encoder that says nothing: only the gradient can tell x apart
        q.encoder[0].weight.zero_()
    q.encoder.requires_grad_(False)
    adam = torch.optim.Adam([p for p in q.parameters() if p.requires_grad], 1e-2)
    for step in range(800):
        adam.zero_grad()
        bound = elbo(log_weight(target, x, q(x, noise_for(q, 16, len(x), step)))).mean()
        (-bound).backward()
        adam.step()
    noise = noise_for(q, 5000, len(x), 10_000)
    with torch.no_grad():
        bounds = torch.stack(
            [
                elbo(log_weight(target, x, q.sample_path(*q.start(x, noise[:n]), noise[3:]))).mean()
                for n in range(4)
            ]
        )
    assert (bounds.diff() > 0).all()
    assert bounds[3] - bounds[0] > 1.0
    assert bounds[3] < target.log_marginal(x).mean()


def test_iwae_of_a_refined_posterior_has_the_same_value_under_dreg(linear_gaussian):
    target, x = linear_gaussian
    q = posterior("iterative", target=target)
    step = ObjectiveInputs(target, q, x, noise_for(q, 4, len(x)))
    ((plain, _),) = Maximise(iwae, 4)(step)
    ((dreg, _),) = DoublyReparameterised(4)(step)
    torch.testing.assert_close(plain, dreg, rtol=0, atol=1e-10)


def test_the_curve_over_refinements_is_in_the_metrics(tmp_path):
    config = configuration.load("iterative", [*TINY, f"runs={tmp_path}", "trainer.epochs=30"])
    metrics = read_metrics(fit(config))
    names = [f"val/elbo_after_{n}" for n in range(4)]
    assert set(names) <= set(metrics)
    last = metrics.iloc[-1]
    assert last["val/elbo_after_3"] == pytest.approx(last["val/elbo"], abs=1e-3)
    assert last["val/elbo_after_3"] > last["val/elbo_after_0"]
