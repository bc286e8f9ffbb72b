"""What every kind of submission answers: how a file is read, what the key of its facts is, which facts are numbers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from evalkit.challenges.submission_rules import SubmissionRules
from evalkit.media.facts import MediaFacts
from evalkit.media.limits import ReadLimits
from evalkit.metrics.features.base import Item
from evalkit.testsets.model import Sample, TestSet
from evalkit.validators.file import ExpectedLength

if TYPE_CHECKING:
    from evalkit.media.inspect import Inspection
    from evalkit.media.readers import FrameSink

# (path, what is measured, how) -> the numbers, from the cache where that has them.
Measured = Callable[[Path, str, Callable[[Path], tuple[float, ...]]], tuple[float, ...]]


class FileKind(ABC):
    """One kind of submission.

    Attributes:
        facts: the pseudo-feature through which metrics read what is known of a file.
        version: of its facts, which are cached; a video's are `evalkit.media.facts.FACTS_VERSION` alone.
    """

    facts: ClassVar[str]
    version: ClassVar[int]

    @abstractmethod
    def inspect(self, item: Item, sinks: Sequence[FrameSink], limits: ReadLimits, rules: SubmissionRules) -> Inspection:
        """Read the file ``item.video`` to its end; never raises because of the contents, but for `MemoryError`.

        Args:
            item: the sample, with the file's path.
            sinks: receive the frames of a video.
            limits: where reading ends.
            rules: the challenge's.
        """

    @abstractmethod
    def numbers(self, facts: MediaFacts, rules: SubmissionRules) -> dict[str, float | None]:
        """Return the facts that metrics may read, by name."""

    @abstractmethod
    def expected(
        self, sample: Sample, testset: TestSet, rules: SubmissionRules, measured: Measured
    ) -> ExpectedLength | None:
        """Return how long a sample's file should be, where a rule compares that and the test set says it.

        Raises:
            MediaError: when the reference can't be read.
        """

    @abstractmethod
    def seconds(
        self, rules: SubmissionRules, expected: ExpectedLength | None, size_bytes: int, *, scored: bool
    ) -> float:
        """Return the time limit for one file in seconds."""

    def arrays(self, facts: MediaFacts | None, rules: SubmissionRules) -> dict[str, NDArray[Any]]:
        """Return what metrics read of the pseudo-feature: an array () float64 for each number that there is."""
        numbers = {} if facts is None else self.numbers(facts, rules)
        return {name: np.asarray(value) for name, value in numbers.items() if value is not None}
