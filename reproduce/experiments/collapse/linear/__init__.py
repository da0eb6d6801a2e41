"""The linear VAE, whose optimum is that of probabilistic PCA, under every objective."""
