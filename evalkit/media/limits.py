"""Where reading a media file stops, whatever it holds."""

from __future__ import annotations

from dataclasses import astuple, dataclass
from typing import Literal

MAX_FRAMES = 200_000
MAX_AUDIO_PACKETS = 10_000_000
Proof = Literal["size", "length", "count"]


@dataclass(frozen=True)
class ReadLimits:
    """How much of a file is read. Decoding ends with the first frame that proves a rule broken.

    The frames after that one are counted and timed by their packets, up to ``frames``; a stream that has more is marked
    as stopped early.

    Args:
        frames: frames of the video that are counted at all.
        decoded_frames: frames that are decoded; no more fit into the allowed length at the allowed rate.
        seconds: from the time of the first frame to that of the last.
        min_width, max_width, min_height, max_height: of a frame as stored, in pixels; ``None`` for any.
        longest_side: of a frame, in pixels; ``None`` for any.
        always_decoded: frames that are decoded whatever they prove.
        audio_packets: packets of the audio stream.
        audio_seconds: decoded audio.
    """

    frames: int = MAX_FRAMES
    decoded_frames: int = MAX_FRAMES
    seconds: float = float("inf")
    min_width: int | None = None
    max_width: int | None = None
    min_height: int | None = None
    max_height: int | None = None
    longest_side: float | None = None
    always_decoded: int = 0
    audio_packets: int = MAX_AUDIO_PACKETS
    audio_seconds: float = float("inf")

    def text(self) -> str:
        """Return the limits in one line; equal limits have equal texts."""
        return " ".join(map(str, astuple(self)))

    def refuses_size(self, width: int, height: int) -> bool:
        """Return whether no frame may have this size."""
        ranges = ((width, self.min_width, self.max_width), (height, self.min_height, self.max_height))
        if any((low is not None and side < low) or (high is not None and side > high) for side, low, high in ranges):
            return True
        return self.longest_side is not None and max(width, height) > self.longest_side
