"""Train a small module with Lightning, with one process or two: ``lightning_story.py TESTSET CACHE PROCESSES OUT``."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytorch_lightning as pl
import torch
from pytorch_lightning.loggers import CSVLogger, TensorBoardLogger

import evalkit
from evalkit.lightning import ScorerCallback
from evalkit.media.decode import iter_frames


class Darkening(pl.LightningModule):
    """Darkens the real video; its weight is not trained, so that one and two processes have the same."""

    def __init__(self, testset: evalkit.TestSet) -> None:
        super().__init__()
        self.factor = torch.nn.Parameter(torch.tensor(0.8))
        self.dropout = torch.nn.Dropout(0.5)
        self.videos = {one.id: np.stack(list(iter_frames(testset.path(str(one.reference_video))))) for one in testset}
        self.modes: list[bool] = []
        self.generated: list[str] = []

    def generate(self, sample) -> torch.Tensor:
        assert not self.dropout.training
        self.generated.append(sample.id)
        frames = torch.from_numpy(self.videos[sample.id]).permute(0, 3, 1, 2).float()
        return self.dropout(frames * self.factor).round().to(torch.uint8)

    def training_step(self, batch, batch_idx):
        self.modes.append(self.dropout.training)
        return (self.factor * batch[0].float().mean()) * 0

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.0)


def main(testset_folder: str, cache: str, processes: int, out: str) -> None:
    testset = evalkit.load_testset(testset_folder)
    module = Darkening(testset)
    metrics = "psnr,identity,fid,clipscore"
    scorer = evalkit.Scorer("talking-head", testset, metrics=metrics, backbones="bundled", cache=cache)
    callback = ScorerCallback(scorer, lambda m, sample: m.generate(sample), every_n_steps=2, filmstrips=2)
    data = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(torch.ones(8, 1)), batch_size=1)
    loggers = [TensorBoardLogger(out, name="tb", version=0), CSVLogger(out, name="csv", version=0)]
    trainer = pl.Trainer(
        accelerator="cpu", devices=processes, strategy="ddp" if processes > 1 else "auto", max_steps=4,
        logger=loggers, callbacks=[callback], enable_progress_bar=False, enable_model_summary=False,
        enable_checkpointing=False, log_every_n_steps=1000,
    )  # fmt: skip
    trainer.fit(module, data)
    assert module.modes == [True] * 4, module.modes
    result = {
        "scores": callback.card.scores(prefix="val/"),
        "generated": module.generated,
        "monitored": {name: float(value) for name, value in trainer.callback_metrics.items()},
        "card": callback.card.to_json(),
    }
    Path(out, f"result-{trainer.global_rank}-of-{trainer.world_size}.json").write_text(json.dumps(result))
    scorer.close()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4])
