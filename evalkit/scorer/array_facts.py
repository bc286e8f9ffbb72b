"""What the rules for a file can say of frames in memory.

Frames have no container and no codec: those are taken to be the ones that the challenge allows. Everything else (rate,
length, size, sound, frozen and black frames) is measured as `evalkit.media.readers` measures it in a file, so that the
challenge's own rules judge it.
"""

from __future__ import annotations

from dataclasses import replace

import av
import cv2
import numpy as np

from evalkit.challenges.submission_rules import SubmissionRules
from evalkit.media.audio import MixEnergy
from evalkit.media.colour import luma
from evalkit.media.facts import AudioFacts, MediaFacts, VideoFacts
from evalkit.media.held import HeldSound, HeldVideo
from evalkit.media.readers import BLACK_LUMA, STILL_GREY_LEVELS, longest_run
from evalkit.validators.file import ExpectedLength
from evalkit.validators.findings import Finding
from evalkit.validators.registry import file_findings

# Of the rules about how a file is encoded, those that frames and sound can break without one.
OF_ARRAYS = frozenset(
    {
        "encoding.frame-rate",
        "encoding.variable-frame-rate",
        "encoding.resolution",
        "encoding.audio-missing",
        "encoding.audio-sample-rate",
        "encoding.audio-channels",
    }
)


def facts_of(video: HeldVideo, rules: SubmissionRules) -> MediaFacts:
    """Return the facts of a file that holds the frames and the sound, as the challenge allows it.

    Args:
        video: at least one frame; all have one size.
        rules: say which container, codecs and pixel format a file would have.
    """
    return MediaFacts(
        size_bytes=0,
        container=rules.video.containers[0] if rules.video.containers else None,
        brand=None,
        video_streams=1,
        audio_streams=int(video.sound is not None),
        other_streams=(),
        video=_video_facts(video, rules),
        audio=None if video.sound is None else _audio_facts(video.sound, rules),
        open_error=None,
    )


def findings_in(
    facts: MediaFacts, rules: SubmissionRules, path: str, expected: ExpectedLength | None
) -> tuple[Finding, ...]:
    """Return what the challenge's rules find in frames and sound; those about codecs and containers have no say.

    Args:
        facts: of `facts_of`.
        rules: the challenge's.
        path: names the video.
        expected: length and size that it should have.
    """
    found = file_findings(facts, rules, path, expected)
    # Advice by a command is about a file.
    return tuple(replace(one, fix=None, steps=()) if one.steps else one for one in found if _applies(one.rule))


def _applies(rule: str) -> bool:
    return not rule.startswith("encoding.") or rule in OF_ARRAYS


def _video_facts(video: HeldVideo, rules: SubmissionRules) -> VideoFacts:
    still: list[bool] = []
    black = 0
    previous = None
    for rgb in video.frames:
        grey = luma(av.VideoFrame.from_ndarray(np.ascontiguousarray(rgb), format="rgb24"))
        black += float(cv2.mean(grey)[0]) < BLACK_LUMA
        if previous is not None:
            still.append(cv2.norm(grey, previous, cv2.NORM_L1) / grey.size < STILL_GREY_LEVELS)
        previous = grey
    count = len(video.frames)
    height, width = video.frames[0].shape[:2]
    steps = np.diff(video.times)
    typical = float(np.median(steps)) if len(steps) else 0.0
    irregular = np.abs(steps - typical) > 0.1 * typical
    return VideoFacts(
        codec=rules.video.codecs[0] if rules.video.codecs else "rawvideo",
        profile=None,
        pixel_format=rules.video.pixel_formats[0] if rules.video.pixel_formats else "rgb24",
        width=width,
        height=height,
        sample_aspect_ratio="1:1",
        rotation=0,
        interlaced_frames=0,
        header_frames=count,
        packets=count,
        frames=count,
        decode_errors=0,
        corrupt_frames=0,
        first_error=None,
        fps=round(1.0 / typical, 6) if typical > 0 else None,
        start_seconds=float(video.times[0]),
        duration_seconds=float(video.times[-1] - video.times[0] + typical),
        irregular_share=float(irregular.mean()) if len(steps) else 0.0,
        backward_steps=0,
        size_changes=0,
        duplicate_share=float(np.mean(still)) if still else 0.0,
        longest_still_seconds=longest_run(still) * typical,
        black_share=black / count,
        stopped_early=False,
    )


def _audio_facts(sound: HeldSound, rules: SubmissionRules) -> AudioFacts:
    wave = sound.samples.astype(np.float64)
    if sound.samples.dtype == np.int16:
        wave /= 32768.0
    square = float(np.square(wave).mean()) if wave.size else 0.0
    mix = MixEnergy()
    mix.add(wave)
    seconds = wave.shape[1] / sound.rate
    return AudioFacts(
        codec=rules.audio.codecs[0] if rules.audio.codecs else "pcm_f32le",
        sample_rate=sound.rate,
        channels=len(wave),
        start_seconds=0.0,
        duration_seconds=seconds,
        rms_dbfs=float(10 * np.log10(square)) if square > 0 else None,
        peak=float(np.abs(wave).max(initial=0.0)),
        decode_errors=0,
        end_seconds=seconds,
        mix_energy=mix.share,
    )
