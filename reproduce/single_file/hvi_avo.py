"""HVI-AVO on MNIST in one file: a hierarchical posterior, trained by annealed objectives.

Huang, Tan, Lacoste, Courville: Improving Explorability in Variational Inference with Annealed
Variational Objectives, NeurIPS 2018, arXiv 1809.01818.

    python reproduce/single_file/hvi_avo.py --data DIR --epochs 100 --samples 1000 --seed 0

Shapes: S samples, B images, D latent variables. Noise is (T + 1, S, B, D): one draw for z_0 and one
for each of T transitions. Log densities are (S, B), in nats. A bound is a pure function of the
parameters, the images, the noise and beta. tests/reproduce/single_file holds it to the package's.
The paper leaves some choices open; reports/assumptions.md gives the reasons for those made here.
"""

import argparse
import math
import os
import time
from collections.abc import Callable, Iterable
from typing import NamedTuple

import torch
from torch import Generator, Tensor, nn
from torch.func import functional_call
from torch.nn import functional as F
from torchvision.datasets import MNIST

PIXELS, HIDDEN, LATENT = 784, 300, 40  # sizes of x, of every gated layer, of z
TRANSITIONS, KERNEL_HIDDEN = 5, 40  # T, and the hidden units of each kernel
SIGMA, GATE_BIAS = 0.05, -2.0  # a transition starts near the identity, with little noise
RHO = 0.2  # share of the training steps that are AVO steps; the others are ELBO steps
BATCH, WARM_UP_EPOCHS = 100, 10  # beta rises to 1 over the first epochs
LEARNING_RATES = {0.0: 1e-3, 0.5: 3e-4, 0.75: 1e-4, 0.9: 3e-5}  # from which share of all epochs on


class Normal(NamedTuple):
    """A diagonal Gaussian; its noise is handed in."""

    mean: Tensor
    sigma: Tensor

    def sample(self, noise: Tensor) -> Tensor:
        """A point that gradients flow through to mean and sigma."""
        return self.mean + self.sigma * noise

    def log_prob(self, z: Tensor) -> Tensor:
        """Log density, summed over the latent variables: (S, B, D) -> (S, B)."""
        squares = ((z - self.mean) / self.sigma) ** 2
        return (-0.5 * squares - self.sigma.log() - 0.5 * math.log(2 * math.pi)).sum(-1)


PRIOR = Normal(torch.tensor(0.0), torch.tensor(1.0))


class Kernel(nn.Module):
    """A Gaussian whose mean lies between z and a proposal; a gate says where."""

    def __init__(self):
        super().__init__()
        self.from_z = nn.Linear(LATENT, KERNEL_HIDDEN)
        self.from_context = nn.Linear(HIDDEN, KERNEL_HIDDEN, bias=False)
        self.heads = nn.Linear(KERNEL_HIDDEN, 3 * LATENT)
        _, gate, sigma = self.heads.bias.data.chunk(3)
        gate.fill_(GATE_BIAS)
        sigma.fill_(math.log(math.expm1(SIGMA)))  # softplus of this is SIGMA

    def forward(self, z: Tensor, context: Tensor) -> Normal:
        """z (S, B, D), context (B, HIDDEN) -> a Gaussian for each z."""
        hidden = F.elu(self.from_z(z) + self.from_context(context))
        proposal, gate, sigma = self.heads(hidden).chunk(3, dim=-1)
        return Normal(z + gate.sigmoid() * (proposal - z), F.softplus(sigma) + 1e-6)


