"""CLIPScore's arithmetic on planted cosines (docs/definitions/clipscore.md#check-values)."""

from __future__ import annotations

import math

import numpy as np
import pytest

from evalkit.metrics.base import FeatureData, Metric, VideoInputs, VideoValue, metric_registry
from evalkit.metrics.clip import clipscore, image_similarity
from evalkit.metrics.clip.clipscore import clamped_mean, hessel, logits100, truncation
from evalkit.metrics.clip.cosines import unit_rows

BY_ID: dict[str, Metric] = {metric.record.id: metric for metric in (*clipscore.METRICS, *image_similarity.METRICS)}
COSINES = np.array([0.30, 0.34, -0.02])  # docs/definitions/clipscore.md#check-values
TEXT = ("clipscore.logits100", "clipscore.hessel", "clip.torchmetrics")


def at_cosines(cosines, lengths=None):
    """Return vectors (K, 3) whose cosines with (1, 0, 0) are given, and whose lengths differ."""
    cosines = np.asarray(cosines, dtype=np.float64)
    lengths = np.arange(1, len(cosines) + 1) if lengths is None else np.asarray(lengths)
    sines = np.sqrt(1 - cosines**2)
    return lengths[:, None] * np.stack([cosines, sines, np.zeros_like(sines)], axis=1)


def frames(embedding, row=None):
    row = np.arange(len(embedding)) if row is None else np.asarray(row)
    return {"embedding": np.asarray(embedding), "row": row}


def text(*vectors, tokens=(10, 13)):
    return {"embedding": np.asarray(vectors, dtype=np.float64), "tokens": np.array(tokens[: len(vectors)])}


PROMPT = (3.0, 0.0, 0.0)
ELSEWHERE = (0.0, 0.0, 1.0)


def outcome(name: str, **features) -> VideoValue:
    """``frames`` and ``text`` or ``reference`` are put in the places of the record's features."""
    record = BY_ID[name].record
    data = {
        feature: FeatureData(features["frames" if "frames" in feature else feature.split("_")[1]])
        for feature in record.features
    }
    return BY_ID[name].score_video(VideoInputs("s", data))


def score(name: str, cosines=COSINES, row=None, tokens=(10, 13)) -> VideoValue:
    """The form that the metric doesn't read lies at a right angle to everything."""
    forms = {"clipscore.logits100": (PROMPT, ELSEWHERE), "clipscore.hessel": (ELSEWHERE, PROMPT)}
    prompt = text(*forms.get(name, (PROMPT,)), tokens=tokens)
    return outcome(name, frames=frames(at_cosines(cosines), row), text=prompt)


def test_the_published_vector():
    """2.5 * (.30 + .34 + 0) / 3; 100 * (.30 + .34 - .02) / 3."""
    assert hessel(COSINES) == pytest.approx(0.533333, abs=5e-7)
    assert logits100(COSINES) == pytest.approx(20.666667, abs=5e-7)
    assert clamped_mean(COSINES) == pytest.approx(20.666667, abs=5e-7)


def test_hessel_clamps_before_the_mean_and_torchmetrics_after():
    cosines = np.array([0.2, -0.4])
    assert hessel(cosines) == pytest.approx(2.5 * 0.1, rel=1e-12)
    assert logits100(cosines) == pytest.approx(-10, rel=1e-12)
    assert clamped_mean(cosines) == 0.0


@pytest.mark.parametrize(
    ("name", "expected"),
    [("clipscore.hessel", 2.5 * 0.64 / 3), ("clipscore.logits100", 62 / 3), ("clip.torchmetrics", 62 / 3)],
)
def test_each_metric_reads_its_form_of_the_prompt(name, expected):
    """Lengths of vectors don't count; the other form would give 0."""
    scored = score(name)
    assert scored.value == pytest.approx(expected, rel=1e-12)
    assert scored.events == ()


@pytest.mark.parametrize(
    ("name", "expected"), [("clipscore.hessel", 0.0), ("clipscore.logits100", -30.0), ("clip.torchmetrics", 0.0)]
)
def test_what_goes_against_the_prompt(name, expected):
    assert score(name, [-0.3, -0.3]).value == pytest.approx(expected, abs=1e-12)


def test_a_frame_shown_twice_counts_twice():
    assert score("clipscore.logits100", [0.1, 0.4], row=[0, 0, 0, 1]).value == pytest.approx(100 * 0.7 / 4, rel=1e-12)


@pytest.mark.parametrize("name", TEXT)
def test_a_long_prompt_is_an_event_and_still_scored(name):
    """77 tokens with both marks are read; the form that the metric reads decides."""
    fits = score(name, tokens=(77, 77))
    assert fits.events == ()
    cut = score(name, tokens=(102, 102))
    assert cut.value == fits.value
    ((event),) = cut.events
    assert event.kind == "text_truncated"
    assert event.detail == "25 of 100 tokens (25 %) were not read"
    only_second = score(name, tokens=(77, 80)).events
    assert bool(only_second) == (name == "clipscore.hessel")


