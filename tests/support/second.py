"""A second evaluation of every row: log w from raw weights, each equation from its publication.

Nothing here imports a network, a step or a target of the package. Only the names and layouts of the
parameters are the package's. Shapes: S samples, B images, X pixels, D latents.
"""

from functools import partial

import torch
from torch import Tensor
from torch.distributions import Bernoulli, Independent, Normal

FLOOR = 1e-6  # added to every softplus scale


class Weights:
    """The raw tensors of a state_dict, in float64."""

    def __init__(self, state: dict[str, Tensor]):
        self.of = {name: tensor.double() for name, tensor in state.items()}

    def affine(self, name: str, x: Tensor) -> Tensor:
        """W x + b, without b where there is none."""
        return x @ self.of[f"{name}.weight"].T + self.of.get(f"{name}.bias", 0.0)

    def gated(self, name: str, x: Tensor) -> Tensor:
        """Two dense layers (W x + b) * sigmoid(V x + c): Dauphin et al. 2016, eq. 1."""
        for layer in (0, 1):
            linear, gate = self.affine(f"{name}.{layer}.linear", x).chunk(2, -1)
            x = linear * torch.sigmoid(gate)
        return x

    def joint(self, x: Tensor, z: Tensor) -> Tensor:
        """log p(x | z) + log p(z): Bernoulli pixels under a standard normal prior."""
        logits = self.affine("target.decoder.1", self.gated("target.decoder.0", z))
        likelihood = Bernoulli(logits=logits).log_prob(x).sum(-1)
        return likelihood + Normal(torch.zeros_like(z), 1.0).log_prob(z).sum(-1)


def softplus(x: Tensor) -> Tensor:
    return torch.logaddexp(x, torch.zeros_like(x))


def elu(x: Tensor) -> Tensor:
    return torch.where(x > 0, x, torch.expm1(x))


def gaussian(loc: Tensor, scale: Tensor) -> Independent:
    return Independent(Normal(loc, scale), 1)


def first(w: Weights, context: Tensor) -> Independent:
    """q_0(z | x), Kingma & Welling 2013."""
    loc, raw = w.affine("posterior.head.linear", context).chunk(2, -1)
    return gaussian(loc, softplus(raw) + FLOOR)


def kernel(w: Weights, name: str, z: Tensor, context: Tensor) -> Independent:
    """N(g m + (1 - g) z, sigma), all from one hidden layer: Huang et al. 2018, arXiv 1809.01818."""
    hidden = elu(w.affine(f"{name}.from_z", z) + w.affine(f"{name}.from_context", context))
    m, gate, raw = w.affine(f"{name}.heads", hidden).chunk(3, -1)
    g = torch.sigmoid(gate)
    return gaussian(g * m + (1 - g) * z, softplus(raw) + FLOOR)


def refinements(w, options, x, context, q0, z, noise):
    """sum_t log q_t(z_t | z_{t-1}) - log r_t(z_{t-1} | z_t), arXiv 1511.02386, 1410.6460."""
    total = 0.0
    for t in range(options["transitions"]["steps"]):
        name = f"posterior.transitions.{t}"
        ahead = kernel(w, f"{name}.ahead", z, context)
        new = ahead.mean + ahead.stddev * noise[t]
        back = kernel(w, f"{name}.back", new, context)
        total = total + ahead.log_prob(new) - back.log_prob(z)
        z = new
    return z, total


def householder(w, options, x, context, q0, z, noise):
    """H_t = I - 2 v v^T / |v|^2, v_t linear in v_{t-1}: arXiv 1611.09630, equations 4 and 8."""
    eye, product, v = torch.eye(z.shape[-1], dtype=z.dtype), None, context
    for t in range(options["transitions"]["steps"]):
        v = w.affine(f"posterior.transitions.{t}.linear", v)
        outer = v[:, :, None] @ v[:, None, :]
        matrix = eye - 2 * outer / (v[:, None, :] @ v[:, :, None])
        product = matrix if t == 0 else matrix @ product
    return linear_map(product, z)


