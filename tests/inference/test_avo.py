import pytest
import torch
from conftest import D, noise_for, posterior
from test_transitions import literal_kernel

from annealed.inference import schedules
from annealed.inference.avo import AVO, avo_stages
from annealed.inference.objectives import ObjectiveInputs, elbo, log_weight, path_terms

ALPHAS = [1 / 3, 2 / 3, 1.0]


@pytest.fixture
def model(linear_gaussian):
    target, x = linear_gaussian
    q = posterior(3)
    return target, x, q, noise_for(q, 4, len(x))


def gradients(module):
    return {n: None if p.grad is None else p.grad.clone() for n, p in module.named_parameters()}


def avo(target, x, q, noise, alphas, beta=1.0, **options):
    """The sum of all stages' values, (B,)."""
    stages = avo_stages(target, x, q, noise, alphas, **options)
    return sum(elbo(terms.log_weight(beta)) for terms in stages)


def literal_stage(target, x, q, noise, alphas, t, anchor, temper=1.0):
    """Stage t by the paper's equation with torch's own distributions, nothing shared with avo.py.

    The value is E[log f_t(z_t) - log_ratio_t - sum_{s<t} log_ratio_s - log q_0(z_0)].
    """
    with torch.no_grad():
        context = q.encoder(x)
        loc, raw = q.head.linear(context).chunk(2, -1)
        q0 = torch.distributions.Normal(loc, torch.log1p(raw.exp()) + 1e-6)
        z = q0.loc + q0.scale * noise[0]
        path = q0.log_prob(z).sum(-1)
    for s in range(t + 1):
        with torch.set_grad_enabled(s == t):
            ahead = literal_kernel(q.transitions[s].ahead, z, context)
            new = ahead.loc + ahead.scale * noise[s + 1]
            back = literal_kernel(q.transitions[s].back, new, context)
            path = path + ahead.log_prob(new).sum(-1) - back.log_prob(z).sum(-1)
            z = new
    weight, bias = target.weight.detach(), target.bias.detach()
    likelihood = torch.distributions.Normal(z @ weight.T + bias, 0.7).log_prob(x).sum(-1)
    prior = torch.distributions.Normal(0.0, 1.0).log_prob(z).sum(-1)
    f0 = prior if anchor == "prior" else q0.log_prob(z).sum(-1)
    log_f = (1 - alphas[t]) * f0 + alphas[t] * temper * (likelihood + prior)
    return (log_f - path).mean(0)


@pytest.mark.parametrize("anchor", ["q0", "prior"])
def test_values_and_gradients_are_those_of_the_literal_equation(model, anchor):
    target, x, q, noise = model
    values = [elbo(t.log_weight()) for t in avo_stages(target, x, q, noise, ALPHAS, anchor)]
    sum(values).mean().backward()
    fast = gradients(q)
    q.zero_grad()
    slow = [literal_stage(target, x, q, noise, ALPHAS, t, anchor) for t in range(3)]
    sum(slow).mean().backward()
    for a, b in zip(values, slow, strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-9)
    for name, gradient in gradients(q).items():
        if gradient is None:
            assert fast[name] is None, name
        else:
            torch.testing.assert_close(fast[name], gradient, rtol=0, atol=1e-9, msg=name)


@pytest.mark.parametrize("t", [0, 1, 2])
def test_a_stage_trains_its_own_step_and_nothing_else(model, t):
    target, x, q, noise = model
    stage = list(avo_stages(target, x, q, noise, ALPHAS))[t]
    elbo(stage.log_weight()).mean().backward()
    for s, step in enumerate(q.transitions):
        for p in step.parameters():
            if s == t:
                assert p.grad.abs().sum() > 0
            else:
                assert p.grad is None
    for module in (q.encoder, q.head, target):
        assert all(p.grad is None for p in module.parameters())


