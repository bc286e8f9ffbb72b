"""A callback for the `Trainer` of Transformers: scores a model while it trains, and logs where the trainer logs.

    from evalkit.huggingface import ScorerCallback

    scorer = evalkit.Scorer("talking-head", "testset/", samples=evalkit.pick(16))
    ScorerCallback(scorer, generate, every_n_steps=1000).attach(trainer)
    trainer.train()

Importing evalkit does not import Transformers.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any, Self

from evalkit.errors import UsageError
from evalkit.scorer.evaluation import Evaluation, GenerateWith, missing_package
from evalkit.scorer.scorer import Scorer
from evalkit.scoring.scorecard import Scorecard


def _callback_class() -> Any:
    try:
        return import_module("transformers").TrainerCallback
    except ModuleNotFoundError as error:
        if error.name != "transformers":
            raise  # it is installed, and lacks something itself
        raise missing_package("the package transformers", "'transformers[torch]'") from None


class ScorerCallback(_callback_class()):  # type: ignore[misc]
    """Scores every n steps or epochs of training.

    The numbers go through ``trainer.log``, so to ``state.log_history`` and to every integration that the trainer
    reports to (``report_to``). Filmstrips go to TensorBoard and W&B, where the trainer has them. With several processes
    each scores its share of the samples, and the result is that of one process. Weights, modes and random states of the
    model are the same afterwards.

    Args:
        scorer: what measures; close it after the training.
        generate: ``generate(model, sample)`` with the trainer's model and a sample of ``scorer.samples``; returns
            frames, or (frames, audio), as for `evalkit.Scorer.run`.
        every_n_steps, every_n_epochs: when; exactly one of them. Steps are those of the optimizer.
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
        every_n_steps: int | None = None,
        every_n_epochs: int | None = None,
        prefix: str = "val/",
        filmstrips: int = 4,
        skip_errors: bool = True,
    ) -> None:
        super().__init__()
        self._evaluation = Evaluation(scorer, generate, every_n_steps, every_n_epochs, prefix, filmstrips, skip_errors)
        self._trainer: Any = None
        self.card: Scorecard | None = None

    def attach(self, trainer: Any) -> Self:
        """Add the callback to a trainer; it needs the trainer itself to log through it."""
        self._trainer = trainer
        trainer.add_callback(self)
        return self

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Make sure that there is something to log through.

        Raises:
            UsageError: the callback was given to the trainer without `attach`.
        """
        if self._trainer is None:
            raise UsageError(
                "The callback doesn't know its trainer.",
                fix="Call callback.attach(trainer) instead of Trainer(callbacks=[callback]).",
            )

    def on_step_end(self, args: Any, state: Any, control: Any, model: Any = None, **kwargs: Any) -> None:
        """Score after a step of the optimizer."""
        every = self._evaluation.every_n_steps
        if every is not None and state.global_step % every == 0:
            self._score(state, model)

    def on_epoch_end(self, args: Any, state: Any, control: Any, model: Any = None, **kwargs: Any) -> None:
        """Score at the end of an epoch."""
        every = self._evaluation.every_n_epochs
        if every is not None and round(state.epoch) % every == 0:
            self._score(state, model)

    def _score(self, state: Any, model: Any) -> None:
        self.card = self._evaluation.run(model)
        self._trainer.log(self.card.scores(prefix=self._evaluation.prefix))
        if state.is_world_process_zero:
            for callback in self._trainer.callback_handler.callbacks:
                for name, strip in self._evaluation.strips().items():
                    _log_picture(callback, name, strip, state.global_step)


def _log_picture(callback: Any, name: str, strip: Any, step: int) -> None:
    writer = getattr(callback, "tb_writer", None)
    if writer is not None:
        writer.add_image(name, strip, step, dataformats="HWC")
    wandb = getattr(callback, "_wandb", None)
    if wandb is not None:
        wandb.log({name: [wandb.Image(strip)], "train/global_step": step})
