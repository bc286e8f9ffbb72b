"""Rules about a test set: what would make every team's scores wrong or missing, before any team submits.

Besides these, the file rules are applied to the reference videos: what a submission may not be, a reference should not
be either (`evalkit.testset_check`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from evalkit.media.facts import CANCELLED
from evalkit.metrics.base import is_not_applicable
from evalkit.testsets.model import Sample
from evalkit.testsets.setup_names import OTHER
from evalkit.validators.checked_testset import CheckedTestSet, real_file
from evalkit.validators.findings import Rule, Violation

LEAST_FACE_PIXELS = 64  # of the shorter side: face detectors and embeddings work on 112 pixels
NAMED = 5  # samples or metrics that a sentence names


def _counts(case: CheckedTestSet) -> Iterable[Violation]:
    samples = [*(one.sample for one in case.samples), *case.left_out]
    found = {
        "samples": len(samples),
        "identities": len({sample.identity for sample in samples if sample.identity}),
        "prompts": len({sample.prompt for sample in samples if sample.prompt}),
    }
    for name, count in found.items():
        wanted = getattr(case.spec, name)
        if wanted is not None and count != wanted:
            yield Violation(
                f"The number of {name} is not the challenge's.",
                found=str(count),
                expected=str(wanted),
                fix=f"Complete the test set, or change testset.{name} in the challenge.",
            )


def _image_unreadable(case: CheckedTestSet) -> Iterable[Violation]:
    for one in case.samples:
        for image in one.images:
            if image.problem is not None:
                yield Violation(
                    "The reference image can't be read.",
                    found=image.problem,
                    expected="a PNG or JPEG file",
                    fix="Save the image again as PNG or JPEG.",
                    path=image.path,
                    sample=one.sample.id,
                )


def _image_unclear(case: CheckedTestSet) -> Iterable[Violation]:
    for one in case.samples:
        for image in one.images:
            if image.frames > 1:
                yield Violation(
                    "The reference image is an animation or has several pages; the first is used.",
                    found=f"{image.frames} images",
                    expected="1 image",
                    path=image.path,
                    sample=one.sample.id,
                )
            if image.transparent:
                yield Violation(
                    "The reference image is partly transparent; it is blended over white.",
                    found="transparent pixels",
                    expected="an opaque image",
                    path=image.path,
                    sample=one.sample.id,
                )


def _image_small(case: CheckedTestSet) -> Iterable[Violation]:
    for one in case.samples:
        for image in one.images:
            if image.problem is None and min(image.width, image.height) < LEAST_FACE_PIXELS:
                yield Violation(
                    "The reference image is too small to recognise a face.",
                    found=f"{image.width} x {image.height} pixels",
                    expected=f"at least {LEAST_FACE_PIXELS} pixels on each side",
                    path=image.path,
                    sample=one.sample.id,
                )


def _audio_unreadable(case: CheckedTestSet) -> Iterable[Violation]:
    for one in case.samples:
        if one.audio_problem is not None:
            yield Violation(
                "The speech can't be read.",
                found=one.audio_problem,
                expected="an audio file such as WAV",
                path=one.sample.audio,
                sample=one.sample.id,
            )


def _audio_cancels(case: CheckedTestSet) -> Iterable[Violation]:
    for one in case.samples:
        if one.audio_mix_energy is not None and one.audio_mix_energy < CANCELLED:
            yield Violation(
                "The channels of the speech cancel each other; lip-sync metrics average them and lose most of it.",
                found=f"the average has {one.audio_mix_energy:.1%} of the energy of independent channels",
                expected=f"at least {CANCELLED:.0%}",
                fix="Keep one channel before anything is scored: ffmpeg -i {path} -af 'pan=mono|c0=c0' FILE.wav",
                path=one.sample.audio,
                sample=one.sample.id,
            )


def _voices(case: CheckedTestSet) -> Iterable[Violation]:
    for one in case.samples:
        if one.voices_problem is not None:
            yield Violation(
                "The voices of the speakers can't be told apart or compared.",
                found=one.voices_problem,
                expected="a file for each speaker with their voice alone, all equally long",
                fix="Use the recordings from before they were mixed, or separate the voices; fill with silence.",
                path=one.sample.speakers[0].audio,
                sample=one.sample.id,
            )


def _silent_voices(case: CheckedTestSet) -> Iterable[Violation]:
    for one in case.samples:
        if one.silent_voices:
            yield Violation(
                "Some speakers never speak, so whether their lips follow their voice can't be judged.",
                found=_some(one.silent_voices),
                sample=one.sample.id,
            )


def _video_unreadable(case: CheckedTestSet) -> Iterable[Violation]:
    for one in case.samples:
        if one.video_problem is not None:
            yield Violation(
                "The reference video can't be read.",
                found=one.video_problem,
                expected="a video file",
                path=one.sample.reference_video,
                sample=one.sample.id,
            )


def _motion_unreadable(case: CheckedTestSet) -> Iterable[Violation]:
    for one in case.samples:
        for whose, problem, path in (
            ("reference motion", one.motion_problem, one.sample.motion),
            ("partner's motion", one.partner_problem, one.sample.partner_motion),
        ):
            if problem is not None:
                yield Violation(
                    f"The {whose} can't be read.",
                    found=problem,
                    expected="an NPY or NPZ file of finite numbers",
                    path=path,
                    sample=one.sample.id,
                )


def _partner_missing(case: CheckedTestSet) -> Iterable[Violation]:
    if not case.partner:
        return
    for one in case.samples:
        if one.sample.partner_motion is None:
            yield Violation(
                "The sample has no motion of the person who is spoken to.",
                found="nothing",
                expected="a path under 'partner_motion'",
                fix="Add the file, or set submission.motion.partner to false in the challenge.",
                sample=one.sample.id,
            )


def _partner_same(case: CheckedTestSet) -> Iterable[Violation]:
    for one in case.samples:
        if one.partner_same:
            yield Violation(
                "The motion of the person who is spoken to is the sample's own.",
                found=f"{one.sample.partner_motion}, equal to {one.sample.motion}",
                expected="the motion of the other person",
                fix="Numbers that compare the two (SID, rPCC, STS) say nothing so. Name the other speaker's file.",
                path=one.sample.partner_motion,
                sample=one.sample.id,
            )


def _subjects(case: CheckedTestSet) -> Iterable[Violation]:
    """Say what the samples are taken to show: the metrics about people follow from it."""
    everyone = [*(one.sample for one in case.samples), *case.left_out]
    others = [sample for sample in everyone if not sample.shows_person]
    if others:
        kinds = sorted({kind for sample in others for kind in sample.subjects})
        yield Violation(
            "Metrics about people are not applicable to some samples: no person is among their subjects.",
            found=f"{len(others)} of {len(everyone)} samples show only {' or '.join(f'{kind}s' for kind in kinds)}: "
            + _some(_labelled(sample) for sample in others),
            fix="Where there is one, add 'person' to 'subjects' in samples.jsonl or to 'class_label' in eval.json.",
            sample=others[0].id,
        )


def _labelled(sample: Sample) -> str:
    label = sample.groups.get("class")
    return f"{sample.id} ({label})" if label else sample.id


def _length(case: CheckedTestSet) -> Iterable[Violation]:
    for one in case.samples:
        if one.audio_seconds is None or one.video_seconds is None:
            continue
        difference = one.video_seconds - one.audio_seconds
        if abs(difference) > case.length_tolerance:
            yield Violation(
                "The speech and the reference video differ in length.",
                found=f"speech {one.audio_seconds:.2f} s, video {one.video_seconds:.2f} s",
                expected=f"at most {case.length_tolerance:g} s apart",
                fix="Cut both to the same part: lip-sync metrics read the speech, paired metrics the video.",
                path=one.sample.reference_video,
                sample=one.sample.id,
            )


def _duplicates(case: CheckedTestSet) -> Iterable[Violation]:
    """Media that two samples share. Samples of one person may share the image, and setups of one item everything."""
    items = {one.sample.id: one.sample.item or one.sample.id for one in case.samples}
    for what, digests in (
        ("reference video", {one.sample.id: one.video_sha256 for one in case.samples}),
        # The other speech of an item is that of another item.
        ("speech", {one.sample.id: one.audio_sha256 for one in case.samples if one.sample.setup != OTHER}),
    ):
        by_digest: dict[str, list[str]] = defaultdict(list)
        for sample, digest in digests.items():
            if digest is not None:
                by_digest[digest].append(sample)
        for samples in by_digest.values():
            if len({items[sample] for sample in samples}) > 1:
                yield Violation(
                    f"Several samples have the same {what}.",
                    found=_some(samples),
                    expected="one sample for each file",
                    sample=samples[1],
                )
    people: dict[str, dict[str, str]] = defaultdict(dict)
    for one in case.samples:
        for image in one.images:
            if image.sha256 and one.sample.identity:
                people[image.sha256].setdefault(one.sample.identity, one.sample.id)
    for identities in people.values():
        if len(identities) > 1:
            yield Violation(
                "Several identities have the same reference image.",
                found=_some(identities),
                expected="an image for each identity",
                sample=list(identities.values())[1],
            )


def _unscored(case: CheckedTestSet) -> Iterable[Violation]:
    for one in case.samples:
        by_reason: dict[str, list[str]] = defaultdict(list)
        for metric, reason in one.reasons.items():
            if one.values and not is_not_applicable(reason):  # another rule reports a sample without any value
                by_reason[reason].append(metric)
        for reason, metrics in by_reason.items():
            yield Violation(
                f"The {case.real} itself gets no value for some metrics, so no team's can be expected to.",
                found=f"{_some(metrics)}: {reason}",
                expected="a value for each metric",
                path=real_file(one.sample, case.kind),
                sample=one.sample.id,
            )


def _unscorable(case: CheckedTestSet) -> Iterable[Violation]:
    for one in case.samples:
        reasons = [reason for reason in one.reasons.values() if not is_not_applicable(reason)]
        if reasons and not one.values:
            yield Violation(
                f"No metric can score this sample: not even the {case.real} gets a value.",
                found=", ".join(dict.fromkeys(reasons)),
                expected="a value for each metric",
                fix="Leave the sample out: 'evalkit board exclude sample ID --why ...' when the challenge is running.",
                path=real_file(one.sample, case.kind),
                sample=one.sample.id,
            )


def _not_itself(case: CheckedTestSet) -> Iterable[Violation]:
    for one in case.samples:
        for metric, perfect in case.perfect.items():
            value = one.values.get(metric)
            if value is not None and abs(value - perfect) > 1e-6 * max(1.0, abs(perfect)):
                yield Violation(
                    f"The {case.real} compared with itself does not get the best {metric}.",
                    found=f"{value:g}",
                    expected=f"{perfect:g}",
                    fix="The file decodes differently from one reading to the next; encode it again.",
                    path=real_file(one.sample, case.kind),
                    sample=one.sample.id,
                )


def _some(names: Iterable[str]) -> str:
    listed = list(names)
    return ", ".join(listed[:NAMED]) + (f" and {len(listed) - NAMED} more" if len(listed) > NAMED else "")


RULES: tuple[Rule[CheckedTestSet], ...] = (
    Rule("testset.count", "testset", "warning", "number of samples, identities or prompts", _counts),
    Rule("testset.image-unreadable", "testset", "error", "reference image can't be read", _image_unreadable),
    Rule("testset.image-unclear", "testset", "warning", "animated or transparent reference image", _image_unclear),
    Rule("testset.image-small", "testset", "warning", "small reference image", _image_small),
    Rule("testset.audio-unreadable", "testset", "error", "speech can't be read", _audio_unreadable),
    Rule("testset.audio-cancels", "testset", "error", "channels of the speech cancel each other", _audio_cancels),
    Rule("testset.voices", "testset", "error", "voices of speakers unreadable, unequal in length or mixed", _voices),
    Rule("testset.voice-silent", "testset", "warning", "a speaker never speaks", _silent_voices),
    Rule("testset.video-unreadable", "testset", "error", "reference video can't be read", _video_unreadable),
    Rule("testset.motion-unreadable", "testset", "error", "motion can't be read", _motion_unreadable),
    Rule("testset.partner-missing", "testset", "error", "a sample without its partner's motion", _partner_missing),
    Rule("testset.partner-same", "testset", "error", "the partner's motion is the sample's own", _partner_same),
    Rule("testset.subjects", "testset", "info", "samples without a person", _subjects),
    Rule("testset.length", "testset", "warning", "speech and reference video differ in length", _length),
    Rule("testset.duplicates", "testset", "warning", "several samples share a file", _duplicates),
    Rule("testset.unscorable", "testset", "error", "no metric can score the sample", _unscorable),
    Rule("testset.unscored", "testset", "warning", "a metric can't score the real file", _unscored),
    Rule("testset.not-itself", "testset", "error", "the real file differs from itself", _not_itself),
)