@pytest.mark.parametrize("kind", ["householder", "iaf", "mixed"])
@pytest.mark.parametrize("train_encoder", [False, True])
def test_a_stage_of_invertible_steps_trains_its_own_step_too(linear_gaussian, kind, train_encoder):
    target, x = linear_gaussian
    q = posterior(kind)
    alphas = schedules.alphas("linear", len(q.transitions))
    noise = noise_for(q, 4, len(x))
    for t in range(len(alphas)):
        q.zero_grad()
        stage = list(avo_stages(target, x, q, noise, alphas, train_encoder=train_encoder))[t]
        elbo(stage.log_weight()).mean().backward()
        for s, step in enumerate(q.transitions):
            reached = [p.grad is not None and p.grad.abs().sum() > 0 for p in step.parameters()]
            assert any(reached) == (s == t), (s, t)
    expected = log_weight(target, x, q(x, noise))
    torch.testing.assert_close(stage.log_weight(), expected, rtol=0, atol=1e-10)


@pytest.mark.parametrize("beta", [1.0, 0.3])
@pytest.mark.parametrize("anchor", ["q0", "prior"])
def test_one_step_at_alpha_one_is_the_elbo(linear_gaussian, beta, anchor):
    target, x = linear_gaussian
    q = posterior(1)
    noise = noise_for(q, 4, len(x))
    value = avo(target, x, q, noise, [1.0], beta, anchor=anchor)
    value.mean().backward()
    stage = gradients(q.transitions)
    q.zero_grad()
    bound = elbo(log_weight(target, x, q(x, noise), beta))
    torch.testing.assert_close(value, bound, rtol=0, atol=1e-10)
    bound.mean().backward()
    for name, gradient in gradients(q.transitions).items():
        torch.testing.assert_close(stage[name], gradient, rtol=0, atol=1e-10, msg=name)


@pytest.mark.parametrize("anchor", ["q0", "prior"])
def test_a_temper_is_of_the_target_alone_and_not_of_what_a_stage_starts_from(model, anchor):
    target, x, q, noise = model
    for t, terms in enumerate(avo_stages(target, x, q, noise, ALPHAS, anchor)):
        expected = literal_stage(target, x, q, noise, ALPHAS, t, anchor, temper=0.3)
        actual = elbo(terms.log_weight(temper=0.3))
        torch.testing.assert_close(actual, expected, rtol=0, atol=1e-10)


def test_a_tempered_last_stage_is_the_tempered_elbo(model):
    target, x, q, noise = model
    *_, last = avo_stages(target, x, q, noise, ALPHAS)
    expected = path_terms(target, x, q(x, noise)).log_weight(temper=0.4)
    torch.testing.assert_close(last.log_weight(temper=0.4), expected, rtol=0, atol=1e-10)


def test_the_last_stage_is_the_elbo_of_the_whole_path(model):
    target, x, q, noise = model
    *_, last = avo_stages(target, x, q, noise, ALPHAS)
    expected = log_weight(target, x, q(x, noise))
    torch.testing.assert_close(last.log_weight(), expected, rtol=0, atol=1e-10)


def test_each_stage_is_below_its_own_log_normaliser(model):
    target, x, q, _ = model
    # f_t = N(0, I)^(1 - alpha) p(x, z)^alpha is Gaussian in z, so log Z_t is known exactly
    noise = noise_for(q, 2000, len(x))
    for terms, alpha in zip(avo_stages(target, x, q, noise, ALPHAS, "prior"), ALPHAS, strict=True):
        w, r = target.weight.detach(), x - target.bias.detach()
        precision = torch.eye(D, dtype=w.dtype) + alpha * w.T @ w / 0.49
        linear = alpha * r @ w / 0.49
        constant = -0.5 * alpha * (r.square() / 0.49 + torch.log(torch.tensor(2 * torch.pi * 0.49)))
        quadratic = 0.5 * (linear @ torch.linalg.inv(precision) * linear).sum(-1)
        log_z = constant.sum(-1) + quadratic - 0.5 * torch.logdet(precision)
        assert (elbo(terms.log_weight()) < log_z).all()


