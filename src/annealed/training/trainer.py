"""Lightning around `Training`: one device or several, from the last checkpoint if there is one."""

from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from lightning_fabric.utilities.rank_zero import rank_zero_only

from annealed.compute import onednn
from annealed.compute.machine import Machine
from annealed.compute.precision import multiplying
from annealed.config.schema import Config
from annealed.methods.base import Method
from annealed.training import distributed
from annealed.training.checkpoint_io import AtomicCheckpointIO
from annealed.training.checkpoints import LAST
from annealed.training.module import Training
from annealed.training.process_watch import Group
from annealed.training.progress import Progress, TrainingProgress
from annealed.training.record import Record
from annealed.training.recorder import Recorder
from annealed.utils.environment import hidden
from annealed.utils.errors import Diverged


@hidden()
def train(
    methods: list[Method],
    data: pl.LightningDataModule,
    config: Config,
    folder: Path,
    machine: Machine,
    records: dict[int, Record],
    progress: Progress | None = None,
    checkpoint: dict[str, Any] | None = None,
) -> None:
    """Train `methods` side by side, from `checkpoint`, the last in `folder`, where there is one.

    `data` is an `ImageData` or an `EnergyData`, which says how many steps an epoch has.
    Ends when every one has reached its last epoch, spent its patience or diverged. Over several
    devices each process of the run calls this, and raises Lost where another one has gone.
    """
    ranks = machine.ranks
    training = Training(methods, config, data.steps_an_epoch, machine)
    group, processes = Group(ranks), distributed.Processes(ranks)
    rank_zero_only.rank = ranks.rank  # set by a launcher's variables as Lightning was imported
    trainer = pl.Trainer(
        accelerator="gpu" if machine.device.type == "cuda" else "cpu",
        devices=ranks.world,
        strategy=distributed.Strategy(group) if ranks.world > 1 else "auto",
        max_epochs=config.trainer.epochs,
        callbacks=[
            group,
            Recorder(folder, records),
            *[TrainingProgress(progress)] * bool(progress),
        ],
        logger=False,  # each seed's record has one
        plugins=[AtomicCheckpointIO(checkpoint), processes],
        use_distributed_sampler=False,  # the order is a pure function of (seed, epoch)
        num_sanity_val_steps=0,
        enable_checkpointing=True,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=folder,
    )
    last = None if checkpoint is None else folder / LAST
    try:
        products = onednn.multiplying(machine.products)
        with multiplying(machine.precision), products, group.training():
            try:
                trainer.fit(training, data, ckpt_path=last)
            except Diverged:
                for seed in training.seeds:
                    records[seed].diverged = training.diverged[seed]
                    records[seed].save_best()  # the last checkpoint may be epochs old
    except SystemExit:  # Lightning's answer to SIGINT and SIGTERM, with a status of its own
        raise KeyboardInterrupt from None
