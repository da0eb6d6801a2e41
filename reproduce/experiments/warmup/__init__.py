"""Robustness of HVI and HVI-AVO to how beta is annealed."""
