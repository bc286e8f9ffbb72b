"""One evaluation of a model in training, as the callbacks of `evalkit.lightning` and `evalkit.huggingface` do it."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evalkit.errors import UsageError
from evalkit.scorer.requests import ScorerSample
from evalkit.scorer.scorer import Scorer
from evalkit.scorer.sharing import rank_and_world
from evalkit.scoring.scorecard import Scorecard

GenerateWith = Callable[[Any, ScorerSample], Any]


class Evaluation:
    """Runs a scorer with a model.

    Args:
        scorer: what measures; its networks live as long as it does.
        generate: called with the model and a `ScorerSample`; returns frames or (frames, audio), as for `Scorer.run`.
        every_n_steps, every_n_epochs: when; exactly one of them.
        prefix: before each metric's id in the log.
        filmstrips: of how many samples a filmstrip is logged.
        skip_errors: a sample for which ``generate`` fails is missing, with a warning; without, training ends.

    Raises:
        UsageError: neither or both of the intervals, or a number that is none.
    """

    def __init__(  # noqa: PLR0917
        self,
        scorer: Scorer,
        generate: GenerateWith,
        every_n_steps: int | None,
        every_n_epochs: int | None,
        prefix: str,
        filmstrips: int,
        skip_errors: bool,
    ) -> None:
        given = {"every_n_steps": every_n_steps, "every_n_epochs": every_n_epochs}
        if sum(value is not None for value in given.values()) != 1:
            raise UsageError(
                "The callback must know when to score.", expected="either every_n_steps=... or every_n_epochs=..."
            )
        for name, value in (*given.items(), ("filmstrips", filmstrips)):
            least = 0 if name == "filmstrips" else 1
            if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < least):
                raise UsageError(
                    f"The argument {name} is wrong.", found=repr(value), expected=f"a whole number from {least}"
                )
        self.scorer, self.generate = scorer, generate
        self.every_n_steps, self.every_n_epochs = every_n_steps, every_n_epochs
        self.prefix, self.filmstrips, self.skip_errors = prefix, filmstrips, skip_errors

    def run(self, model: Any) -> Scorecard:
        """Return the scorecard of ``model`` in evaluation mode; every module is in its own mode again afterwards.

        Where several processes train together, they share the samples, and each gets the whole scorecard.
        """
        with evaluation_mode(model):
            card = self.scorer.run(
                lambda sample: self.generate(model, sample),
                skip_errors=self.skip_errors,
                distributed=rank_and_world()[1] > 1,
            )
        failed = [
            f"{video.sample}: {event.detail}"
            for video in card.videos
            for event in video.events
            if event.kind == "generator_failed"
        ]
        if failed and rank_and_world()[0] == 0:
            warnings.warn(
                f"{len(failed)} of {len(card.videos)} samples were not scored. {failed[0]}",
                RuntimeWarning,
                stacklevel=2,
            )
        return card

    def strips(self) -> dict[str, NDArray[np.uint8]]:
        """Return name in the log -> filmstrip (H, W, 3) uint8, of the first samples."""
        found = {}
        for sample in self.scorer.samples[: self.filmstrips]:
            strip = self.scorer.filmstrip(sample.id)
            if strip is not None:
                found[f"{self.prefix}{sample.id}"] = strip
        return found


@contextmanager
def evaluation_mode(model: Any) -> Iterator[None]:
    """Have a model of PyTorch in evaluation mode; each of its modules is in its own mode again at the end."""
    modules = list(model.modules()) if hasattr(model, "modules") else []
    modes = [module.training for module in modules]
    try:
        if modules:
            model.eval()
        yield
    finally:
        for module, mode in zip(modules, modes, strict=True):
            module.training = mode


def missing_package(names: str, install: str) -> ImportError:
    """Return the error for a callback whose trainer is not installed."""
    return ImportError(f"This callback needs {names}, which is not installed. Run: pip install {install}")
