"""Which runs are made, where, and again after a failure."""
