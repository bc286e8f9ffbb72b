"""Numbers of detectors: the ten videos of the definition, generators apart, failures counted, qualities compared."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from evalkit.metrics.base import FeatureData, SetValue, VideoInputs, metric_registry

LABELS = (0, 0, 0, 0, 0, 1, 1, 1, 1, 1)
SCORES = (0.05, 0.10, 0.20, 0.40, 0.70, 0.30, 0.40, 0.80, 0.90, 0.95)
PEOPLE = (0, 0, 1, 1, 2, 0, 1, 2, 2, 3)
TEXTS = ("state", "generator", "identity", "driver", "run", "within", "base")


def video(sample: str, label: int, score: float | None, probability: float | None = None, **texts: str) -> VideoInputs:
    numbers = {"score": score, "probability": probability}
    arrays = {name: np.array(np.nan if value is None else value) for name, value in numbers.items()}
    arrays["label"] = np.array(label)
    arrays |= {name: np.array(texts.get(name, "")) for name in TEXTS}
    return VideoInputs(sample, {"detection": FeatureData(arrays)})


def ten(**more: str) -> list[VideoInputs]:
    rows = zip(LABELS, SCORES, PEOPLE, strict=True)
    return [
        video(f"v{at}", label, score, score, identity=f"p{person}", generator="maker" if label else "", **more)
        for at, (label, score, person) in enumerate(rows)
    ]


def number(name: str, videos: list[VideoInputs]) -> SetValue:
    return metric_registry()[name].score_set(videos)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("auc", 0.86),
        ("eer", 0.3),
        ("eer_dfb", 0.2),
        ("ap", 0.876190476),
        ("tpr_at_1", 0.6),
        ("tpr_at_01", 0.6),
        ("brier", 0.1605),
        ("ece15", 0.23),
    ],
)
@pytest.mark.parametrize("kind", ["", ".strict", ".macro", ".macro.strict"])
def test_the_ten_videos(name, value, kind):
    """With one generator and no failure all four are one number."""
    found = number(f"det.{name}{kind}", ten())
    assert found.value == pytest.approx(value, abs=1e-9)
    assert found.n == 10
    assert (found.details["n_real"], found.details["n_fake"], found.details["clusters"]) == (5, 5, 4)
    assert "descriptive" in [note.kind for note in found.notes]
    assert found.ci95[0] <= found.value <= found.ci95[1] or name == "ece15"


def test_generators_apart():
    rng = np.random.default_rng(5)
    reals = [video(f"r{at}", 0, float(rng.normal()), identity=f"p{at}") for at in range(30)]
    fakes = {
        name: [
            video(f"{name}{at}", 1, float(rng.normal() + shift), identity=f"p{at}", generator=name) for at in range(n)
        ]
        for name, shift, n in (("easy", 3.0, 40), ("hard", 0.2, 10))
    }
    each = {
        name: roc_auc_score(
            [0] * 30 + [1] * len(made), [float(v.features["detection"].arrays["score"]) for v in reals + made]
        )
        for name, made in fakes.items()
    }
    found = number("det.auc.macro", [*reals, *fakes["easy"], *fakes["hard"]])
    assert found.value == pytest.approx(np.mean(list(each.values())), abs=1e-12)
    assert found.details["of easy"] == pytest.approx(each["easy"], abs=1e-12)
    assert found.details["of hard"] == pytest.approx(each["hard"], abs=1e-12)
    pooled = number("det.auc", [*reals, *fakes["easy"], *fakes["hard"]])
    assert pooled.value > found.value + 0.1  # the many easy fakes hide the hard ones


def test_a_failure_counts_as_the_worst_score():
    videos = ten()
    videos[9] = video("v9", 1, None, None, state="detector_failed", generator="maker", identity="p3")
    plain, strict = number("det.auc", videos), number("det.auc.strict", videos)
    assert plain.n == 9
    assert strict.n == 10
    assert plain.value == pytest.approx(roc_auc_score(LABELS[:9], SCORES[:9]), abs=1e-12)
    assert strict.value == pytest.approx(roc_auc_score(LABELS, [*SCORES[:9], -1.0]), abs=1e-12)
    assert strict.details["worst_assumed"] == 1
    assert number("det.brier.strict", videos).value == pytest.approx((0.1605 * 10 - 0.05**2 + 1) / 10)
    videos[0] = video("v0", 0, None, None, state="missing", identity="p0")
    strict = number("det.auc.strict", videos)
    assert strict.value == pytest.approx(roc_auc_score(LABELS, [9.0, *SCORES[1:9], -1.0]), abs=1e-12)


def test_a_generator_without_any_score_leaves_no_mean():
    videos = [*ten(), video("x", 1, None, state="missing", generator="other")]
    assert number("det.auc.macro", videos).reason == "one_class_only"
    assert "other" in number("det.auc.macro", videos).notes[0].detail
    assert number("det.auc.macro.strict", videos).value is not None
    assert number("det.auc", videos).value == pytest.approx(0.86)


def test_scores_of_several_detectors_are_never_pooled():
    videos = [*ten(run="a"), *(VideoInputs(f"b{v.sample}", v.features) for v in ten(run="b"))]
    assert number("det.auc", videos).reason == "scores_of_several_runs"
    assert number("det.auc.macro", videos).value == pytest.approx(0.86)
    assert set(number("det.auc.macro", videos).details) >= {"of maker, run a", "of maker, run b"}


def test_only_one_class_and_no_probability_have_no_number():
    reals = [video(f"r{at}", 0, 0.1 * at) for at in range(4)]
    assert number("det.auc", reals).reason == "one_class_only"
    assert number("det.auc.macro", reals).reason == "no_fake"
    assert number("det.auc", []).value is None
    no_chance = [video(f"v{at}", label, score) for at, (label, score) in enumerate(zip(LABELS, SCORES, strict=True))]
    for name in ("det.brier", "det.brier.strict", "det.ece15.macro"):
        assert number(name, no_chance).reason == "no_probability"
    assert number("det.auc", no_chance).value == pytest.approx(0.86)


def test_equal_scores_are_flagged():
    found = number("det.auc", [video(f"v{at}", label, 0.5) for at, label in enumerate(LABELS)])
    assert found.value == 0.5
    assert "constant_scores" in [note.kind for note in found.notes]


@pytest.mark.parametrize(("reals", "noted"), [(99, True), (100, False)])
def test_few_reals_are_said(reals, noted):
    videos = [video(f"r{at}", 0, 0.01 * at) for at in range(reals)]
    videos += [video(f"f{at}", 1, 0.5 + 0.01 * at, generator="m") for at in range(40)]
    found = number("det.tpr_at_1", videos)
    assert ("too_few_reals" in [note.kind for note in found.notes]) is noted
    assert "too_few_reals" in [note.kind for note in number("det.tpr_at_01", videos).notes]


def test_qualities_are_compared_at_the_same_quality():
    """The real videos drift with the quality too: only those of the same one are a comparison."""
    rng = np.random.default_rng(1)
    videos, expected = [], {}
    for quality, shift, drift in (("q0", 2.0, 0.0), ("q1", 1.0, 5.0), ("q2", 0.5, -5.0)):
        real, fake = rng.normal(size=50) + drift, rng.normal(size=50) + drift + shift
        expected[quality] = roc_auc_score([0] * 50 + [1] * 50, [*real, *fake])
        for at in range(50):
            videos.append(video(f"{quality}r{at}", 0, real[at], within=quality, base="q0", identity=f"p{at}"))
            about = {"within": quality, "base": "q0", "identity": f"p{at}", "generator": "m"}
            videos.append(video(f"{quality}f{at}", 1, fake[at], **about))
    found = number("det.auc_loss", videos)
    losses = {quality: expected["q0"] - expected[quality] for quality in ("q1", "q2")}
    assert found.value == pytest.approx(np.mean(list(losses.values())), abs=1e-12)
    assert found.details["loss at q2"] == pytest.approx(losses["q2"], abs=1e-12)
    assert found.details["of m, q1"] == pytest.approx(expected["q1"], abs=1e-12)
    assert number("det.auc.macro", videos).value == pytest.approx(np.mean(list(expected.values())), abs=1e-12)
    same = [video(f"{at}", at % 2, 0.5, within=f"q{at // 2 % 2}", base="q0", generator="m") for at in range(8)]
    assert (number("det.auc_loss", same).value, number("det.auc_loss", same).reason) == (None, "constant_scores")
    assert number("det.auc_loss", ten()).reason == "no_base_quality"
    assert number("det.auc_loss", ten(within="q0", base="q0")).reason == "one_quality_only"


def test_drivers_are_clusters_too():
    """Ten people seen once each, all driven by two: the interval is that of the two."""
    rng = np.random.default_rng(2)
    shift = {"a": 0.2, "b": 3.0}
    videos = [video(f"r{at}", 0, float(rng.normal()), identity=f"r{at}") for at in range(60)]
    plain = list(videos)
    for at in range(60):
        driver = "ab"[at % 2]
        about = {"identity": f"p{at}", "generator": "m"}
        score = float(rng.normal()) + shift[driver]
        videos.append(video(f"f{at}", 1, score, driver=driver, **about))
        plain.append(video(f"f{at}", 1, score, **about))
    both, single = number("det.auc", videos), number("det.auc", plain)
    assert both.value == single.value
    assert both.ci95[1] - both.ci95[0] > 1.5 * (single.ci95[1] - single.ci95[0])


def test_the_score_of_each_video():
    metric = metric_registry()["det.score"]
    assert metric.score_video(video("v", 1, 2.5)).value == 2.5
    assert metric.score_video(video("v", 1, None, state="detector_failed")).reason == "detector_failed"
