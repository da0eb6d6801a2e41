"""Annealed importance sampling beside importance sampling, for rows of the table."""
