"""What a file of a folder must be for a number: readable to its end. No challenge asks for more."""

from __future__ import annotations

from typing import Literal

from evalkit.challenges.model import Challenge
from evalkit.challenges.submission_rules import ArchiveRules, AudioRules, SubmissionRules, VideoRules
from evalkit.validators.registry import rule_registry

MAX_FILE_BYTES = 64 * 1024**3
# Frames are missing, wrong or nobody's to read: a number of the rest would pass for one of the file.
ERRORS = frozenset(
    {
        "content.decode-errors",
        "content.endless",
        "content.size-change",
        "content.timestamps",
        "content.too-few-frames",
        "content.truncated",
        "encoding.encrypted",
        "encoding.external-data",
        "encoding.hdr",
        "encoding.no-video",
        "encoding.not-media",
    }
)
WARNINGS = frozenset({"content.frozen", "encoding.interlaced", "encoding.variable-frame-rate"})


def folder_challenge() -> Challenge:
    """Return the challenge that stands for none: its rules refuse what can't be read, and nothing else."""
    severities: dict[str, Literal["error", "warning", "info", "off"]] = {}
    for name, rule in rule_registry().items():
        if rule.scope == "reading":
            continue
        severities[name] = "error" if name in ERRORS else "warning" if name in WARNINGS else "off"
    return Challenge(
        id="folders",
        title="Folders",
        submission=SubmissionRules(
            archive=ArchiveRules(max_file_bytes=MAX_FILE_BYTES),
            video=VideoRules(
                min_fps=None,
                max_fps=None,
                constant_frame_rate=True,
                min_frames=1,
                max_seconds=None,
                max_width=None,
                max_height=None,
            ),
            audio=AudioRules(
                required=False,
                min_sample_rate=None,
                max_start_difference=None,
                max_length_difference=None,
            ),
            severities=severities,
        ),
    )
