"""The reproduction: the grid of cells, the scheduler that runs them, the table made of results."""
