"""Lightning around `Training`: one device or several, from the last checkpoint if there is one."""

from pathlib import Path

import pytorch_lightning as pl
import torch

from annealed.compute import onednn
from annealed.compute.precision import multiplying
from annealed.config.schema import Config
from annealed.data.images import Images
from annealed.methods.base import Method
from annealed.training import distributed
from annealed.training.checkpoints import LAST, AtomicCheckpointIO
from annealed.training.datamodule import ImageData
from annealed.training.module import Training
from annealed.training.progress import Progress, TrainingProgress
from annealed.training.record import Record, Recorder
from annealed.utils.errors import Diverged


def train(
    methods: list[Method],
    images: Images,
    config: Config,
    folder: Path,
    device: torch.device,
    records: dict[int, Record],
    progress: Progress | None = None,
) -> None:
    """Train `methods` side by side, from the last checkpoint in `folder` where there is one.

    Ends when every one has reached its last epoch, spent its patience or diverged. Over several
    devices each process of the run calls this, and raises Lost where another one has gone.
    """
    ranks = distributed.ranks(config)
    data = ImageData(images, config.data.batch_size, config.trainer.steps_per_call, device)
    training = Training(methods, config, data.steps_an_epoch, ranks)
    group = distributed.Group(ranks)
    trainer = pl.Trainer(
        accelerator="gpu" if device.type == "cuda" else "cpu",
        devices=ranks.world,
        strategy=distributed.Strategy(group) if ranks.world > 1 else "auto",
        max_epochs=config.trainer.epochs,
        callbacks=[
            group,
            Recorder(folder, records),
            *[TrainingProgress(progress)] * bool(progress),
        ],
        logger=False,  # each seed has its own, kept by its record
        plugins=[AtomicCheckpointIO()],
        use_distributed_sampler=False,  # the order is ours: a pure function of (seed, epoch)
        num_sanity_val_steps=0,
        enable_checkpointing=True,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=folder,
    )
    last = folder / LAST
    try:
        by = onednn.chosen(config.trainer.products, device)
        with multiplying(config.trainer.precision), onednn.multiplying(by), group.together():
            try:
                trainer.fit(training, data, ckpt_path=last if last.exists() else None)
            except Diverged:
                for seed in training.seeds:
                    records[seed].diverged = training.diverged[seed]
    except SystemExit:  # Lightning's answer to SIGINT and SIGTERM, with a status of its own
        raise KeyboardInterrupt from None
