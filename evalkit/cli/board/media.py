"""What a board keeps besides numbers: the text of its rules, and a few frames to look at."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from evalkit.errors import MediaError

if TYPE_CHECKING:
    from evalkit.progress import Progress
    from evalkit.scoring.scorecard import Scorecard
    from evalkit.testsets.model import TestSet

HEIGHT = 144


def challenge_text(name: str) -> str:
    """Return the YAML of a challenge, by preset id or path."""
    from evalkit.challenges.model import preset_ids, preset_text
    from evalkit.errors import ChallengeError
    from evalkit.yamlio import read_text

    if name in preset_ids():
        return preset_text(name)
    return read_text(Path(name), kind=ChallengeError, what="The challenge file")


def submission_strips(
    card: Scorecard, submission: Path, cache: Path, workers: int | None, progress: Progress
) -> dict[str, list[bytes]]:
    """Return frames of the chosen samples; the submission must be the one that was scored."""
    from evalkit.reports.comparison.inputs import ComparedEntry
    from evalkit.reports.comparison.media import SubmissionMedia, read_filmstrips
    from evalkit.reports.filmstrips import chosen_samples

    name = card.submission.name
    samples = chosen_samples(video.sample for video in card.videos)
    media = SubmissionMedia({name: submission}, cache, workers, progress)
    return read_filmstrips([ComparedEntry(name, card)], samples, media).get(name, {})


def reference_strips(testset: TestSet) -> dict[str, Sequence[bytes]]:
    """Return the first reference picture of the chosen samples as small JPEG."""
    from evalkit.reports.filmstrips import chosen_samples

    found: dict[str, Sequence[bytes]] = {}
    wanted = set(chosen_samples(sample.id for sample in testset.samples))
    for sample in testset.samples:
        if sample.id in wanted and sample.reference_images:
            picture = _small(testset.root / sample.reference_images[0])
            if picture is not None:
                found[sample.id] = [picture]
    return found


def _small(path: Path) -> bytes | None:
    """Return the picture at ``path`` no higher than `HEIGHT`, or ``None`` when it can't be read."""
    from PIL import Image

    from evalkit.media.stills import read_still

    try:
        pixels = read_still(path, max_height=HEIGHT)
    except MediaError:
        return None
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "JPEG", quality=85)
    return stream.getvalue()
