"""What scoring does differently for each kind of submission, a module each; `kind_of` finds the one of a challenge."""

from __future__ import annotations

from collections.abc import Mapping

from evalkit.challenges.kinds import Kind
from evalkit.challenges.submission_rules import SubmissionRules
from evalkit.scoring.kinds.base import FileKind
from evalkit.scoring.kinds.motion import MotionKind
from evalkit.scoring.kinds.sound import SoundKind
from evalkit.scoring.kinds.video import VideoKind

FILE_KINDS: Mapping[Kind, FileKind] = {"video": VideoKind(), "audio": SoundKind(), "motion": MotionKind()}
FACT_FEATURES: Mapping[str, Kind] = {one.facts: kind for kind, one in FILE_KINDS.items()}  # pseudo-features


def kind_of(rules: SubmissionRules) -> FileKind:
    """Return how the files of this challenge are read."""
    return FILE_KINDS[rules.kind]
