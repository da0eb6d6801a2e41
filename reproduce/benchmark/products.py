"""The matrix products of the protocol's VAE alone, which no implementation can do without."""

import torch


def layers(pixels: int = 784, hidden: int = 300, latent: int = 40) -> tuple[list, list]:
    """(inputs, outputs) of the encoder's and of the decoder's linear maps."""
    encoder = [(pixels, 2 * hidden), (hidden, 2 * hidden), (hidden, 2 * latent)]
    decoder = [(latent, 2 * hidden), (hidden, 2 * hidden), (hidden, pixels)]
    return encoder, decoder


def training(steps: int, batch: int, device: torch.device):
    """The products of `steps` steps, forward and backward, as a case."""
    encoder, decoder = layers()
    maps = [
        (
            torch.randn(batch, a, device=device),
            torch.randn(a, b, device=device),
            torch.randn(batch, b, device=device),
        )
        for a, b in encoder + decoder
    ]

    def case() -> None:
        for _ in range(steps):
            for i, (x, w, g) in enumerate(maps):
                x @ w
                x.T @ g
                if i:  # the images need no gradient
                    g @ w.T

    return case


def annealing(transitions: int, leapfrogs: int, points: int, device: torch.device):
    """The decoder's products of `transitions` HMC transitions of `points` chains, as a case.

    A leapfrog step takes log p(x | z), forward, and its gradient in z, backward.
    """
    _, decoder = layers()
    maps = [
        (
            torch.randn(points, a, device=device),
            torch.randn(a, b, device=device),
            torch.randn(points, b, device=device),
        )
        for a, b in decoder
    ]

    def case() -> None:
        for _ in range(transitions * leapfrogs):
            for x, w, g in maps:
                x @ w
                g @ w.T

    return case


def scoring(samples: int, batch: int, chunk: int, device: torch.device):
    """The decoder's products of `samples` samples of `batch` images, as a case."""
    _, decoder = layers()
    maps = [
        (torch.randn(chunk * batch, a, device=device), torch.randn(a, b, device=device))
        for a, b in decoder
    ]

    def case() -> None:
        for _ in range(samples // chunk):
            for x, w in maps:
                x @ w

    return case
