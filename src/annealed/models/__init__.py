"""What a posterior approximates: generative models of images, and energies."""