def combination(w, options, x, context, q0, z, noise):
    """z' = (sum_k y_k L_k) z, L_k lower triangular with ones on it: arXiv 1706.02326."""
    d, count = z.shape[-1], options["transitions"].get("count", 1)
    entries = w.affine("posterior.transitions.0.entries", context).reshape(-1, count, d, d)
    y = torch.ones_like(entries[:, :, 0, 0])  # one matrix has all of the weight
    if count > 1:
        y = w.affine("posterior.transitions.0.mix", context).exp()
    y = y / y.sum(-1, keepdim=True)
    lower = torch.tril(entries, -1) + torch.eye(d, dtype=z.dtype)
    return linear_map(sum(y[:, k, None, None] * lower[:, k] for k in range(count)), z)


def linear_map(matrix: Tensor, z: Tensor) -> tuple[Tensor, Tensor]:
    """z' = A z for matrices (B, D, D), and -log |det A| as (S, B)."""
    log_det = torch.linalg.slogdet(matrix).logabsdet
    return (matrix @ z[..., None])[..., 0], -log_det.expand(z.shape[:-1])


def masks(hidden: int, d: int) -> tuple[Tensor, Tensor]:
    """The two masks of MADE with inputs of degree 1..D: arXiv 1502.03509, eq. 8 and 9.

    Hidden unit k has degree k mod D; those of degree 0 see the context alone.
    """
    inputs, units = torch.arange(1, d + 1), torch.arange(hidden) % d
    into, out = units[:, None] >= inputs, inputs[:, None] > units
    assert (out.double() @ into.double()).triu().abs().sum() == 0  # output i sees inputs below i
    return into.double(), out.double().repeat(2, 1)


def autoregressive(w, options, context, z, prefix="posterior.transitions"):
    """z' = s z + (1 - s) m, s = sigmoid(.), z reversed in every second step.

    arXiv 1606.04934, algorithm 1; log |det| is that of autograd's jacobian.
    """
    total = 0.0
    for t in range(options["steps"]):
        name = f"{prefix}.{t}.net"
        w1, w2 = w.of[f"{name}.from_z.weight"], w.of[f"{name}.heads.weight"]
        into, out = masks(len(w1), z.shape[-1])
        b1 = w.of[f"{name}.from_z.bias"] + w.affine(f"{name}.from_context", context)
        b2 = w.of[f"{name}.heads.bias"]

        def flow(point, bias, w1=w1 * into, w2=w2 * out, b2=b2):
            m, s = (elu(point @ w1.T + bias) @ w2.T + b2).chunk(2, -1)
            s = torch.sigmoid(s + options["gate_bias"])
            new = s * point + (1 - s) * m
            return new, new

        reverse = t % 2 == 1  # every second step reads z in reverse and hands it back in order
        jacobian = torch.func.vmap(
            torch.func.vmap(torch.func.jacrev(flow, has_aux=True)), (0, None)
        )
        matrix, z = jacobian(z.flip(-1) if reverse else z, b1)
        z = z.flip(-1) if reverse else z
        total = total - torch.linalg.slogdet(matrix).logabsdet
    return z, total


def inverse_autoregressive(w, options, x, context, q0, z, noise):
    return autoregressive(w, options["transitions"], context, z)


def hierarchical(w, options, x, context, q0, z, noise):
    """log q(lambda) + sum_d log q(z_d | lambda_d) - log r(lambda | z): arXiv 1511.02386."""
    prior = options["transitions"]["prior"]
    name = f"posterior.transitions.{prior['steps']}"
    lam, total = autoregressive(w, prior, context, z)
    q = gaussian(lam, (softplus(w.affine(f"{name}.scale", context)) + FLOOR).expand_as(lam))
    z = q.mean + q.stddev * noise[0]
    back = kernel(w, f"{name}.back", z, context)
    return z, total + q.log_prob(z) - back.log_prob(lam)


