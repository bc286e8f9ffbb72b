"""Where reading a media file stops, whatever it holds."""

from __future__ import annotations

from dataclasses import astuple, dataclass

MAX_FRAMES = 200_000
MAX_AUDIO_PACKETS = 10_000_000


@dataclass(frozen=True)
class ReadLimits:
    """How much of a file is read. A stream that has more is marked as stopped early and not read further.

    Args:
        frames: decoded frames of the video.
        width, height: in pixels; ``None`` for any.
        larger_frames: decoded frames when their longer side is longer than that.
        audio_packets: packets of the audio stream.
        audio_seconds: decoded audio.
    """

    frames: int = MAX_FRAMES
    width: int | None = None
    height: int | None = None
    larger_frames: int = MAX_FRAMES
    audio_packets: int = MAX_AUDIO_PACKETS
    audio_seconds: float = float("inf")

    def text(self) -> str:
        """Return the limits in one line; equal limits have equal texts."""
        return " ".join(map(str, astuple(self)))

    def frames_of(self, width: int, height: int) -> int:
        """Return how many frames of this size are decoded."""
        allowed = (self.width or width, self.height or height)
        if max(width, height) > max(allowed):  # the longer sides: a display matrix may turn the frame
            return min(self.frames, self.larger_frames)
        return self.frames
