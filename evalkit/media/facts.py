"""What is known of one media file after it was read to its end. Plain data, written to the cache as JSON."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class _Facts(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class VideoFacts(_Facts):
    """The first video stream, as decoded; the container's word stands only in ``header_*``.

    Args:
        rotation: degrees counterclockwise by which the metadata turns the pictures.
        mirrored: whether the metadata shows the pictures as in a mirror.
        header_frames: packets that the header promises (in an MP4: that its edit list leaves in), 0 when it is silent.
        fps: frames per second from the median interval of the decoded frames; ``None`` with fewer than two frames.
        duration_seconds: from the first frame's time to the end of the last frame.
        irregular_share: share of the intervals that differ from the median interval by more than a tenth of it.
        duplicate_share: share of frames (from the second on) whose luma differs from the frame before by less than
            0.3 grey levels on average (frozen or repeated pictures).
        longest_still_seconds: longest run of such frames.
        black_share: share of frames with a mean luma below 20 of 255.
        corrupt_frames: frames that the decoder delivered but marked as damaged.
        decode_errors: packets that the decoder refused.
        missing_packets: packets that the container's index promises but the file does not hold.
    """

    codec: str
    profile: str | None
    pixel_format: str | None
    width: int
    height: int
    sample_aspect_ratio: str
    rotation: int
    interlaced_frames: int
    header_frames: int
    packets: int
    frames: int
    decode_errors: int
    corrupt_frames: int
    first_error: str | None
    fps: float | None
    start_seconds: float
    duration_seconds: float
    irregular_share: float
    backward_steps: int
    size_changes: int
    duplicate_share: float
    longest_still_seconds: float
    black_share: float
    stopped_early: bool
    mirrored: bool = False

    @property
    def missing_packets(self) -> int:
        """Packets promised by the header and not in the file."""
        return max(0, self.header_frames - self.packets)


class AudioFacts(_Facts):
    """The first audio stream, as decoded. ``rms_dbfs`` is ``None`` for digital silence or no samples."""

    codec: str
    sample_rate: int
    channels: int
    start_seconds: float
    duration_seconds: float
    rms_dbfs: float | None
    peak: float
    decode_errors: int


class MediaFacts(_Facts):
    """One file. ``open_error`` is set when no container could be opened, and then nothing else is known."""

    size_bytes: int
    container: str | None
    brand: str | None
    video_streams: int
    audio_streams: int
    other_streams: tuple[str, ...]
    video: VideoFacts | None
    audio: AudioFacts | None
    open_error: str | None
