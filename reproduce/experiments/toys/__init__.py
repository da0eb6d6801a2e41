"""The toy page: HVI and IAF under ELBO and AVO on nine energies in the plane."""
