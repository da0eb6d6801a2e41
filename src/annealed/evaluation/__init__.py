"""What a trained run is worth: log p(x), the use of its latents, pictures."""