def test_truncation_tells_the_share():
    assert truncation(77) == ()
    assert truncation(78)[0].detail == "1 of 76 tokens (1 %) were not read"
    assert truncation(302)[0].detail == "225 of 300 tokens (75 %) were not read"


def test_frame_consistency_is_the_mean_of_neighbours():
    """Directions at 0, 60, 90 and 90 degrees: cos 60, cos 30, cos 0."""
    angles = np.deg2rad([0, 60, 90, 90])
    vectors = np.stack([np.cos(angles), np.sin(angles)], axis=1) * [[1], [5], [2], [3]]
    value = outcome("clip.frame_consistency", frames=frames(vectors)).value
    assert value == pytest.approx((0.5 + math.sqrt(3) / 2 + 1) / 3, rel=1e-12)
    # Two frames of which a short video shows the first 15 times are one pair, not 15.
    short = frames(vectors[:2], row=[0] * 15 + [1])
    assert outcome("clip.frame_consistency", frames=short).value == pytest.approx(0.5, rel=1e-12)
    assert outcome("clip.frame_consistency", frames=frames(vectors[:1], row=[0] * 16)).reason == "too_few_frames"


def test_image_similarity_is_the_mean_over_pairs():
    """Frames at cosines .9 and .5 with (1, 0, 0); the second reference lies across: 0 with both."""
    pictures = frames(at_cosines([0.9, 0.5]), row=[0, 1, 1])
    one = {"embedding": np.array([PROMPT])}
    two = {"embedding": np.array([PROMPT, ELSEWHERE])}
    assert outcome("clip.image_sim", frames=pictures, reference=one).value == pytest.approx(1.9 / 3, rel=1e-12)
    assert outcome("clip.image_sim", frames=pictures, reference=two).value == pytest.approx(1.9 / 6, rel=1e-12)
    itself = {"embedding": at_cosines([0.9])}
    same = outcome("clip.image_sim", frames=frames(at_cosines([0.9] * 3)), reference=itself)
    assert same.value == pytest.approx(1.0, abs=1e-12)
    none = {"embedding": np.zeros((0, 3))}
    assert outcome("clip.image_sim", frames=pictures, reference=none).reason == "no_reference_image"


@pytest.mark.parametrize("bad", [math.nan, math.inf, 0.0])
def test_vectors_without_a_direction_are_a_reason(bad):
    spoilt = at_cosines(COSINES)
    spoilt[1] = bad
    fine = text(PROMPT, PROMPT)
    for name in BY_ID:
        made = outcome(name, frames=frames(spoilt), text=fine, reference={"embedding": np.array([PROMPT])})
        assert made.reason == "embedding_unusable"
    for name in TEXT:
        made = outcome(name, frames=frames(at_cosines(COSINES)), text=text((bad,) * 3, (bad,) * 3))
        assert made.reason == "embedding_unusable"


def test_no_frame_and_no_text_are_reasons():
    nothing = {"embedding": np.zeros((0, 3)), "row": np.zeros(0, dtype=np.int64)}
    assert outcome("clipscore.hessel", frames=nothing, text=text(PROMPT, PROMPT)).reason == "no_frame"
    assert outcome("clipscore.hessel", frames=frames(at_cosines(COSINES)), text=text(PROMPT)).reason == "no_text"
    missing = {
        "clip_frames_consisid": FeatureData(frames(at_cosines(COSINES))),
        "clip_text": FeatureData(None, "no_text"),
    }
    assert BY_ID["clipscore.logits100"].score_video(VideoInputs("s", missing)).reason == "no_text"


def test_rounding_never_leaves_the_range():
    """In float32 a vector's cosine with itself may come out above 1."""
    rng = np.random.default_rng(0)
    for _ in range(50):
        one = rng.normal(size=(1, 512)).astype(np.float32)
        rows = np.repeat(one, 16, axis=0)
        for name, metric in BY_ID.items():
            forms = text(*(one[0] for _ in range(2)))
            made = outcome(name, frames=frames(rows), text=forms, reference={"embedding": one})
            low, high = metric.record.range
            assert low <= made.value <= high
            assert made.value == pytest.approx(high, rel=1e-12)


def test_unit_rows():
    assert unit_rows(np.array([[3.0, 4.0]])).tolist() == [[0.6, 0.8]]
    assert unit_rows(np.array([[3.0, 4.0], [0.0, 0.0]])) is None
    assert unit_rows(np.zeros((0, 4))).shape == (0, 4)


def test_the_records():
    assert {name: metric.record.role for name, metric in BY_ID.items()} == {
        "clipscore.logits100": "ranked",
        "clipscore.hessel": "secondary",
        "clip.torchmetrics": "secondary",
        "clip.frame_consistency": "secondary",
        "clip.image_sim": "secondary",
    }
    registry = metric_registry()
    assert set(BY_ID) <= set(registry)
    assert [name for name, metric in registry.items() if "clipscore" in metric.record.aliases] == [
        "clipscore.logits100"
    ]
    assert {BY_ID[name].record.unit for name in TEXT} == {"x100 cosine", "w=2.5"}
