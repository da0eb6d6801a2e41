"""Results of runs as they are kept, and statistics over seeds."""
