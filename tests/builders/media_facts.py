"""Facts of a good video file, and of the same file with some facts changed."""

from __future__ import annotations

from evalkit.challenges.model import load_challenge
from evalkit.media.facts import AudioFacts, Edit, MediaFacts, Mp4Facts, TrackFacts, VideoFacts

RULES = load_challenge("talking-head").submission
VIDEO = VideoFacts(
    codec="h264", profile="High", pixel_format="yuv420p", width=256, height=256, sample_aspect_ratio="1:1", rotation=0,
    interlaced_frames=0, header_frames=125, packets=125, frames=125, decode_errors=0, corrupt_frames=0,
    first_error=None, fps=25.0, start_seconds=0.0, duration_seconds=5.0, irregular_share=0.0, backward_steps=0,
    size_changes=0, duplicate_share=0.0, longest_still_seconds=0.0, black_share=0.0, stopped_early=False,
)  # fmt: skip
AUDIO = AudioFacts(
    codec="aac", sample_rate=16_000, channels=1, start_seconds=0.0, duration_seconds=5.0, rms_dbfs=-20.0, peak=0.5,
    decode_errors=0,
)  # fmt: skip
GOOD = MediaFacts(
    size_bytes=100_000, container="mov,mp4,m4a,3gp,3g2,mj2", brand="isom", video_streams=1, audio_streams=1,
    other_streams=(), video=VIDEO, audio=AUDIO, open_error=None,
    mp4=Mp4Facts(tracks=(TrackFacts(kind="video"), TrackFacts(kind="audio")), fragmented=False, claimed_seconds=None),
)  # fmt: skip
STRICT = RULES.model_copy(
    update={
        "video": RULES.video.model_copy(
            update={
                "min_width": 128,
                "min_height": 128,
                "match_reference_seconds": 0.5,
                "match_reference_size": True,
                "min_seconds": 1.0,
            }
        )
    }
)


TRACK = TrackFacts(
    id=0, kind="video", shown_size=(256.0, 256.0), entries=("avc1",),
    edits=(Edit(seconds=5.0, start_seconds=0.08, rate=1),),
    time_scale=12800, claimed_seconds=5.0, media_seconds=5.0, samples=125, timed_samples=125, chunk_samples=125,
    largest_sample=9000, sample_seconds=5.0, first_offset_seconds=0.08,
)  # fmt: skip
SOUND = TRACK.model_copy(
    update={"kind": "audio", "shown_size": (0.0, 0.0), "entries": ("mp4a",), "edits": (), "first_offset_seconds": None}
)
DATA = SOUND.model_copy(update={"kind": "other", "entries": ("tmcd",), "id": 3})


def edit(seconds: float, start: float | None, rate: float = 1) -> Edit:
    return Edit(seconds=seconds, start_seconds=start, rate=rate)


def index(video=None, audio=None, other=None, **movie) -> MediaFacts:
    """Return the good file with an index in which some facts of a track are changed."""
    whole = {"fragmented": False, "claimed_seconds": 5.0, **movie}
    changed = ((TRACK, video), (SOUND, audio), (DATA, other))
    tracks = tuple(base.model_copy(update=change or {}) for base, change in changed)
    return facts(mp4=Mp4Facts(tracks=tracks, **whole))


def facts(video=None, audio=None, **whole) -> MediaFacts:
    """Return the good file with some facts changed; ``video=False`` takes the stream out."""
    streams = {}
    for name, base, change in (("video", VIDEO, video), ("audio", AUDIO, audio)):
        if change is False:
            streams |= {name: None, f"{name}_streams": 0}
        else:
            streams[name] = base.model_copy(update=change or {})
    return GOOD.model_copy(update={**streams, **whole})
