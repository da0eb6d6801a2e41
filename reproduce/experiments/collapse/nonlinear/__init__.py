"""Collapse under a decoder that could do without its latents."""
