"""The VAE of the protocol as a bare PyTorch loop: what a person would write in half an hour."""

import math

import torch
from torch import nn
from torch.nn import functional as F


class BareVAE(nn.Module):
    """Two gated dense layers of 300 each way, 40 latents, by nn.Linear alone."""

    def __init__(self, pixels: int = 784, hidden: int = 300, latent: int = 40):
        super().__init__()
        self.encoder = nn.ModuleList([nn.Linear(pixels, 2 * hidden), nn.Linear(hidden, 2 * hidden)])
        self.head = nn.Linear(hidden, 2 * latent)
        self.decoder = nn.ModuleList([nn.Linear(latent, 2 * hidden), nn.Linear(hidden, 2 * hidden)])
        self.out = nn.Linear(hidden, pixels)

    def log_weight(self, x, mu, sigma, noise):
        """Log-weights of z = mu + sigma * noise, constants included."""
        z = h = mu + sigma * noise
        for layer in self.decoder:
            h = F.glu(layer(h))
        logits = self.out(h)
        log_p = (logits * x - F.softplus(logits)).sum(-1) - 0.5 * z.square().sum(-1)
        return log_p + 0.5 * noise.square().sum(-1) + sigma.log().sum(-1)

    def encode(self, x):
        """Mean and scale of q(z | x)."""
        for layer in self.encoder:
            x = F.glu(layer(x))
        mu, raw = self.head(x).chunk(2, -1)
        return mu, F.softplus(raw)


def train(model: BareVAE, adam: torch.optim.Optimizer, images, steps: int, batch: int) -> None:
    """`steps` steps of the ELBO on freshly binarised batches of `images`, uint8 (N, X)."""
    for _ in range(steps):
        grey = images[torch.randint(len(images), (batch,), device=images.device)]
        x = (torch.rand(grey.shape, device=grey.device) * 255 < grey).float()
        mu, sigma = model.encode(x)
        loss = -model.log_weight(x, mu, sigma, torch.randn_like(mu)).mean()
        adam.zero_grad()
        loss.backward()
        adam.step()


@torch.no_grad()
def score(model: BareVAE, x, samples: int, chunk: int):
    """log p(x) of each of x (B, X) by importance sampling, a chunk of samples at a time."""
    mu, sigma = model.encode(x)
    parts = []
    for _ in range(samples // chunk):
        noise = torch.randn(chunk, *mu.shape, device=x.device)
        parts.append(model.log_weight(x, mu, sigma, noise).logsumexp(0))
    return torch.stack(parts).logsumexp(0) - math.log(samples)
