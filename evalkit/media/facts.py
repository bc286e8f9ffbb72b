"""What is known of one media file after it was read to its end. Plain data, written to the cache as JSON.

A change of what these records hold or mean needs a new `FACTS_VERSION`: it is part of the cache key.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from evalkit.media.limits import Proof

FACTS_VERSION = 9
# Transfer functions of high dynamic range, by FFmpeg's names: without tone mapping the frames look grey.
# Energy of the channels' average, relative to that of independent channels: below, they cancel each other.
CANCELLED = 0.5  # docs/definitions/frames-and-audio.md; independent channels have 1, real stereo 1.6 to 2
HDR_TRANSFERS = {"smpte2084": "PQ", "arib-std-b67": "HLG"}


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
    """What the index of an MP4 states about one track; ``None`` for a length that it does not state.

    Args:
        id: the track's number, as FFmpeg knows it too.
        kind: ``video``, ``audio`` or ``other``.
        enabled: whether the track is meant to be played.
        matrix: (a, b, c, d) of its display matrix.
        shown_size: width and height at which it is to be shown, 0 when not stated.
        clean_aperture: width and height of the part that is to be shown, when the sample entry names one.
        entries: four-letter code of every sample entry (``avc1``).
        encrypted: whether one of them marks the samples as encrypted.
        external: data references to other files.
        edits: the edit list.
        time_scale: ticks per second.
        claimed_seconds: length in the track's header, edits applied.
        media_seconds: length in the media's header, without edits.
        samples: their number by the table of sizes; 0 where each fragment lists its own.
        timed_samples: their number by the table of durations.
        chunk_samples: their number by the table of chunks.
        fragment_samples: their number by the fragments.
        largest_sample: its size in bytes.
        sample_seconds: sum of the samples' durations.
        first_offset_seconds: composition offset of the first sample: how much later than decoded it is shown.
        repeated_boxes: boxes that occur more than once where one is allowed.
        missing_boxes: required boxes that are not there.
        truncated_tables: tables that claim more entries than they have room for.
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
    repeated_boxes: tuple[str, ...] = ()
    missing_boxes: tuple[str, ...] = ()
    truncated_tables: tuple[str, ...] = ()


class Mp4Facts(_Facts):
    """What the index of an MP4 states.

    Args:
        tracks: in the order of the file.
        fragmented: whether samples are also listed outside of the index.
        time_scale: ticks per second of the movie header, in which edits have their lengths.
        claimed_seconds: length in the movie header.
        matrix: the movie's own, applied after a track's.
        misplaced: boxes that are not where the standard puts them, as ``moov in udta``.
        indexes: how many there are; FFmpeg reads the first.
    """

    tracks: tuple[TrackFacts, ...]
    fragmented: bool
    time_scale: int = 1
    claimed_seconds: float | None
    matrix: Matrix = UPRIGHT
    misplaced: tuple[str, ...] = ()
    indexes: int = 1

    def track(self, kind: str, number: int) -> TrackFacts | None:
        """Return the track of this kind (``video``, ``audio``) and id; ``None`` unless there is exactly one."""
        found = [track for track in self.tracks if track.kind == kind and track.id == number]
        return found[0] if len(found) == 1 else None


