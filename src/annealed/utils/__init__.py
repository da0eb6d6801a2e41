"""Errors, files, randomness, provenance: what every room above rests on."""
