"""The callback of the Transformers Trainer, with the package itself."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import evalkit
from evalkit.errors import UsageError

transformers = pytest.importorskip("transformers")
pytest.importorskip("accelerate")


class Darkening(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.factor = torch.nn.Parameter(torch.tensor(0.8))
        self.dropout = torch.nn.Dropout(0.5)

    def forward(self, x):
        return {"loss": (self.dropout(x) * self.factor).square().mean()}


def trainer_of(folder, **given):
    data = [{"x": torch.ones(3) * number} for number in range(8)]
    arguments = transformers.TrainingArguments(
        output_dir=str(folder), max_steps=4, per_device_train_batch_size=1, learning_rate=1e-3, use_cpu=True,
        save_strategy="no", logging_steps=100, disable_tqdm=True, **{"report_to": []} | given,
    )  # fmt: skip
    return transformers.Trainer(model=Darkening(), args=arguments, train_dataset=data)


def generate_from(puppets, modes):
    def generate(model, sample):
        modes.append(model.dropout.training)
        return np.round(puppets.real[sample.id] * float(model.factor.detach())).astype(np.uint8)

    return generate


def test_scores_and_filmstrips_reach_the_trainer_s_log(puppets, tmp_path, monkeypatch):
    from evalkit.huggingface import ScorerCallback

    monkeypatch.setenv("TENSORBOARD_LOGGING_DIR", str(tmp_path / "tb"))
    modes: list[bool] = []
    trainer = trainer_of(tmp_path, report_to=["tensorboard"])
    with evalkit.Scorer(
        "talking-head", puppets.testset, metrics="psnr,fid", samples=evalkit.pick(2), backbones="bundled",
        cache=puppets.cache,
    ) as scorer:  # fmt: skip
        callback = ScorerCallback(scorer, generate_from(puppets, modes), every_n_steps=2).attach(trainer)
        trainer.train()
    logged = [entry for entry in trainer.state.log_history if "val/psnr.rgb" in entry]
    assert [entry["step"] for entry in logged] == [2, 4]
    assert logged[-1]["val/psnr.rgb"] == callback.card.metrics["psnr.rgb"].value
    assert logged[0]["val/psnr.rgb"] != logged[1]["val/psnr.rgb"]
    assert modes == [False] * 4
    assert trainer.model.dropout.training
    events = b"".join(path.read_bytes() for path in tmp_path.rglob("events.*"))
    assert events.count(b"\x89PNG") == 4
    assert b"val/psnr.rgb" in events


def test_training_is_the_same_with_and_without(puppets, tmp_path):
    from evalkit.huggingface import ScorerCallback

    factors = []
    for scored in (False, True):
        torch.manual_seed(5)
        trainer = trainer_of(tmp_path / str(scored))
        with evalkit.Scorer(
            "talking-head", puppets.testset, metrics="psnr", samples=evalkit.pick(2), backbones="bundled",
            cache=puppets.cache,
        ) as scorer:  # fmt: skip
            if scored:
                ScorerCallback(scorer, generate_from(puppets, []), every_n_epochs=1).attach(trainer)
            trainer.train()
        factors.append(trainer.model.factor.item())
    assert factors[0] == factors[1] != 0.8


def test_mistakes_are_said(puppets, tmp_path):
    from evalkit.huggingface import ScorerCallback

    with evalkit.Scorer(
        "talking-head", puppets.testset, metrics="psnr", backbones="bundled", cache=puppets.cache
    ) as scorer:
        for wrong in ({}, {"every_n_steps": 1, "every_n_epochs": 1}, {"every_n_steps": 0}, {"every_n_epochs": 1.5}):
            with pytest.raises(UsageError):
                ScorerCallback(scorer, lambda model, sample: None, **wrong)
        trainer = trainer_of(tmp_path)
        trainer.add_callback(ScorerCallback(scorer, lambda model, sample: None, every_n_steps=1))
        with pytest.raises(UsageError, match="attach"):
            trainer.train()
