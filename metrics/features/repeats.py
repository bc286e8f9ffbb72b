"""Pictures that equal the one before them, for which a network need not run again.

Frames repeat where a video was brought to a higher rate, and in a still. Pictures are compared number by number with
the last one: equal input gives an equal result, and nothing that is only alike is taken for equal.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


class Repeats:
    """Recognises a picture that equals the one shown before."""

    def __init__(self) -> None:
        self._last: NDArray[Any] | None = None

    def again(self, picture: Any) -> bool:
        """Return whether ``picture`` equals the last one that was passed here, in shape, type and every number.

        Args:
            picture: an array or a tensor on the CPU; a copy of it is kept until the next call.
        """
        now = np.asarray(picture).copy()
        last, self._last = self._last, now
        return last is not None and last.dtype == now.dtype and np.array_equal(last, now)
