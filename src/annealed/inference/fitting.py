"""Fitting a posterior, and a target that has parameters, by Adam: one loop for every model."""

import warnings
from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor, nn
from tqdm import tqdm

from annealed.compute.compiled_step import whole_steps
from annealed.compute.replicas import Replicas
from annealed.inference import schedules
from annealed.inference.bound import Bound, check
from annealed.inference.objectives import Objective
from annealed.inference.posteriors import Posterior
from annealed.utils import randomness

MILESTONES, FACTORS = [0.5, 0.75, 0.9], [0.3, 0.1, 0.03]  # of the learning rate, in every phase
POINTS = 50  # of a phase's curve
Phases = Sequence[tuple[Objective, int]]
Progress = bool | Callable[[int, int], None] | None


class PosteriorFit:
    """The state of `fit_posterior`, to fit in several calls of `run`; arguments as there.

    Noise and the order of examples are keyed by (seed, step), so that a seed gets the same beside
    others as alone; which steps of a mixture are AVO steps is the same for every seed. Adam
    works on each number alone, so each seed's training is its own.
    """

    def __init__(
        self,
        bounds: list[Bound],
        seeds: list[int],
        x: Tensor | None = None,
        *,
        samples: int = 64,
        batch_size: int = 100,
        learning_rate: float = 5e-3,
        compile: bool = False,
    ):
        if len(bounds) != len(seeds):
            raise ValueError(f"{len(seeds)} seeds for {len(bounds)} posteriors; one for each")
        if samples < 1 or batch_size < 1:
            raise ValueError("samples and batch_size are whole numbers from 1")
        if not any(p.requires_grad for p in bounds[0].parameters()):
            raise ValueError("nothing to fit: neither the posterior nor the target has parameters")
        self.bounds, self.seeds, self.samples, self.rate = bounds, seeds, samples, learning_rate
        first = next(bounds[0].parameters())
        self.factory = {"device": first.device, "dtype": first.dtype}
        self.constant = torch.ones(1, 1, **self.factory)  # the context where there is no x
        self.batches = None if x is None else _batches(x.to(**self.factory), seeds, batch_size)
        self.examples = 1 if x is None else min(batch_size, x.shape[-2])
        example = self.constant if x is None else x.reshape(-1, x.shape[-1])[:1].to(**self.factory)
        self.dim = check(bounds[0], example)
        self.replicas = Replicas(bounds)
        self.whole = whole_steps(self.replicas) if compile else None
        self.done = 0  # steps taken

    def run(
        self,
        phases: Phases,
        beta: Callable[[int], float] | None = None,
        progress: Progress = None,
    ) -> Tensor:
        """Take the steps of `phases`; returns the curve, (K, R): see `fit_posterior`."""
        curve = []
        total = sum(steps for _, steps in phases)
        hidden = None if progress is None else callable(progress) or not progress
        before = self.done
        with tqdm(total=total, desc="fit", disable=hidden, mininterval=0.5) as bar:
            for objective, steps in phases:
                for bound in self.bounds:
                    bound.objective = objective
                self.adam = torch.optim.Adam(self.replicas.parameters(), self.rate)
                for step in range(steps):
                    rate = self.rate * schedules.piecewise(step, steps, MILESTONES, FACTORS)
                    elbo = self._step(objective, rate, 1.0 if beta is None else beta(self.done))
                    if step % max(steps // POINTS, 1) == 0:
                        curve.append(elbo)
                        bar.set_postfix_str(f"ELBO {elbo.mean():.3f}", refresh=False)
                    bar.update()
                    if callable(progress):
                        progress(self.done - before, total)
        curve = torch.stack(curve) if curve else torch.empty(0, len(self.seeds))
        finite = curve.isfinite().all(0)
        diverged = [seed for seed, good in zip(self.seeds, finite, strict=True) if not good]
        if diverged:
            warnings.warn(f"the bound of seeds {diverged} stopped being finite", stacklevel=2)
        return curve

    def _step(self, objective: Objective, rate: float, beta: float) -> Tensor:
        """One step of Adam; returns the ELBOs, (R,)."""
        step = self.done
        draws = self.bounds[0].posterior.num_draws + objective.extra_draws
        shape = (draws, self.samples, self.examples, self.dim)
        mode = objective.draw_mode(randomness.uniform((), 0, "objective", step).item())
        weight = torch.full((), beta, **self.factory)
        if self.batches is None:
            per_seed, common = (), (self.constant, mode, weight)
        else:
            batch = next(self.batches)
            shape = (*shape[:2], batch.shape[1], self.dim)
            per_seed, common = (batch,), (mode, weight)
        noise = _each_seed(
            self.seeds,
            lambda s: randomness.normal(shape, s, "posterior", step, **self.factory),
        )
        if self.whole:
            elbo, _ = self.whole.take(self.adam, rate, (noise, *per_seed), common)
        else:
            self.adam.param_groups[0]["lr"] = rate
            elbo = self.replicas.backward((noise, *per_seed), *common)
            self.adam.step()
        self.done += 1
        return elbo.detach().cpu()


def fit_posterior(
    target: nn.Module | Sequence[nn.Module],
    posterior: Posterior | Sequence[Posterior],
    objective: Objective | Phases,
    steps: int | None = None,
    *,
    x: Tensor | None = None,
    samples: int = 64,
    batch_size: int = 100,
    learning_rate: float = 5e-3,
    beta: Callable[[int], float] | None = None,
    seed: int | Sequence[int] = 0,
    compile: bool = False,
    progress: Progress = None,
) -> Tensor:
    """Fit `posterior`, in place, to `target` by Adam; a target with parameters is fitted with it.

    `objective` is maximised for `steps` steps (default 2000), or is a list of phases, pairs of an
    objective and its number of steps; in each phase Adam begins afresh and the learning rate falls
    from `learning_rate` to 0.03 of it. `samples` is S, the draws an example and step. Without `x`
    the posterior is unconditional; with x (N, X) a step takes a batch of `batch_size` examples.
    `beta` gives the rate's weight at a step, by default 1. Noise is keyed by `seed`.

    With a list of posteriors and a list of seeds they are fitted side by side, each as it would be
    alone; `target` is then one for all or a list, and x may be (R, N, X). With `compile` a step is
    one compiled function. `progress` shows a bar, by default where there is a terminal, or is
    called with the number of steps taken and of all.

    Returns the ELBO (at beta = 1) of about 50 steps of each phase, (K,), or (K, R) side by side,
    in nats. Raises ValueError where target and posterior do not fit or are not finite at the start.
    """
    several = not isinstance(posterior, Posterior)
    posteriors = list(posterior) if several else [posterior]
    targets = [target] * len(posteriors) if isinstance(target, nn.Module) else list(target)
    if not several and not isinstance(seed, int):
        raise ValueError("one posterior takes one seed")
    seeds = [seed] if isinstance(seed, int) else list(seed)
    if isinstance(objective, Objective):
        phases = [(objective, 2000 if steps is None else steps)]
    elif steps is None:
        phases = list(objective)
    else:
        raise ValueError("phases have their own numbers of steps; leave `steps` out")
    bounds = [Bound(t, q) for t, q in zip(targets, posteriors, strict=True)]
    settings = {"samples": samples, "batch_size": batch_size, "learning_rate": learning_rate}
    fit = PosteriorFit(bounds, seeds, x, **settings, compile=compile)
    curve = fit.run(phases, beta, progress)
    return curve if several else curve[:, 0]


def _each_seed(seeds: list[int], draw: Callable[[int], Tensor]) -> Tensor:
    """`draw` of each of R seeds, stacked, (R, ...); a seed that comes again is drawn once."""
    if len(seeds) == 1:
        return draw(seeds[0])[None]
    distinct = sorted(set(seeds))
    return torch.stack([draw(seed) for seed in distinct])[[distinct.index(s) for s in seeds]]


def _batches(data: Tensor, seeds: list[int], size: int) -> Iterator[Tensor]:
    """Batches (R, size, X) of data (N, X) or (R, N, X) without end, in the order of (seed, epoch).

    The last batch of an epoch is smaller where `size` does not divide N.
    """
    data = data.expand(len(seeds), *data.shape[-2:])
    epoch = 0
    while True:
        order = _each_seed(
            seeds,
            lambda s, e=epoch: torch.randperm(
                data.shape[1], generator=randomness.generator(s, "order", e)
            ),
        ).to(data.device)
        for index in order.split(size, dim=1):
            yield torch.stack([one[i] for one, i in zip(data, index, strict=True)])
        epoch += 1
