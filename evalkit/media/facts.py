"""What is known of one media file after it was read to its end. Plain data, written to the cache as JSON."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class _Facts(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


Matrix = tuple[float, float, float, float]
UPRIGHT: Matrix = (1.0, 0.0, 0.0, 1.0)


class Edit(_Facts):
    """One entry of an MP4's edit list: what of a track is shown, and how fast.

    Args:
        seconds: how long it is shown; 0 means to the end.
        start_seconds: from where in the track; ``None`` shows nothing for that long.
        rate: 1 is the speed that the track has.
    """

    seconds: float
    start_seconds: float | None
    rate: float


class TrackFacts(_Facts):
    """What the index of an MP4 says of one track; ``None`` for a length that it does not say.

    Args:
        id: the track's number, as FFmpeg knows it too.
        kind: ``video``, ``audio`` or ``other``.
        enabled: whether the track is meant to be played.
        matrix: (a, b, c, d) of its display matrix.
        shown_size: width and height at which it is to be shown, 0 when not said.
        clean_aperture: width and height of the part that is to be shown, when the sample entry names one.
        entries: four letters of every sample entry (``avc1``).
        encrypted: whether one of them says that the samples are encrypted.
        external: data references to other files.
        edits: the edit list.
        time_scale: ticks per second.
        claimed_seconds: length in the track's header, edits applied.
        media_seconds: length in the media's header, without edits.
        samples: how many there are, by the list of their sizes; 0 where each fragment lists its own.
        timed_samples: the same by the list of their lengths.
        chunk_samples: the same by the list of chunks.
        fragment_samples: how many the fragments list.
        largest_sample: its size in bytes.
        sample_seconds: sum of the samples' lengths.
        first_offset_seconds: how much later than decoded the first sample is shown.
        twice: boxes that may stand once and stand more often, or stand in the track and belong beside the index.
        lacking: boxes that must stand and do not.
        short: lists that claim more entries than they have room for.
    """

    id: int = 0
    kind: str = "other"
    enabled: bool = True
    matrix: Matrix = UPRIGHT
    shown_size: tuple[float, float] = (0.0, 0.0)
    clean_aperture: tuple[float, float] | None = None
    entries: tuple[str, ...] = ()
    encrypted: bool = False
    external: tuple[str, ...] = ()
    edits: tuple[Edit, ...] = ()
    time_scale: int = 1
    claimed_seconds: float | None = None
    media_seconds: float | None = None
    samples: int = 0
    timed_samples: int = 0
    chunk_samples: int = 0
    fragment_samples: int = 0
    largest_sample: int = 0
    sample_seconds: float | None = None
    first_offset_seconds: float | None = None
    twice: tuple[str, ...] = ()
    lacking: tuple[str, ...] = ()
    short: tuple[str, ...] = ()


class Mp4Facts(_Facts):
    """What the index of an MP4 says.

    Args:
        tracks: in the order of the file.
        fragmented: whether samples are listed outside of the index too.
        claimed_seconds: the movie header's word.
        matrix: the movie's own, applied after a track's.
        misplaced: boxes in the index that belong beside it.
        indexes: how many there are; FFmpeg reads the first.
    """

    tracks: tuple[TrackFacts, ...]
    fragmented: bool
    claimed_seconds: float | None
    matrix: Matrix = UPRIGHT
    misplaced: tuple[str, ...] = ()
    indexes: int = 1

    def track(self, kind: str, number: int) -> TrackFacts | None:
        """Return the track of this kind (``video``, ``audio``) and id; ``None`` unless there is exactly one."""
        found = [track for track in self.tracks if track.kind == kind and track.id == number]
        return found[0] if len(found) == 1 else None


class VideoFacts(_Facts):
    """The first video stream that is no cover picture, as decoded; the container's word stands only in ``header_*``.

    Args:
        rotation: degrees counterclockwise by which the metadata turns the pictures.
        mirrored: whether the metadata shows the pictures as in a mirror.
        header_frames: packets that the header promises (in an MP4: that its edit list leaves in, or
            that its fragments list), 0 when it is silent.
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
        stream_id: the container's number of the stream.
        pixel_formats: of the decoded frames, in the order in which they came up.
        primaries, transfer, matrix: colour as the first tagged frame says (``bt709``, ``smpte2084``); ``None`` without
            a tag.
        transfers: all that the decoded frames are tagged with, in the order in which they came up.
        all_primaries: the same of the primaries.
        pixel_shapes: width to height of a pixel as the stream says for each decoded frame, in the order in which they
            came up.
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
    stream_id: int = 0
    pixel_formats: tuple[str, ...] = ()
    primaries: str | None = None
    transfer: str | None = None
    matrix: str | None = None
    transfers: tuple[str, ...] = ()
    all_primaries: tuple[str, ...] = ()
    pixel_shapes: tuple[str, ...] = ()

    @property
    def odd_pixels(self) -> str | None:
        """The first shape of pixels that is not square, by the container or by a decoded frame."""
        shapes = (self.sample_aspect_ratio, *self.pixel_shapes)
        return next((shape for shape in shapes if shape not in {"1:1", "0:1"}), None)

    @property
    def missing_packets(self) -> int:
        """Packets promised by the header and not in the file."""
        return max(0, self.header_frames - self.packets)


class AudioFacts(_Facts):
    """The first audio stream, as decoded. ``rms_dbfs`` is ``None`` for digital silence or no samples.

    ``format_changes`` counts how often the sample rate or the number of channels changes on the way;
    ``missing_packets`` how many packets the container's index promises and the file does not hold.
    ``time_error_seconds`` is how much later (earlier: below 0) than the samples before it a frame's time stamp is at
    most, ``time_jumps`` how often that changes at once; ``end_seconds`` the last frame's end by its own time stamp.
    """

    codec: str
    sample_rate: int
    channels: int
    start_seconds: float
    duration_seconds: float
    rms_dbfs: float | None
    peak: float
    decode_errors: int
    stream_id: int = 0
    format_changes: int = 0
    missing_packets: int = 0
    time_error_seconds: float = 0.0
    time_jumps: int = 0
    end_seconds: float | None = None


class MediaFacts(_Facts):
    """One file. ``open_error`` is set when no container could be opened, and then nothing else is known.

    ``video_streams`` leaves out cover pictures; ``mp4`` is what an MP4's own index says; ``complaints`` are the first
    different ones of FFmpeg's while it read the file, of ``complaint_count``.
    """

    size_bytes: int
    container: str | None
    brand: str | None
    video_streams: int
    audio_streams: int
    other_streams: tuple[str, ...]
    video: VideoFacts | None
    audio: AudioFacts | None
    open_error: str | None
    cover_pictures: int = 0
    mp4: Mp4Facts | None = None
    complaints: tuple[str, ...] = ()
    complaint_count: int = 0