@pytest.mark.parametrize(
    ("train_decoder", "stages"), [("last", {2}), ("every", {0, 1, 2}), ("never", set())]
)
def test_train_decoder_names_the_stages_that_reach_the_decoder(model, train_decoder, stages):
    target, x, q, noise = model
    for t, terms in enumerate(avo_stages(target, x, q, noise, ALPHAS, train_decoder=train_decoder)):
        elbo(terms.log_weight()).mean().backward()
        reached = target.weight.grad is not None
        assert reached == (t in stages)
        if reached and t < 2:
            target.zero_grad()
    if train_decoder != "never":
        stage = target.weight.grad.clone()
        target.zero_grad()
        elbo(log_weight(target, x, q(x, noise))).mean().backward()
        torch.testing.assert_close(stage, target.weight.grad, rtol=0, atol=1e-10)


def test_train_encoder_reaches_the_encoder_but_never_q0(model):
    target, x, q, noise = model
    avo(target, x, q, noise, ALPHAS, train_encoder=True).mean().backward()
    assert all(p.grad.abs().sum() > 0 for p in q.encoder.parameters())
    assert all(p.grad is None for p in q.head.parameters())


@pytest.mark.parametrize("mixing", ["random", "convex"])
@pytest.mark.parametrize("train_encoder", [True, False])
def test_stagewise_gives_the_gradient_of_the_sum(model, mixing, train_encoder):
    target, x, q, noise = model
    actual = []
    for stagewise in (False, True):
        options = {"mixing": mixing, "stagewise": stagewise, "train_encoder": train_encoder}
        objective = AVO(3, samples=4, **options)
        parts = objective(ObjectiveInputs(target, q, x, noise, 0.7, mode=objective.draw_mode(0.1)))
        count = 0
        for value, _ in parts:
            value.mean().backward()
            count += 1
        assert count == (3 if stagewise else 1) + (mixing == "convex")
        actual.append({**gradients(q), **gradients(target)})
        q.zero_grad()
        target.zero_grad()
    for name, gradient in actual[0].items():
        if gradient is None:
            assert actual[1][name] is None
        else:
            torch.testing.assert_close(actual[1][name], gradient, rtol=0, atol=1e-10, msg=name)


def test_the_coin_and_rho_choose_the_objective(model):
    target, x, q, noise = model
    bound = elbo(log_weight(target, x, q(x, noise), 0.5))
    stages = avo(target, x, q, noise, ALPHAS, 0.5)
    objective = AVO(3, rho=0.2)
    for coin, expected in ((0.19, stages), (0.2, bound), (0.9, bound)):
        step = ObjectiveInputs(target, q, x, noise, beta=0.5, mode=objective.draw_mode(coin))
        ((value, terms),) = objective(step)
        torch.testing.assert_close(value, expected, rtol=0, atol=1e-10)
        torch.testing.assert_close(terms.log_weight(0.5).mean(0), bound, rtol=0, atol=1e-10)
    convex = AVO(3, rho=0.3, mixing="convex")
    mixed = convex(ObjectiveInputs(target, q, x, noise, beta=0.5, mode=convex.draw_mode(0.9)))
    total = sum(value for value, _ in mixed)
    torch.testing.assert_close(total, 0.3 * stages + 0.7 * bound, rtol=0, atol=1e-10)


def test_warm_up_off_leaves_the_stages_unweighted(model):
    target, x, q, noise = model
    objective = AVO(3, rho=1.0, warm_up=False)
    ((value, _),) = objective(
        ObjectiveInputs(target, q, x, noise, beta=0.1, mode=objective.draw_mode(0.0))
    )
    expected = avo(target, x, q, noise, ALPHAS)
    torch.testing.assert_close(value, expected, rtol=0, atol=1e-10)


@pytest.mark.parametrize("alphas", [[0.5, 1.0], [0.3, 0.6, 0.9], []])
def test_alphas_that_do_not_fit_are_refused(model, alphas):
    target, x, q, noise = model
    with pytest.raises(ValueError, match="one alpha for each of the 3"):
        avo(target, x, q, noise, alphas)