class VideoFacts(_Facts):
    """The first video stream that is not a cover image, as decoded; only ``header_*`` comes from the container.

    Args:
        rotation: degrees counterclockwise by which the metadata rotates the frames.
        mirrored: whether the metadata mirrors the frames.
        header_frames: packets that the header announces (in an MP4: those that its edit list keeps, or that its
            fragments list; in an AVI: without those that only repeat a frame), 0 when it announces none.
        fps: frames per second from the median interval of the decoded frames; ``None`` with fewer than two frames.
        duration_seconds: from the first frame's time to the end of the last frame.
        irregular_share: share of the intervals that differ from the median interval by more than a tenth of it.
        duplicate_share: share of frames (from the second on) whose luma differs from the frame before by less than
            0.3 grey levels on average (frozen or repeated frames).
        longest_still_seconds: longest run of such frames.
        black_share: share of frames with a mean luma below 20 of 255.
        frames: those decoded, and those that were only counted because decoding had ended.
        undecoded_frames: the latter; their times are those of their packets, and nothing else is known of them.
        proof: what about the last decoded frame proved a rule broken, so that decoding ended: its ``size``, its time
            (``length``), or how many came before it (``count``); ``None`` when all were decoded.
        stopped_early: whether there are more frames, which were not even counted.
        corrupt_frames: frames that the decoder delivered but marked as damaged.
        decode_errors: packets that the decoder refused.
        missing_packets: packets that the container's index lists but the file does not contain.
        stream_id: the container's number of the stream.
        pixel_formats: of the decoded frames, in the order of their first appearance.
        primaries, transfer, matrix: colour tags of the first tagged frame (``bt709``, ``smpte2084``); ``None``
            without a tag.
        transfers: all that the decoded frames are tagged with, in the order of their first appearance.
        all_primaries: the same of the primaries.
        pixel_shapes: sample aspect ratio of each decoded frame, in the order of
            their first appearance.
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
    undecoded_frames: int = 0
    proof: Proof | None = None
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
    def non_square_pixels(self) -> str | None:
        """The first sample aspect ratio other than 1:1, of the container or of a decoded frame."""
        shapes = (self.sample_aspect_ratio, *self.pixel_shapes)
        return next((shape for shape in shapes if shape not in {"1:1", "0:1"}), None)

    @property
    def missing_packets(self) -> int:
        """Packets that the header announces and the file does not contain."""
        return max(0, self.header_frames - self.packets)


class AudioFacts(_Facts):
    """The first audio stream, as decoded. ``rms_dbfs`` is ``None`` for digital silence or no samples.

    ``format_changes`` counts how often the sample rate or the number of channels changes;
    ``missing_packets`` how many packets the container's index lists and the file does not contain.
    ``time_error_seconds`` is the largest difference between a frame's time stamp and the end of the samples before it
    (negative when the stamp is earlier), ``time_jumps`` how often this difference changes abruptly; ``end_seconds`` the
    end of the last frame by its own time stamp. ``stopped_early``: it goes on, but was not read further.
    ``mix_energy`` is the energy of the channels' mean relative to that of as many independent channels: the number of
    channels where they are equal, 1 where they are independent, 0 where they cancel each other; ``None`` for one
    channel and for silence.
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
    stopped_early: bool = False
    mix_energy: float | None = None


class SoundFacts(_Facts):
    """What is known of an audio file besides its stream (`AudioFacts`).

    Args:
        samples: samples per channel that were decoded.
        claimed_samples: samples per channel that the header announces; ``None`` where it announces none.
        claimed_bytes, there_bytes: length of the samples by the header of a WAV file, and what the file has of them;
            ``None`` for other files.
        hidden_bytes: bytes behind the end of a WAV file as its header has it.
        not_finite: decoded values that are NaN or infinite.
    """

    samples: int
    claimed_samples: int | None = None
    claimed_bytes: int | None = None
    there_bytes: int | None = None
    hidden_bytes: int = 0
    not_finite: int = 0


class ArrayFacts(_Facts):
    """One array of a motion file.

    Args:
        name: in an NPZ file; empty for an NPY file.
        dtype: numpy's name of the type of its elements.
        shape: its shape.
        nans, infinities: numbers of elements that are none.
        still: whether all its rows are equal, the first dimension being that of the rows.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    nans: int = 0
    infinities: int = 0
    still: bool = False


class MotionFacts(_Facts):
    """What is known of a file of motion coefficients.

    Args:
        arrays: in the order of the file; none when it can't be read.
        fault: why it can't be read (`evalkit.numpy_files.header.Fault`), or ``None``.
        fault_found: what was found there.
        fault_array: in which array; empty for the file.
    """

    arrays: tuple[ArrayFacts, ...] = ()
    fault: str | None = None
    fault_found: str = ""
    fault_array: str = ""


class MediaFacts(_Facts):
    """One file. ``open_error`` is set when no container could be opened; then nothing else is known.

    ``sound`` is known of a file that was read as an audio file, ``motion`` of one that was read as motion coefficients.
    ``video_streams`` excludes cover images; ``mp4`` is what an MP4's own index states; ``decoder_messages`` are
    the first distinct errors that FFmpeg logged while it read the file, of ``decoder_message_count`` in all;
    ``limits`` those that ended the reading, ``None`` where it came to the end.
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
    decoder_messages: tuple[str, ...] = ()
    decoder_message_count: int = 0
    limits: str | None = None
    sound: SoundFacts | None = None
    motion: MotionFacts | None = None
