"""The reproduction: the grid of runs, the scheduler that runs them, the table made of results."""
