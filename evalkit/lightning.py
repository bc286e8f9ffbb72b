"""A callback for Lightning: scores a model while it trains, and logs through the trainer's own loggers.

    from evalkit.lightning import ScorerCallback

    scorer = evalkit.Scorer("talking-head", "testset/", samples=evalkit.pick(16))
    trainer = Trainer(callbacks=[ScorerCallback(scorer, generate, every_n_epochs=1)])

It works with the packages ``lightning`` and ``pytorch_lightning``: with the one that is imported already, else with the
one that is installed. Importing evalkit imports neither.
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Any

from evalkit.scorer.evaluation import Evaluation, GenerateWith, missing_package
from evalkit.scorer.scorer import Scorer
from evalkit.scoring.scorecard import Scorecard

_PACKAGES = ("lightning.pytorch", "pytorch_lightning")


def _callback_class() -> Any:
    loaded = [name for name in _PACKAGES if name in sys.modules]
    for name in (*loaded, *_PACKAGES):
        try:
            return import_module(name).Callback
        except ModuleNotFoundError as error:
            if error.name not in {name, name.partition(".")[0]}:
                raise  # it is installed, and lacks something itself
    raise missing_package("the package lightning or pytorch_lightning", "lightning")


class ScorerCallback(_callback_class()):  # type: ignore[misc]
    """Scores every n epochs or steps of training.

    The numbers go to all loggers of the trainer, and to ``trainer.callback_metrics``, where `ModelCheckpoint` and
    `EarlyStopping` find them by ``PREFIX + metric id``. Filmstrips go to loggers that take pictures: TensorBoard, and
    those with a ``log_image`` as W&B's. With several processes each scores its share of the samples, and the result is
    that of one process. Weights, modes and random states of the model are the same afterwards.

    Args:
        scorer: what measures; close it after the training.
        generate: ``generate(module, sample)`` with the `LightningModule` and a sample of ``scorer.samples``; returns
            frames, or (frames, audio), as for `evalkit.Scorer.run`.
        every_n_epochs, every_n_steps: when; exactly one of them. Steps are those of the optimizer.
        prefix: before each metric's id.
        filmstrips: of how many samples a filmstrip is logged.
        skip_errors: a sample for which ``generate`` fails is missing, with a warning; without, training ends.

    Attributes:
        card: the last scorecard, ``None`` before the first.

    Raises:
        UsageError: neither or both of the intervals.
    """

    def __init__(
        self,
        scorer: Scorer,
        generate: GenerateWith,
        *,
        every_n_epochs: int | None = None,
        every_n_steps: int | None = None,
        prefix: str = "val/",
        filmstrips: int = 4,
        skip_errors: bool = True,
    ) -> None:
        super().__init__()
        self._evaluation = Evaluation(scorer, generate, every_n_steps, every_n_epochs, prefix, filmstrips, skip_errors)
        self._last_step = 0
        self.card: Scorecard | None = None

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        """Score at the end of an epoch."""
        every = self._evaluation.every_n_epochs
        if every is not None and (trainer.current_epoch + 1) % every == 0:
            self._score(trainer, pl_module)

    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        """Score after a step of the optimizer."""
        every, step = self._evaluation.every_n_steps, trainer.global_step
        if every is not None and step != self._last_step and step % every == 0:
            self._last_step = step  # with accumulated gradients several batches end at one step
            self._score(trainer, pl_module)

    def _score(self, trainer: Any, module: Any) -> None:
        self.card = self._evaluation.run(module)
        scores = self.card.scores(prefix=self._evaluation.prefix)
        # For monitors alone: what goes to loggers this way is dropped between two of the trainer's own log steps.
        module.log_dict(scores, logger=False, on_step=False, on_epoch=True)
        for logger in trainer.loggers:
            logger.log_metrics(scores, step=trainer.global_step)
        if trainer.is_global_zero:
            for logger in trainer.loggers:
                for name, strip in self._evaluation.strips().items():
                    _log_picture(logger, name, strip, trainer.global_step)


def _log_picture(logger: Any, name: str, strip: Any, step: int) -> None:
    if hasattr(logger, "log_image"):  # W&B
        logger.log_image(key=name, images=[strip], step=step)
        return
    writer: Any = getattr(logger, "experiment", None)
    if hasattr(writer, "add_image"):  # TensorBoard
        writer.add_image(name, strip, step, dataformats="HWC")
