"""Rules of audio files and of motion coefficients: each bad file breaks the rule that names its fault, and no other."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from builders.kinds import (
    FRAMES,
    audio_challenge,
    float_wav,
    motion,
    motion_challenge,
    npy,
    npy_of,
    npz,
    tone,
    wav,
    with_claim,
)

from evalkit.challenges.submission_rules import SubmissionRules
from evalkit.media.facts import MotionFacts
from evalkit.media.limits import ReadLimits
from evalkit.metrics.features.base import Item
from evalkit.scoring.kinds import kind_of
from evalkit.validators.file import ExpectedLength
from evalkit.validators.findings import Finding
from evalkit.validators.reading_limits import read_limits
from evalkit.validators.registry import file_findings, rules_for

SPEECH = ExpectedLength(1.0, "speech")
Broken = Callable[[bytes, SubmissionRules], list[Finding]]


@pytest.fixture
def findings(tmp_path: Path) -> Broken:
    """Return a function from a file's bytes and the rules to what is found in it."""

    def look(data: bytes, rules: SubmissionRules) -> list[Finding]:
        path = tmp_path / "file"
        path.write_bytes(data)
        limits: ReadLimits = read_limits(rules, SPEECH)
        facts = kind_of(rules).inspect(Item("s", path), (), limits, rules).facts
        return file_findings(facts, rules, "s.x", SPEECH)

    return look


def sound_rules(**changes: Any) -> SubmissionRules:
    rules = audio_challenge().submission
    return rules.model_copy(update={"sound": rules.sound.model_copy(update=changes)})


def motion_rules(**changes: Any) -> SubmissionRules:
    rules = motion_challenge().submission
    return rules.model_copy(
        update={"motion": type(rules.motion).model_validate({**rules.motion.model_dump(), **changes})}
    )


SOUND: dict[str, tuple[bytes, dict[str, Any]]] = {
    "sound.not-audio": (b"hello", {}),
    "sound.container": (wav(tone()), {"containers": ("flac",)}),
    "sound.codec": (wav(tone()), {"codecs": ("flac",)}),
    "sound.truncated": (wav(tone())[:-1000], {}),
    "sound.empty": (wav([]), {}),
    "sound.damaged": (wav(tone()).replace(b"\x02\0\x10\0data", b"\x04\0\x10\0data"), {}),  # bytes of a sample
    "sound.not-finite": (float_wav(np.where(np.arange(16000) == 7, np.nan, tone())), {}),
    "sound.rate": (wav(tone(), rate=8000), {"match_reference_seconds": None}),
    "sound.channels": (wav(np.repeat(tone(), 2), channels=2), {}),
    "sound.duration": (wav(tone()), {"min_seconds": 2.0}),
    "sound.length": (wav(tone(1.2)), {}),
    "sound.hidden-data": (with_claim(wav(tone(1.5)), 32000), {}),
    "sound.open-length": (with_claim(wav(tone()), 0xFFFFFFFF), {}),
    "sound.full-scale": (float_wav(tone(level=2.0)), {}),
    "sound.silent": (wav(tone(level=0.0)), {}),
}
OBJECTS = np.array([None, 1], object)
FORM = "{'descr': '<f4', 'fortran_order': False, 'shape': (25, 6), }"
MOTION: dict[str, tuple[bytes, dict[str, Any]]] = {
    "motion.not-arrays": (b"hello", {}),
    "motion.pickle": (npy(OBJECTS), {}),
    "motion.header": (npy_of("{'descr': '<f4'}"), {}),
    "motion.dtype": (npy(np.zeros(3, [("a", "<f4")])), {}),
    "motion.size": (npy_of(FORM.replace("25, 6", "1000000, 1000000")), {}),
    "motion.archive": (npz(motion=motion())[:-40], {}),
    "motion.array-missing": (npz(wrong=motion(), arrays={}), {}),
    "motion.array-extra": (npz(motion=motion(), more=np.ones(2, np.float32)), {}),
    "motion.shape": (npy(motion(width=7)), {}),
    "motion.array-dtype": (npy(motion().astype(np.float16)), {}),
    "motion.not-finite": (npy(np.where(motion() > 1, np.nan, motion())), {}),
    "motion.frames": (npy(motion()), {"max_frames": 10}),
    "motion.length": (npy(motion(frames=FRAMES + 1)), {}),
    "motion.still": (npy(np.ones((FRAMES, 6), np.float32)), {}),
}


@pytest.mark.parametrize("rule", SOUND)
def test_a_fault_of_an_audio_file_has_a_rule_of_its_own(findings: Broken, rule: str) -> None:
    data, changes = SOUND[rule]
    found = findings(data, sound_rules(**changes))
    assert [one.rule for one in found] == [rule]
    assert found[0].found
    assert found[0].expected