def annealed(w: Weights, options, x: Tensor, q0: Independent, t: int):
    """The gradient in z of (1 - alpha_t) log q_0(z) + alpha_t log p(x, z), and its step size.

    Where the options have a max_drift, the gradient is cut where its move h g over the deviation
    (2 h)^(1/2) of a Langevin step's noise is larger; a leapfrog step is one with h^2 / 2.
    """
    steps = options["steps"]
    alpha = (t + 1) / steps
    if options["alphas"] == "learnt":
        parts = w.of["posterior.alphas.logits"].exp()
        alpha = parts[: t + 1].sum() / parts.sum()
    step = softplus(w.of[f"posterior.transitions.{t}.step_size.raw"])

    def slope(z):
        at = z.detach().requires_grad_()
        with torch.enable_grad():
            log_f = (1 - alpha) * q0.log_prob(at) + alpha * w.joint(x, at)
            g = torch.autograd.grad(log_f.sum(), at)[0]
        if not options["max_drift"]:
            return g
        h = step**2 / 2 if "leapfrogs" in options else step
        largest = (options["max_drift"] * (2 * h).sqrt() / h).expand_as(g)
        return torch.where(g.abs() > largest, g.sign() * largest, g)

    return slope, step


def langevin(w, options, x, context, q0, z, noise, signs=(0, 0)):
    """sum_t log N(z'; z + h g(z), 2 h) - log N(z; z' + h g(z'), 2 h): arXiv 2106.15921.

    g is the gradient of log f_t plus, by `signs` ahead and back, a network: arXiv 2208.07698 has
    one in the reverse kernel alone, arXiv 2307.01050 with opposite signs in both.
    """
    total = 0.0
    for t in range(options["transitions"]["steps"]):
        name = f"posterior.transitions.{t}.drift"
        slope, h = annealed(w, options["transitions"], x, q0, t)

        def kernel(z, sign, name=name, slope=slope, h=h):
            drift = slope(z)
            if sign:
                hidden = w.affine(f"{name}.from_z", z) + w.affine(f"{name}.from_context", context)
                drift = drift + sign * w.affine(f"{name}.out", elu(hidden))
            return gaussian(z + h * drift, (2 * h).sqrt().expand_as(z))

        ahead = kernel(z, signs[0])
        new = ahead.mean + ahead.stddev * noise[t]
        total = total + ahead.log_prob(new) - kernel(new, signs[1]).log_prob(z)
        z = new
    return z, total


def hamiltonian(w, options, x, context, q0, z, noise):
    """Leapfrog steps of size 1 of (z, p) with p ~ N(0, M), M = 1 / h^2: arXiv 2107.04150.

    The weight has the momentum's density at the start and the end, and those of each refreshment
    and its reversal; where M changes, p does by a linear map.
    """
    sd = (1 / annealed(w, options["transitions"], x, q0, 0)[1]).expand_as(z)
    p = sd * noise[0]
    total = gaussian(torch.zeros_like(p), sd).log_prob(p)
    for t in range(options["transitions"]["steps"]):
        slope, h = annealed(w, options["transitions"], x, q0, t)
        new_sd = (1 / h).expand_as(z)
        p, total = p * new_sd / sd, total - (new_sd / sd).log().sum(-1)
        sd = new_sd
        if t > 0:
            eta = 1 / (1 + (-w.of[f"posterior.transitions.{t}.logit"]).exp())
            spread = (1 - eta**2).sqrt() * sd
            new = eta * p + spread * noise[t]
            total = total + gaussian(eta * p, spread).log_prob(new)
            total = total - gaussian(eta * new, spread).log_prob(p)
            p = new
        for _ in range(options["transitions"]["leapfrogs"]):
            p = p + slope(z) / 2
            z = z + p / sd**2
            p = p + slope(z) / 2
    return z, total - gaussian(torch.zeros_like(p), sd).log_prob(p)


