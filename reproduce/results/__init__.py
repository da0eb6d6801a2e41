"""Committed results, published numbers, statistics over seeds."""
