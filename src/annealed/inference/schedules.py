"""Schedules: beta warm-up, the alphas of annealed targets, the learning rate."""

from bisect import bisect_right


def linear_warmup(step: int, warmup_steps: int) -> float:
    """Beta rising linearly from 1 / warmup_steps to 1 (Bowman et al. 2016; Sonderby et al. 2016).

    Always 1 when `warmup_steps` is 0; beta is never 0, so the rate term is never unweighted.
    """
    return 1.0 if warmup_steps <= 0 else min(1.0, (step + 1) / warmup_steps)


def cyclical(step: int, total: int, cycles: int, rise: float = 0.5) -> float:
    """beta in `cycles` equal cycles over `total` steps, each rising linearly and then staying at 1.

    `rise` is the rising share of a cycle (Fu et al. 2019, arXiv 1903.10145, equation 6). The last
    step of a rise has beta 1; as in `linear_warmup`, beta is never 0.
    """
    period = total / cycles
    return linear_warmup(int(step % period), round(rise * period))


SPACINGS = ("linear", "geometric")


def alphas(kind: str, steps: int, first: float | None = None) -> list[float]:
    """alpha_1 < ... < alpha_T = 1, the exponents of the annealed targets.

    `linear`: alpha_t = t / T, or evenly spaced from `first` to 1. `geometric`: evenly spaced in the
    logarithm, from `first` (default 0.1) to 1. With T = 1 the only alpha is 1. Raises ValueError
    for another `kind`, and for a `first` that is not between 0 and 1.
    """
    if kind not in SPACINGS:
        raise ValueError(f"unknown spacing {kind!r}; accepted: {', '.join(SPACINGS)}")
    if first is not None and not 0.0 < first < 1.0:
        raise ValueError(f"the first of the alphas is {first}; accepted: above 0 and below 1")
    if steps == 1:
        return [1.0]
    share = [t / (steps - 1) for t in range(steps)]
    if kind == "geometric":
        low = 0.1 if first is None else first
        return [low ** (1.0 - s) for s in share]
    low = 1.0 / steps if first is None else first
    return [low + (1.0 - low) * s for s in share]


def piecewise(step: int, total: int, milestones: list[float], factors: list[float]) -> float:
    """The learning rate's factor: 1, then factors[i] once milestones[i] of `total` has passed."""
    passed = bisect_right([m * total for m in milestones], step)
    return 1.0 if passed == 0 else factors[passed - 1]
