"""Which rows are trained and scored by both estimators, and how much annealing a score takes."""

from dataclasses import dataclass, replace

from annealed.evaluation.annealed_options import AnnealedScoreOptions
from reproduce.experiments.estimators.scoring import Scoring
from reproduce.results.scored import PRIOR
from reproduce.scheduling.run_grid import Run, run_grid


@dataclass(frozen=True)
class Budget:
    """What a preset of the page is: the runs that it trains, and how each is scored by AIS."""

    preset: str  # of the runs
    data: str
    rows: tuple[str, ...]
    seeds: int  # by default
    options: AnnealedScoreOptions
    compile: bool = False
    also_from_prior: tuple[str, ...] = ()  # rows that are scored by chains from N(0, I) too

    @property
    def start(self) -> str:
        """Where chains start, as of `scored.keys`; the scores' folder below that of a run."""
        return PRIOR if self.options.start == "prior" else ""


BUDGETS = {
    "quick": Budget(
        preset="quick",
        data="digits",
        rows=("vae", "hvi"),
        seeds=2,
        options=AnnealedScoreOptions.of(
            chains=4, temperatures=20, leapfrogs=3, start="posterior", images=20, simulated=10
        ),
        also_from_prior=("hvi",),
    ),
    "full": Budget(
        preset="short",
        data="mnist",
        rows=(
            *("vae", "iwae", "renyi", "iterative", "hvm", "hvi", "hvi_avo", "hvi_nvi"),
            *("hvi_nvi_star", "householder", "householder_avo"),
            *("iaf", "iaf_avo", "lin_iaf", "cc_lin_iaf"),
            *("lmcvae", "mcd", "cmcd", "uha", "tvo"),
        ),
        seeds=3,
        options=AnnealedScoreOptions.of(
            chains=16, temperatures=500, leapfrogs=5, start="posterior", images=275, simulated=100
        ),
        compile=True,
        also_from_prior=("lin_iaf", "cc_lin_iaf"),
    ),
}


def from_prior(budget: Budget) -> Budget:
    """What `budget` also scores by chains from the prior, a budget of its own."""
    options = replace(budget.options, start="prior")
    return replace(budget, rows=budget.also_from_prior, options=options, also_from_prior=())


def runs(budget: Budget, seeds: int, folder: str) -> list[Run]:
    """The runs of every row below `folder`, those of the table, a row's `seeds` side by side."""
    options = {"replicas": seeds, "compile": budget.compile, "runs": folder}
    return run_grid(budget.preset, budget.data, list(budget.rows), seeds, **options)


def scorings(budget: Budget, seeds: int, folder: str) -> list[Scoring]:
    """The scoring of every seed of `runs`, row by row."""
    place = budget.preset, budget.data
    return [
        Scoring(*place, row, seed, budget.options, folder, budget.start)
        for row in budget.rows
        for seed in range(seeds)
    ]
