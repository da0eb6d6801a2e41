"""annealed: Improving Explorability in Variational Inference with AVO, reproduced."""

__version__ = "0.1.0"
