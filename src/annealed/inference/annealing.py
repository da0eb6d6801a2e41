"""Annealed importance sampling (Neal 2001) of log p(x), and a bound from above by reverse chains.

Chains move along f_b = q_0^(1 - b) p(x, z)^b from b = 0, where they start from the Gaussian q_0, to
b = 1, by one HMC transition a temperature. Their weights w are unbiased, E[w] = p(x), so that
log(1/S sum w) bounds log p(x) from below in expectation. Chains that go the other way, from an
exact sample of p(z | x), have weights with E[w] = 1 / p(x) and bound it from above: together they
are BDMC (Grosse, Ghahramani, Adams 2015, arXiv 1511.02543; Grosse, Ancha, Roy 2016).

Both hold for transitions that leave f_b invariant, and so for step sizes that do not depend on the
chain that they move. Steps that follow a chain's earlier acceptances, as in Wu et al. 2017 (arXiv
1611.04273), break that by a little. Here a trial run finds them for each example and temperature,
by chains and noise of its own; then they are fixed: given the steps, every weight is unbiased.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from annealed.inference.hmc import HMC, LogJoint, Point
from annealed.inference.importance import Estimate, WeightStream
from annealed.inference.normal import Normal
from annealed.inference.tempering import BLOCK, TRIAL, AnnealingOptions, inverse_temperature
from annealed.utils import randomness

ACCEPTANCE = 0.65  # aim of the trial run, the best for HMC (Beskos et al. 2013, arXiv 1001.4460)
GAIN = 0.5  # change of a log step size for a unit of acceptance
FIRST_STEP, SMALLEST_STEP = 0.3, 1e-5  # in scales of the start
JITTER = 0.2  # a move's step varies by so much, since a fixed one may be a period of f
FORWARD, REVERSE, SEARCH = range(3)  # what noise is keyed by: the runs that take it


@dataclass
class AnnealedEstimate(Estimate):
    """An Estimate from the weights of chains; `elbo` is the mean of log w, a bound of its own."""

    acceptance: Tensor  # mean over chains and transitions, (B,); NaN where there are none


class Annealing:
    """Chains between `start` and log p(x, z) for a batch of examples; arguments as of `ais`.

    `report` is called after each transition of a block of chains.
    """

    def __init__(
        self,
        log_joint: LogJoint,
        start: Normal,
        x: Tensor | None,
        options: AnnealingOptions,
        seed: int = 0,
        batch_index: int = 0,
        compile: bool = False,
        products: str = "torch",
        report: Callable[[], None] | None = None,
    ):
        self.start = Normal(*(part.detach() for part in torch.broadcast_tensors(*start)))
        if self.start.loc.dim() != 2 or (x is not None and len(self.start.loc) != len(x)):
            batch = "B" if x is None else len(x)
            raise ValueError(f"start is {tuple(self.start.loc.shape)}; accepted: ({batch}, D)")
        self.hmc = HMC(log_joint, self.start, x, options.leapfrogs, compile, products)
        self.options, self.report = options, report
        self.key = seed, "ais", batch_index
        self.log_steps = self._search() if options.temperatures > 1 else None

    @torch.no_grad()
    def forward(self) -> AnnealedEstimate:
        """log p(x) from below, by chains from the start."""
        return self._estimate(FORWARD, lambda noise: self.start.rsample(noise))

    @torch.no_grad()
    def reverse(self, z: Tensor) -> AnnealedEstimate:
        """log p(x) from above, by chains from an exact sample z (B, D) of p(z | x).

        Of x drawn by z ~ p(z), x ~ p(x | z), that is z itself. `elbo` bounds from above, too. All
        chains start from one sample: their weights are not independent, so `std_error` says too
        little, but each is unbiased for 1 / p(x), and so is their mean.
        """
        inverse = self._estimate(REVERSE, lambda noise: z.to(noise).repeat(len(noise), 1, 1))
        return replace(inverse, log_prob=-inverse.log_prob, elbo=-inverse.elbo)

    def _estimate(self, run: int, first: Callable[[Tensor], Tensor]) -> AnnealedEstimate:
        chains, stream, accepted = self.options.chains, WeightStream(self.options.chains), 0.0
        for block in range(self.options.blocks):
            count = min(BLOCK, chains - block * BLOCK)
            point = self._point(first(self._normal(run, block, 0)[:count]))
            log_w, acceptance = self._anneal(point, run, block)
            stream.add(log_w)
            accepted = accepted + acceptance.sum(0)
        moves = chains * (self.options.temperatures - 1)
        share = accepted / moves if moves else accepted * math.nan
        return AnnealedEstimate(**vars(stream.estimate()), acceptance=share)

    def _anneal(self, point: Point, run: int, block: int) -> tuple[Tensor, Tensor]:
        """log w of one block of chains and the sum of their acceptances, (S, B) each."""
        log_w = torch.zeros_like(point.log_joint, dtype=torch.float64)
        accepted, count = torch.zeros_like(log_w), self.options.temperatures
        for k in range(1, count + 1):
            before, position = (
                (count - i) / count if run == REVERSE else i / count for i in (k - 1, k)
            )
            rise = inverse_temperature(position) - inverse_temperature(before)
            log_w += rise * (point.log_joint - self.start.log_prob(point.z)).double()
            if k < count:
                step = self._steps(position)
                point, acceptance = self._move(point, run, block, k, position, step)
                accepted += acceptance
        return log_w, accepted

    @torch.no_grad()
    def _search(self) -> Tensor:
        """The log step size after each temperature of the trial run, (TRIAL, B)."""
        point = self._point(self.start.rsample(self._normal(SEARCH, 0, 0)))
        log_step = torch.full_like(point.log_joint[0], math.log(FIRST_STEP))
        log_steps = []
        for k in range(1, TRIAL + 1):
            point, acceptance = self._move(point, SEARCH, 0, k, k / TRIAL, log_step.exp())
            log_step = log_step + GAIN * (acceptance.mean(0) - ACCEPTANCE)
            log_steps.append(log_step)
        log_steps = torch.stack(log_steps)
        smallest = log_steps.min(0).values.exp()
        if (smallest < SMALLEST_STEP).any():
            raise ValueError(
                f"no step down to {SMALLEST_STEP:g} of the start's scale is accepted for example "
                f"{smallest.argmin().item()}: log p(x, z) or its gradient diverges there"
            )
        return log_steps

    def _steps(self, position: float) -> Tensor:
        """The step sizes at a position, (B,), between those of the trial run."""
        place = min(max(position * TRIAL - 1.0, 0.0), TRIAL - 1.0)
        below = min(int(place), TRIAL - 2)
        return self.log_steps[below].lerp(self.log_steps[below + 1], place - below).exp()

    def _move(
        self, point: Point, run: int, block: int, k: int, position: float, step: Tensor
    ) -> tuple[Point, Tensor]:
        count, batch = point.log_joint.shape
        momentum = self._normal(run, block, k)[:count]
        key = *self.key, run, block, k, 1
        uniforms = randomness.uniform((2, BLOCK, batch), *key, device=step.device)[:, :count]
        steps = step * (1.0 + JITTER * (2.0 * uniforms[0] - 1.0)).to(step)
        beta = torch.full_like(step[0], inverse_temperature(position))
        moved = self.hmc.move(point, momentum, uniforms[1], steps, beta)
        if self.report:
            self.report()
        return moved

    def _normal(self, run: int, block: int, k: int) -> Tensor:
        """Noise of a whole block, (BLOCK, B, D), so that no number of chains changes a chain's."""
        loc = self.start.loc
        key = *self.key, run, block, k, 0
        return randomness.normal((BLOCK, *loc.shape), *key, device=loc.device, dtype=loc.dtype)

    def _point(self, z: Tensor) -> Point:
        """The point at z; raises ValueError where log p(x, z) is no number for each chain there."""
        point = self.hmc.point(z)
        if point.log_joint.shape != z.shape[:-1]:
            raise ValueError(
                f"log_joint maps z of shape {tuple(z.shape)} to {tuple(point.log_joint.shape)}; it "
                f"must give one number a chain, (S, B) = {tuple(z.shape[:-1])}"
            )
        good = point.log_joint.isfinite() & point.slope.isfinite().all(-1)
        if not good.all():
            chain, example = (~good).nonzero()[0].tolist()
            raise ValueError(
                f"log p(x, z) is {point.log_joint[chain, example].item()} where a chain of example "
                f"{example} starts, or its gradient is not finite; both must be finite there"
            )
        return point


