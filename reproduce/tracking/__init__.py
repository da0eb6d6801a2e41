"""W&B: the dashboard as code, offline runs sent."""
