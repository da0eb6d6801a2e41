"""The W&B workspace and report, as code."""
