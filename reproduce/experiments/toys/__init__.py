"""The toy page: HVI and IAF under ELBO and AVO on eight energies in the plane."""
