"""What is known of one video of a submission when the gaming rules are applied to it."""

from __future__ import annotations

import math
from dataclasses import dataclass

from evalkit.metrics.gaming.audio_match import AudioMatch
from evalkit.metrics.gaming.overlay import Island
from evalkit.metrics.gaming.repetition import Repetition
from evalkit.metrics.gaming.signature import Match
from evalkit.metrics.gaming.stillness import FEW_IMAGES, SINGLE_IMAGE

LEAST_PICTURES = 15  # tenths of a second
NO_AUDIO = AudioMatch("no_official_sound")
NO_REPETITION = Repetition()


def made_of_few(ticks: int, distinct: int, warped: float) -> bool:
    """Return whether a video shows one image or a few, still or moved."""
    return ticks >= LEAST_PICTURES and (distinct <= FEW_IMAGES or warped < SINGLE_IMAGE)


@dataclass(frozen=True)
class VideoCopy:
    """Another video with the same content.

    Args:
        sample: the sample that the other video belongs to.
        match: how well the signatures match; ``None`` when the files are identical.
    """

    sample: str
    match: Match | None


@dataclass(frozen=True)
class GamingCase:
    """What is known of one video of a submission.

    Args:
        sample: the sample that it belongs to.
        ticks: frames that were examined, ten a second.
        distinct: how many of them differ.
        warped: what one frame, moved and zoomed, leaves unexplained of the others, in per cent.
        frozen: whether nearly every frame equals the one before. A small mouth that moves on a still may be so too.
        reference_picture: what the best of the reference images leaves unexplained; ``None`` when there is none, or
            when the video shows more than a few different frames.
        references: reference videos with the same content, the best match first.
        duplicates: other videos of the submission with the same content, the best match first.
        audio: how its audio compares with the official speech.
        islands: areas that look pasted.
        rest: what the middle image of the face leaves unexplained of its upper half, in per cent; ``None`` where no
            face was looked for or found.
        bent: the same of the whole face after a smooth bending.
        moves: by how many points of 96 the stillest quarter and the liveliest tenth of the face move; negative where it
            can't be said.
        loop: its best repetition.
        reversal: the same, played backwards.
        part: the second of it that comes again best, anywhere.
        inserted: images that resemble neither neighbour, while the neighbours resemble each other.
        waves: share of all change that waves through the picture explain.
        left_over: share of the audio that no filter of the official speech explains; negative or
            NaN where it can't be said.
    """

    sample: str
    ticks: int = 0
    distinct: int = 0
    warped: float = 100.0
    frozen: bool = False
    reference_picture: float | None = None
    references: tuple[VideoCopy, ...] = ()
    duplicates: tuple[VideoCopy, ...] = ()
    audio: AudioMatch = NO_AUDIO
    islands: tuple[Island, ...] = ()
    rest: float | None = None
    bent: float | None = None
    moves: tuple[float, float] | None = None
    loop: Repetition = NO_REPETITION
    reversal: Repetition = NO_REPETITION
    part: Repetition = NO_REPETITION
    inserted: int = 0
    waves: float = 0.0
    left_over: float = math.nan

    @property
    def is_still(self) -> bool:
        """Whether it shows one image or a few, still or moved."""
        return made_of_few(self.ticks, self.distinct, self.warped)
