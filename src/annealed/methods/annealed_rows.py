"""The rows whose transitions follow the target's gradient, under the ELBO."""

from annealed.methods.annealed_options import (
    ControlledOptions,
    HamiltonianOptions,
    LangevinOptions,
    LearntReverseOptions,
)
from annealed.methods.rows import path_row

LMCVAE = path_row(
    "LMCVAE",
    LangevinOptions,
    "Unadjusted Langevin steps, reversed by themselves (Thin et al. 2021, arXiv 2106.15921).",
)
MCD = path_row(
    "MCD",
    LearntReverseOptions,
    "Langevin steps with a learnt reverse kernel (Doucet et al. 2022, arXiv 2208.07698).",
)
CMCD = path_row(
    "CMCD",
    ControlledOptions,
    "Langevin steps learnt in both directions (Vargas et al. 2024, arXiv 2307.01050).",
)
UHA = path_row(
    "UHA",
    HamiltonianOptions,
    "Uncorrected Hamiltonian annealing (Geffner & Domke 2021, arXiv 2107.04150).",
)
