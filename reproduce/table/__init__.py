"""The NLL table: rows, pairs, curves, figures, README's copy."""