class Refinement(nn.Module):
    """One transition: a kernel q_t(z_t | z_{t-1}, x) and its learned reverse r_t(z_{t-1} | z_t, x).

    The density of z_t alone has no closed form. The reverse kernel is what makes a bound of it.
    """

    def __init__(self):
        super().__init__()
        self.ahead, self.back = Kernel(), Kernel()

    def forward(self, z: Tensor, context: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """z_{t-1} -> z_t (S, B, D) and log q_t - log r_t (S, B)."""
        q = self.ahead(z, context)
        new = q.sample(noise)
        r = self.back(new, context)
        return new, q.log_prob(new) - r.log_prob(z)


def gated(features_in: int) -> list[nn.Module]:
    """Two gated dense layers, each (W x + b) * sigmoid(V x + c)."""
    return [nn.Linear(features_in, 2 * HIDDEN), nn.GLU(), nn.Linear(HIDDEN, 2 * HIDDEN), nn.GLU()]


class HVI(nn.Module):
    """The generative model p(z) p(x | z), and the posterior: q_0(z_0 | x), then T transitions."""

    def __init__(self):
        super().__init__()
        self.decoder = nn.Sequential(*gated(LATENT), nn.Linear(HIDDEN, PIXELS))
        self.encoder = nn.Sequential(*gated(PIXELS))
        self.q0 = nn.Linear(HIDDEN, 2 * LATENT)
        self.transitions = nn.ModuleList(Refinement() for _ in range(TRANSITIONS))

    def start(self, x: Tensor) -> tuple[Normal, Tensor]:
        """q_0 and the context, (B, HIDDEN), that every transition reads: x (B, PIXELS)."""
        context = self.encoder(x)
        mean, sigma = self.q0(context).chunk(2, dim=-1)
        return Normal(mean, F.softplus(sigma) + 1e-6), context


def log_likelihood(decoder: Callable, x: Tensor, z: Tensor) -> Tensor:
    """log p(x | z) of binary pixels, whose logits the decoder returns."""
    logits = decoder(z)
    return (x * logits - F.softplus(logits)).sum(-1)


def frozen(module: nn.Module) -> Callable:
    """The module as a function: gradients pass through it but do not reach its parameters."""
    fixed = {name: parameter.detach() for name, parameter in module.named_parameters()}
    return lambda z: functional_call(module, fixed, z)


def log_weight(model: HVI, x: Tensor, noise: Tensor, beta: float = 1.0) -> Tensor:
    """log p(x | z_T) + beta * [log p(z_T) - log q_0(z_0) - sum_t (log q_t - log r_t)]."""
    q0, context = model.start(x)
    z = q0.sample(noise[0])
    log_q = q0.log_prob(z)
    for transition, eps in zip(model.transitions, noise[1:], strict=True):
        z, log_ratio = transition(z, context, eps)
        log_q = log_q + log_ratio
    return log_likelihood(model.decoder, x, z) + beta * (PRIOR.log_prob(z) - log_q)


def elbo(model: HVI, x: Tensor, noise: Tensor, beta: float) -> Tensor:
    """The evidence lower bound, to be maximised: it trains every parameter."""
    return log_weight(model, x, noise, beta).mean()


def avo(model: HVI, x: Tensor, noise: Tensor, beta: float) -> Tensor:
    """The annealed objective, to be maximised: the sum over t of the value of stage t.

    Stage t trains transition t alone, towards f_t = q_0^(1 - alpha_t) p(x, .)^alpha_t:

        E[log f_t(z_t) - (log q_t - log r_t) - log q_{t-1}(z_{t-1})],  z_{t-1} and q_0 held fixed.

    These targets lead from q_0 to p(z | x), so each transition has a short way to go. The last
    stage, whose target is p(x, .) itself, trains the decoder as well.
    """
    last = len(model.transitions)
    with torch.no_grad():  # the encoder and q_0 learn from the ELBO steps alone
        q0, context = model.start(x)
        z = q0.sample(noise[0])
        log_q = q0.log_prob(z)
    total = torch.zeros_like(log_q)
    for t, (transition, eps) in enumerate(zip(model.transitions, noise[1:], strict=True), start=1):
        new, log_ratio = transition(z, context, eps)
        # log q_{t-1} has no closed form; the path's log_q stands for it, as constant for stage t
        log_q = log_q + log_ratio
        alpha = t / last
        decoder = model.decoder if t == last else frozen(model.decoder)
        rest = alpha * PRIOR.log_prob(new) + (1 - alpha) * q0.log_prob(new)  # of log f_t
        total = total + alpha * log_likelihood(decoder, x, new) + beta * (rest - log_q)
        z, log_q = new.detach(), log_q.detach()  # the next stage sends no gradient back to this one
    return total.mean()


def draw_noise(model: HVI, samples: int, images: int, random: Generator) -> Tensor:
    """Standard normal noise for paths: (T + 1, S, B, D)."""
    return torch.randn(len(model.transitions) + 1, samples, images, LATENT, generator=random)


def train(model: HVI, grey: Tensor, validation: Tensor, epochs: int, random: Generator) -> None:
    """Adam on `grey`, uint8 (N, PIXELS); prints the bound of `validation` after each epoch."""
    adam = torch.optim.Adam(model.parameters())
    steps = math.ceil(len(grey) / BATCH)
    for epoch in range(epochs):
        began = time.perf_counter()
        latest = max(share for share in LEARNING_RATES if share * epochs <= epoch)
        adam.param_groups[0]["lr"] = LEARNING_RATES[latest]
        order = torch.randperm(len(grey), generator=random)
        for step, batch in enumerate(order.split(BATCH), start=epoch * steps + 1):
            x = torch.bernoulli(grey[batch] / 255, generator=random)  # other bits at each visit
            noise = draw_noise(model, 1, len(x), random)
            beta = min(1.0, step / (WARM_UP_EPOCHS * steps))
            is_avo_step = torch.rand((), generator=random) < RHO
            objective = avo if is_avo_step else elbo
            adam.zero_grad()  # to None: Adam leaves alone what this step's objective does not train
            (-objective(model, x, noise, beta)).backward()
            adam.step()
        with torch.no_grad():
            noise = draw_noise(model, 1, len(validation), random)
            bound = elbo(model, validation, noise, beta=1.0)
        seconds = time.perf_counter() - began
        print(f"epoch {epoch + 1}: validation ELBO {bound:.2f} nats, {seconds:.0f} s", flush=True)


@torch.no_grad()
def log_marginal(model: HVI, x: Tensor, noises: Iterable[Tensor]) -> Tensor:
    """log p(x) by importance sampling, log (1/S) sum_s w_s: (B,).

    `noises` hold a few samples each, to spare memory: only the log-weights of all S are kept.
    """
    log_w = torch.cat([log_weight(model, x, noise) for noise in noises])
    return log_w.logsumexp(0) - math.log(len(log_w))


def evaluate(model: HVI, images: Tensor, samples: int, random: Generator) -> Tensor:
    """log p(x) of every image, from `samples` importance samples each."""
    chunks = [min(20, samples - first) for first in range(0, samples, 20)]
    estimates = []
    for x in images.split(100):
        noises = (draw_noise(model, chunk, len(x), random) for chunk in chunks)
        estimates.append(log_marginal(model, x, noises))
    return torch.cat(estimates)


def load_mnist(root: str) -> tuple[Tensor, Tensor, Tensor]:
    """Grey uint8 images (N, 784): 50,000 to train, 10,000 to validate, 10,000 to test."""
    train, test = (MNIST(root, train=part, download=True).data.flatten(1) for part in (True, False))
    return train[:50_000], train[50_000:], test


def main(arguments: list[str] | None = None) -> None:
    """Train and score one model from the command line."""
    parser = argparse.ArgumentParser(description="HVI-AVO on MNIST (arXiv 1809.01818).")
    data = os.environ.get("ANNEALED_DATA") or "~/.cache/annealed/data"
    parser.add_argument("--data", default=data, help="folder of MNIST/raw (default: %(default)s)")
    parser.add_argument("--epochs", type=int, default=100)
    parser.add_argument("--samples", type=int, default=1000, help="importance samples an image")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args(arguments)
    if min(args.epochs, args.samples) < 1:
        parser.error("--epochs and --samples have to be 1 or more")
    try:
        grey, *held_out = load_mnist(args.data)
    except (OSError, RuntimeError, ValueError) as error:
        reason = str(error).split("\n")[0].rstrip(":.")
        parser.exit(2, f"MNIST could not be read from {args.data} or downloaded ({reason}).\n")
    fixed = Generator().manual_seed(0)  # not --seed: every run is scored on the same bits
    validation, test = (torch.bernoulli(images / 255, generator=fixed) for images in held_out)

    torch.manual_seed(args.seed)  # the layers' initial values come from torch's own generator
    model, random = HVI(), Generator().manual_seed(args.seed)
    train(model, grey, validation, args.epochs, random)
    log_p = evaluate(model, test, args.samples, random)
    error = log_p.std() / math.sqrt(len(log_p))
    print(f"test NLL {-log_p.mean():.2f} nats, standard error over images {error:.2f}")


if __name__ == "__main__":
    main()
