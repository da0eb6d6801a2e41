"""Where a path starts: a Gaussian from the encoder, or the prior."""

import pytest
import torch
from side_by_side import SMALL, training

from annealed import config as configuration
from annealed.config.registry import method_class
from annealed.inference.avo import avo_stages
from annealed.utils.errors import UsageError

PRIOR = "posterior.start=prior"


def method(row, *overrides):
    config = configuration.load(row, [*SMALL, *overrides])
    return method_class(config.method)(config, 64).double()


def test_from_the_prior_q_0_is_the_standard_normal_whatever_x_is():
    start, _ = method("hvi", PRIOR).posterior.start(torch.rand(5, 64, dtype=torch.float64))
    torch.testing.assert_close(start.loc, torch.zeros(5, 3, dtype=torch.float64))
    torch.testing.assert_close(start.scale, torch.ones(5, 3, dtype=torch.float64))


def test_from_the_prior_f_0_is_q_0_and_the_prior_alike():
    model = method("hvi_avo", PRIOR)
    x = torch.rand(4, 64, dtype=torch.float64).round()
    noise = torch.randn(6, 2, 4, 3, dtype=torch.float64)
    problem = (model.target, x, model.posterior, noise, [0.2, 0.4, 0.6, 0.8, 1.0])
    stages = [avo_stages(*problem, anchor=anchor) for anchor in ("q0", "prior")]
    for one, other in zip(*stages, strict=True):
        torch.testing.assert_close(one.log_weight(), other.log_weight(), rtol=0, atol=1e-10)


def test_from_the_prior_avo_alone_trains_everything_but_the_encoder():
    module, adam = training("hvi_avo", [0], PRIOR, "method.avo.rho=1.0")
    before = {n: p.detach().clone() for n, p in module.methods[0].named_parameters()}
    grey = torch.randint(0, 256, (1, 7, 64), dtype=torch.uint8)
    module.update(adam, grey, 0)
    still = [n for n, p in module.methods[0].named_parameters() if torch.equal(p, before[n])]
    assert still
    assert all(name.startswith("posterior.encoder") for name in still)


@pytest.mark.parametrize("row", ["vae", "iwae", "iterative"])
def test_a_row_without_transitions_cannot_start_from_the_prior(row):
    with pytest.raises(UsageError, match=rf"posterior.start is 'prior' and {row} has no tran"):
        method(row, PRIOR)


def test_an_energy_has_no_prior_to_start_from():
    options = ["data.name=toy", "data.energy=ring", PRIOR]
    with pytest.raises(UsageError, match=r"posterior\.start is 'prior', and toy has no prior"):
        configuration.load("hvi", options)
