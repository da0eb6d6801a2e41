"""Rows of the table, each a posterior and an objective."""
