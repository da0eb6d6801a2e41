import pytest
import torch

from annealed.compute.replicas import Replicas, transpose_stack
from annealed.inference import fitting
from annealed.inference.bound import Bound
from annealed.inference.divergence import divergences, sample
from annealed.inference.fitting import fit_posterior
from annealed.inference.objectives import Maximise, log_weight
from annealed.inference.posteriors import Posterior
from annealed.inference.transitions import Refinement
from annealed.models import energies
from annealed.models.targets import Energy
from annealed.utils import randomness
from reproduce.experiments import paths

SCALE = [1.5, 0.7]
ONE = torch.ones(1, 1, dtype=torch.float64)


def toys(method, seeds, count=3, target="d"):
    made = [paths.posterior(method, count, SCALE, 8, seed).double() for seed in seeds]
    return Replicas([Bound(energies.energy(target), q) for q in made])


@pytest.mark.parametrize("method", ["iaf", "householder", "hvi"])
@pytest.mark.parametrize(
    ("name", "mode"), [("elbo", 0.0), ("avo", 1.0), ("mixture", 1.0), ("mixture", 0.0)]
)
def test_gradients_side_by_side_are_those_of_each_seed_alone(method, name, mode):
    seeds = [0, 3, 5]
    together, alone = toys(method, seeds), [toys(method, [seed]) for seed in seeds]
    for replicas in (together, *alone):
        for member in replicas.members:
            member.objective = paths.objective(name, 3)
    shape = (together.members[0].posterior.num_draws, 6, 1, 2)
    noise = torch.stack(
        [randomness.normal(shape, s, "posterior", 0, dtype=torch.float64) for s in seeds]
    )
    value = together.backward((noise,), ONE, mode)
    for r, separate in enumerate(alone):
        expected = separate.backward((noise[r : r + 1],), ONE, mode)
        torch.testing.assert_close(value[r : r + 1], expected, rtol=0, atol=1e-10)
        for (key, p), (_, q) in zip(
            together.named_parameters(), separate.named_parameters(), strict=True
        ):
            assert (p.grad is None) == (q.grad is None), key
            if q.grad is not None:
                actual = transpose_stack(p.grad, together.transposed)[r]
                torch.testing.assert_close(actual, q.grad[0], rtol=0, atol=1e-10, msg=key)


@pytest.mark.parametrize("seeds", [[0, 1], [1, 0, 1]])
def test_a_seed_trained_beside_others_is_the_seed_trained_alone(seeds):
    lengths = {"avo": 3, "mixture": 10, "elbo": 3}
    phases = [(paths.objective(name, 3), length) for name, length in lengths.items()]
    target = energies.energy("d")
    together = [paths.posterior("iaf", 3, SCALE, 8, seed).double() for seed in seeds]
    alone = paths.posterior("iaf", 3, SCALE, 8, 1).double()
    curves = fit_posterior(target, together, phases, seed=seeds, samples=4, learning_rate=1e-2)
    curve = fit_posterior(target, alone, phases, seed=1, samples=4, learning_rate=1e-2)
    for r in (r for r, seed in enumerate(seeds) if seed == 1):
        torch.testing.assert_close(curves[:, r], curve, rtol=0, atol=1e-10)
        for name, p in alone.named_parameters():
            beside = together[r].get_parameter(name)
            torch.testing.assert_close(p, beside, rtol=0, atol=1e-10, msg=name)


def test_beta_weights_the_rate_in_the_bound_that_a_step_raises():
    target = energies.energy("d")
    fitted, by_hand = (paths.posterior("hvi", 2, SCALE, 8, 0).double() for _ in range(2))
    fit_posterior(target, fitted, Maximise(), 1, samples=4, learning_rate=1e-2, beta=lambda s: 0.3)
    noise = randomness.normal((by_hand.num_draws, 4, 1, 2), 0, "posterior", 0, dtype=ONE.dtype)
    adam = torch.optim.Adam(by_hand.parameters(), 1e-2)
    (-log_weight(target, ONE, by_hand(ONE, noise), 0.3).mean()).backward()
    adam.step()
    for name, p in by_hand.named_parameters():
        torch.testing.assert_close(fitted.get_parameter(name), p, rtol=0, atol=1e-10, msg=name)