@pytest.mark.parametrize("rule", [rule for rule in MOTION if rule != "motion.array-missing"])
def test_a_fault_of_a_motion_file_has_a_rule_of_its_own(findings: Broken, rule: str) -> None:
    data, changes = MOTION[rule]
    found = findings(data, motion_rules(**changes))
    assert [one.rule for one in found] == [rule]
    assert found[0].found
    assert found[0].expected


def test_every_rule_of_a_file_is_tried() -> None:
    untried = {"sound.no-stream", "sound.changes", "motion.too-large"}  # below
    assert {one.id for one in (*rules_for("sound"), *rules_for("motion"))} - untried == {*SOUND, *MOTION}


def test_good_files_break_no_rule(findings: Broken) -> None:
    for data in (wav(tone()), wav(tone(), bits=24), wav(tone(), bits=32), float_wav(tone())):
        assert findings(data, sound_rules()) == []
    big, fortran = motion().astype(">f8"), np.asfortranarray(motion())
    for data in (npy(motion()), npy(big), npy(fortran), npz(motion=motion())):
        assert findings(data, motion_rules()) == []


def test_a_missing_array_is_named(findings: Broken) -> None:
    found = findings(npz(wrong=motion()), motion_rules())
    assert [(one.rule, one.found, one.expected) for one in found] == [
        ("motion.array-missing", "wrong", "motion"),
        ("motion.array-extra", "wrong", "motion"),
    ]
    two = {"exp": {"shape": ["frames", 6]}, "jaw": {"shape": ["frames", 3]}}
    unnamed = findings(npy(motion()), motion_rules(arrays=two))
    assert [one.found for one in unnamed] == ["one array without a name"] * 2
    uneven = findings(npz(exp=motion(), jaw=motion(frames=24, width=3)), motion_rules(arrays=two))
    assert [(one.rule, one.found, one.expected) for one in uneven] == [("motion.shape", "24 x 3", "25 frames x 3")]


def test_a_severity_of_the_challenge_counts(findings: Broken) -> None:
    rules = motion_rules().model_copy(update={"severities": {"motion.length": "warning", "motion.still": "off"}})
    (found,) = findings(npy(np.ones((26, 6), np.float32)), rules)
    assert (found.rule, found.severity) == ("motion.length", "warning")


def test_a_video_in_place_of_an_audio_file_is_told(findings: Broken, tmp_path: Path) -> None:
    import av

    with av.open(str(tmp_path / "video.mp4"), "w") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.width = stream.height = 64
        container.mux(stream.encode(av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), "rgb24")))
        container.mux(stream.encode(None))
    (found,) = findings((tmp_path / "video.mp4").read_bytes(), sound_rules())
    assert (found.rule, found.severity) == ("sound.container", "error")
    assert str(found.found).endswith("with moving pictures")


def test_facts_that_no_small_file_has(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(wav(tone()))
    rules = sound_rules()
    facts = kind_of(rules).inspect(Item("s", path), (), ReadLimits(), rules).facts
    assert facts.audio is not None
    changing = facts.model_copy(update={"audio": facts.audio.model_copy(update={"format_changes": 2})})
    empty = facts.model_copy(update={"audio": None, "audio_streams": 0})
    large = facts.model_copy(update={"motion": MotionFacts(fault="too-large", fault_found="2000000000 bytes")})
    found = [
        *file_findings(changing, rules, "s.wav", SPEECH),
        *file_findings(empty, rules, "s.wav", SPEECH),
        *file_findings(large, motion_rules(), "s.npy", SPEECH),
    ]
    assert [(one.rule, one.found) for one in found] == [
        ("sound.changes", "2 changes"),
        ("sound.no-stream", "none"),
        ("motion.too-large", "2000000000 bytes"),
    ]


def test_what_a_wav_header_can_not_say_is_named(findings: Broken) -> None:
    data = wav(tone())
    silent_rate = data[:24] + bytes(4) + data[28:]
    (found,) = findings(silent_rate, sound_rules())
    assert (found.rule, found.found) == ("sound.not-audio", "a WAV file with a sample rate of 0 Hz in its header")
    assert found.expected == "WAV or FLAC"
    for channels, text in ((60_000, "60,000"), (0, "0")):
        (found,) = findings(data[:22] + channels.to_bytes(2, "little") + data[24:], sound_rules())
        assert found.rule == "sound.not-audio"
        assert str(found.found).startswith(f"a WAV file with {text} channels in its header")


@pytest.mark.parametrize(("peak", "advice"), [(8192.0, "by 32768: they are 16-bit numbers"), (1.25, "by their peak")])
def test_a_peak_beyond_full_scale_is_written_out(findings: Broken, peak: float, advice: str) -> None:
    (found,) = findings(float_wav(tone(level=peak)), sound_rules())
    assert (found.rule, found.found) == ("sound.full-scale", f"a peak of {peak:,.2f}")
    assert advice in str(found.fix)
