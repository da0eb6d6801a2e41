"""pythae's trainer and NLL at the protocol's sizes; runs where pythae can be imported.

`python -m reproduce.benchmark.pythae_run vae|iwae IMAGES SAMPLES`, a JSON line of seconds.
"""

import json
import logging
import sys
import tempfile
import time

import torch
from pythae.data.datasets import DatasetOutput
from pythae.models import IWAE, VAE, IWAEConfig, VAEConfig
from pythae.models.base.base_utils import ModelOutput
from pythae.models.nn import BaseDecoder, BaseEncoder
from pythae.trainers import BaseTrainer, BaseTrainerConfig
from torch import nn

PIXELS, HIDDEN, LATENT, BATCH, SCORED = 784, 300, 40, 100, 20


class Gated(nn.Module):
    """Two gated dense layers."""

    def __init__(self, features: int):
        super().__init__()
        self.first, self.second = nn.Linear(features, 2 * HIDDEN), nn.Linear(HIDDEN, 2 * HIDDEN)

    def forward(self, x):
        """(B, features) -> (B, HIDDEN)."""
        return nn.functional.glu(self.second(nn.functional.glu(self.first(x))))


class Encoder(BaseEncoder):
    """The protocol's encoder in pythae's interface."""

    def __init__(self):
        super().__init__()
        self.body = Gated(PIXELS)
        self.mu, self.log_var = nn.Linear(HIDDEN, LATENT), nn.Linear(HIDDEN, LATENT)

    def forward(self, x):
        """See BaseEncoder."""
        h = self.body(x.flatten(1))
        return ModelOutput(embedding=self.mu(h), log_covariance=self.log_var(h))


class Decoder(BaseDecoder):
    """The protocol's decoder in pythae's interface."""

    def __init__(self):
        super().__init__()
        self.body, self.out = Gated(LATENT), nn.Linear(HIDDEN, PIXELS)

    def forward(self, z):
        """See BaseDecoder."""
        probabilities = torch.sigmoid(self.out(self.body(z)))
        return ModelOutput(reconstruction=probabilities.reshape(len(z), 1, 28, 28))


class Images(torch.utils.data.Dataset):
    """Binary images, binarised once; pythae has no dynamic binarisation."""

    def __init__(self, count: int):
        g = torch.Generator().manual_seed(0)
        self.data = (torch.rand(count, 1, 28, 28, generator=g) < 0.15).float()

    def __len__(self):
        return len(self.data)

    def __getitem__(self, index):
        return DatasetOutput(data=self.data[index])


def main(kind: str, count: int, samples: int) -> dict:
    """Seconds of an epoch over `count` images and of the NLL of SCORED images."""
    torch.set_num_threads(1)
    logging.disable(logging.WARNING)
    shared = {"input_dim": (1, 28, 28), "latent_dim": LATENT, "reconstruction_loss": "bce"}
    if kind == "iwae":
        model = IWAE(IWAEConfig(number_samples=5, **shared), Encoder(), Decoder())
    else:
        model = VAE(VAEConfig(**shared), Encoder(), Decoder())
    with tempfile.TemporaryDirectory() as folder:
        options = BaseTrainerConfig(
            output_dir=folder,
            num_epochs=1,
            learning_rate=1e-3,
            per_device_train_batch_size=BATCH,
            no_cuda=not torch.cuda.is_available(),
        )
        BaseTrainer(model, Images(10 * BATCH), None, options).train()  # libraries and kernels load
        trainer = BaseTrainer(model, Images(count), None, options)
        began = time.perf_counter()
        trainer.train()
        training = time.perf_counter() - began
    x = Images(SCORED).data.to(next(model.parameters()).device)
    model.get_nll(x[:1], n_samples=samples, batch_size=samples)
    began = time.perf_counter()
    model.get_nll(x, n_samples=samples, batch_size=samples)
    return {"training": training, "scoring": time.perf_counter() - began, "scored": SCORED}


if __name__ == "__main__":
    kind, count, samples = sys.argv[1:]
    print(json.dumps(main(kind, int(count), int(samples))))
