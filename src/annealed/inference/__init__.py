"""Variational inference: posteriors, transitions, objectives, estimators."""