def refined(w: Weights, options, x: Tensor, q: Independent, draws: list[Tensor]) -> Independent:
    """q after one gated update of (mu, log sigma) a draw, from the ELBO's gradient in them.

    Marino, Yue, Mandt 2018 (arXiv 1807.09356); the gradient is layer-normalised.
    """
    values = torch.cat([q.mean, q.stddev.log()], -1)
    for draw in draws:
        at = values.detach().requires_grad_()
        mu, log_sigma = at.chunk(2, -1)
        current = gaussian(mu, log_sigma.exp())
        z = mu + log_sigma.exp() * draw
        bound = (w.joint(x, z) - current.log_prob(z)).mean(0).sum()
        (slope,) = torch.autograd.grad(bound, at)
        centred = slope - slope.mean(-1, keepdim=True)
        normed = centred / (centred.square().mean(-1, keepdim=True) + 1e-5).sqrt()
        hidden = elu(w.affine("posterior.refiner.inputs", torch.cat([values, normed], -1)))
        new, gate = w.affine("posterior.refiner.heads", hidden).chunk(2, -1)
        keep = 1 - torch.sigmoid(gate)
        values = (keep * values + (1 - keep) * new).detach()
    mu, log_sigma = values.chunk(2, -1)
    return gaussian(mu, log_sigma.exp())


def no_steps(w, options, x, context, q0, z, noise):
    return z, 0.0


STEPS = {
    "vae": no_steps,
    "iwae": no_steps,
    "renyi": no_steps,
    "tvo": no_steps,
    "iterative": no_steps,
    "hvm": hierarchical,
    "hvi": refinements,
    "hvi_avo": refinements,
    "hvi_nvi": refinements,
    "hvi_nvi_star": refinements,
    "lmcvae": langevin,
    "mcd": partial(langevin, signs=(0, 1)),
    "cmcd": partial(langevin, signs=(1, -1)),
    "uha": hamiltonian,
    "householder": householder,
    "householder_avo": householder,
    "iaf": inverse_autoregressive,
    "iaf_avo": inverse_autoregressive,
    "lin_iaf": combination,
    "cc_lin_iaf": combination,
}


STOCHASTIC = ("hvi", "hvi_avo", "hvi_nvi", "hvi_nvi_star", "lmcvae", "mcd", "cmcd", "uha")


def num_start_draws(row: str, options: dict) -> int:
    """Draws that finding q_0 takes before a sample is drawn from it."""
    return options["refinements"] if row == "iterative" else 0


def path_draws(row: str, options: dict) -> int:
    """Draws of a path from q_0 on: one a stochastic step."""
    if row in STOCHASTIC:
        return 1 + options["transitions"]["steps"]
    return 2 if row == "hvm" else 1


def log_weights(
    row: str, options: dict, w: Weights, x: Tensor, start: Tensor, noise: Tensor
) -> Tensor:
    """log w, (S, B), of binary images x (B, X).

    `start` (num_start_draws, any, B, D) is the noise that finds q_0, `noise` (path_draws, S, B, D)
    that of the path.
    """
    context = w.gated("posterior.encoder", x)
    q = refined(w, options, x, first(w, context), list(start))
    z0 = q.mean + q.stddev * noise[0]
    z, log_ratio = STEPS[row](w, options, x, context, q, z0, noise[1:])
    return w.joint(x, z) - q.log_prob(z0) - log_ratio


def summary(log_w: Tensor) -> dict[str, Tensor]:
    """What a score says of each image, from its log-weights (S, B)."""
    highest = log_w.max(0).values
    weights = (log_w - highest).exp()
    return {
        "elbo": log_w.mean(0),
        "log_prob": highest + weights.mean(0).log(),
        "std_error": weights.std(0) / weights.mean(0) / len(weights) ** 0.5,  # delta method
        "ess": weights.sum(0).square() / weights.square().sum(0),
    }
