"""The kind of submission in a challenge, its rules and layouts; digests of challenges and test sets from before."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from builders.kinds import audio_challenge, motion_challenge

from evalkit.challenges.full_text import full_text
from evalkit.challenges.model import Challenge, load_challenge, parse_challenge
from evalkit.errors import ChallengeError
from evalkit.testsets.model import Sample, TestSet

# Of the versions before there were kinds: scorecards and boards name them.
DIGESTS = {
    "talking-head": ("281e3f9385b0", "9ed727f8ac1f"),
    "ipvg2026-facial": ("59e7f14a3657", "7936bf78310c"),
    "facevid1k-t2v": ("f43d5cf5db0b", "8e3fdb767733"),
}
START = "schema: 1\nid: x\ntitle: X\n"


@pytest.mark.parametrize("preset", DIGESTS)
def test_digests_of_challenges_of_videos_stay(preset: str) -> None:
    challenge = load_challenge(preset)
    assert (challenge.sha256[:12], challenge.scoring_sha256[:12]) == DIGESTS[preset]


def test_rules_of_a_kind_change_its_digest() -> None:
    plain, asked = motion_challenge(), parse_challenge(f"{START}submission: {{kind: motion}}", "x")
    assert len({plain.scoring_sha256, asked.scoring_sha256, audio_challenge().scoring_sha256}) == 3
    faster = parse_challenge(f"{START}submission: {{kind: motion, motion: {{rate: 30}}}}", "x")
    assert faster.scoring_sha256 != asked.scoring_sha256


def test_layouts_have_the_endings_of_the_kind() -> None:
    assert audio_challenge().submission.layouts == ("{id}.wav", "{id}.flac")
    assert motion_challenge().submission.layouts == ("{id}.npy", "{id}.npz")
    own = parse_challenge(f"{START}submission: {{kind: audio, layouts: ['{{identity}}/{{prompt}}.wav']}}", "x")
    assert own.submission.layouts == ("{identity}/{prompt}.wav",)


def test_a_challenge_is_read_back_as_it_was_written() -> None:
    for challenge in (audio_challenge(), motion_challenge()):
        again = Challenge.model_validate(json.loads(challenge.model_dump_json(by_alias=True)))
        assert again == challenge
        assert parse_challenge(full_text(challenge), "full").sha256 == challenge.sha256


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{kind: sound}", "kind"),
        ("{kind: audio, video: {max_fps: 30}}", "'video' has rules for the kind 'video', and the kind is 'audio'"),
        ("{motion: {rate: 30}}", "'motion' has rules for the kind 'motion', and the kind is 'video'"),
        ("{kind: motion, motion: {arrays: {}}}", "arrays"),
        ("{kind: motion, motion: {arrays: {'a/b': {}}}}", "letters, digits"),
        ("{kind: motion, motion: {arrays: {a: {shape: [3, 4]}}}}", "'frames'"),
        ("{kind: motion, motion: {arrays: {a: {shape: [frames, frames]}}}}", "one of them 'frames'"),
        ("{kind: motion, motion: {arrays: {a: {dtypes: [int32]}}}}", "float16"),
        ("{kind: motion, motion: {min_frames: 9, max_frames: 8}}", "min_frames 9 and max_frames 8"),
        ("{kind: audio, sound: {min_seconds: 9, max_seconds: 8}}", "min_seconds 9.0 and max_seconds 8.0"),
        ("{kind: audio, sound: {channels: [0]}}", "at least 1"),
    ],
)
def test_rules_that_make_no_sense_are_refused(text: str, said: str) -> None:
    with pytest.raises(ChallengeError) as caught:
        parse_challenge(f"{START}submission: {text}\n", "x")
    assert said in str(caught.value)


def test_the_digest_of_a_test_set_from_before_stays() -> None:
    before = TestSet(Path(), (Sample(id="a", audio="a.wav", groups={"g": "1"}),))
    assert before.sha256 == "6a91922f3a4cff7da1b116094ea920c8d01bfb078cabc6a580bf5af9e795024e"
    new = TestSet(Path(), (Sample(id="a", audio="a.wav", groups={"g": "1"}, motion="a.npy"),))
    assert new.sha256 != before.sha256