def ais(
    log_joint: LogJoint,
    start: Normal,
    x: Tensor | None = None,
    *,
    chains: int = 16,
    temperatures: int = 500,
    leapfrogs: int = 5,
    seed: int = 0,
    batch_index: int = 0,
    compile: bool = False,
    products: str = "torch",
    report: Callable[[], None] | None = None,
) -> AnnealedEstimate:
    """Annealed importance sampling of log p(x) for a batch, in nats; log Z where there is no x.

    `log_joint` maps x (B, X), or None, and z (S, B, D) to log p(x, z), (S, B), by functions of
    torch. Chains start from `start`, with loc and scale (B, D): the closer to p(z | x), the better.
    A chain takes `temperatures` weights and, between two, an HMC transition of `leapfrogs`
    gradients; with one temperature it is importance sampling from `start`.

    Noise is keyed by (seed, batch_index, block of chains, temperature); more chains leave the first
    as they were. Memory is that of 16 chains, whatever `chains` and `temperatures` are. With
    `compile` steps are compiled, `products` as in `annealed.compute.compiling`. `report` is called
    after each transition of a block, of which `AnnealingOptions.transitions` says how many come.

    Raises ValueError for a number below 1, shapes that do not fit, a log p(x, z) that is not finite
    where a chain starts, and where no step size is accepted.
    """
    options = AnnealingOptions(chains, temperatures, leapfrogs)
    machine = {"compile": compile, "products": products, "report": report}
    return Annealing(log_joint, start, x, options, seed, batch_index, **machine).forward()