def test_beta_is_asked_for_at_every_step_of_all_phases_once():
    q, asked = paths.posterior("hvi", 2, SCALE, 8, 0), []
    phases = [(Maximise(), 2), (paths.objective("avo", 2), 3)]
    fit_posterior(energies.energy("d"), q, phases, samples=4, beta=lambda s: asked.append(s) or 1.0)
    assert asked == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("name", ["elbo", "avo"])
def test_iaf_learns_a_correlated_gaussian(name):
    target = energies.correlated_gaussian(0.8)
    made = [paths.posterior("iaf", 2, [2.0, 2.0], 8, seed) for seed in (0, 1)]
    settings = {"seed": [0, 1], "samples": 32, "learning_rate": 2e-2}
    curve = fit_posterior(target, made, paths.objective(name, 2), 500, **settings)
    for seed, q in enumerate(made):
        _, log_w = sample(target, q, 4000, seed)
        assert divergences(log_w, 0.0)["kl"] < 0.03
    assert curve.shape == (50, 2)


def test_every_epoch_sees_every_example_once():
    data = torch.arange(10.0)[None, :, None].expand(2, -1, 1)
    source = fitting._batches(data, [0, 1], 4)
    seen = [torch.cat([next(source) for _ in range(3)], 1)[..., 0] for _ in range(2)]
    for epoch in seen:
        assert all(sorted(one.tolist()) == list(range(10)) for one in epoch)
    assert not torch.equal(seen[0], seen[1])
    assert not torch.equal(seen[0][0], seen[0][1])


def test_a_compiled_fit_is_the_plain_one():
    target, curves = energies.energy("d"), []
    for compile in (False, True):
        q = paths.posterior("hvi", 2, [2.0, 2.0], 8, 0).double()
        settings = {"seed": 0, "samples": 8, "compile": compile}
        curves.append(fit_posterior(target, q, paths.objective("mixture", 2), 12, **settings))
    torch.testing.assert_close(*curves, rtol=0, atol=1e-9)


def misfit(log_density, dim=2, **settings):
    q = Posterior.unconditional(dim, transitions=[Refinement(2, hidden=4)])
    fit_posterior(Energy(log_density), q, Maximise(), 2, **settings)


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: misfit(lambda z: z), "it must give one number a sample"),
        (lambda: misfit(lambda z: z.sum()), "it must give one number a sample"),
        (lambda: misfit(lambda z: z[..., 0] * torch.nan), "must be finite where the posterior"),
        (lambda: misfit(lambda z: z[..., 5]), "the target does not take z of shape"),
        (lambda: misfit(lambda z: -z.square().sum(-1), dim=3), "the posterior's parts do not fit"),
        (lambda: misfit(lambda z: -z.square().sum(-1), seed=[0, 1]), "one posterior takes one"),
        (lambda: misfit(lambda z: -z.square().sum(-1), samples=0), "whole numbers from 1"),
        (
            lambda: fit_posterior(energies.energy("d"), Posterior.unconditional(2), Maximise()),
            "nothing to fit",
        ),
        (
            lambda: fit_posterior(
                energies.energy("d"), Posterior.unconditional(2), [(Maximise(), 3)], 4
            ),
            "phases have their own numbers",
        ),
    ],
)
def test_what_does_not_fit_is_one_sentence(call, sentence):
    with pytest.raises(ValueError, match=sentence) as caught:
        call()
    assert "\n" not in str(caught.value)


def test_a_bound_that_stops_being_finite_is_told():
    q = Posterior.unconditional(2, transitions=[Refinement(2, hidden=4)])
    target = Energy(lambda z: z.square().sum(-1).exp())  # no maximum: the fit runs away
    with pytest.warns(UserWarning, match=r"seeds \[0\] stopped being finite"):
        fit_posterior(target, q, Maximise(), 300, samples=4, learning_rate=1.0)
