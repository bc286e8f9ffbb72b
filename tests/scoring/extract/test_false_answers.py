"""What a worker that a video took over may say: false answers cost their video, and nothing of them is stored."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from builders.extraction import Extracting, entries, jobs, stored

from evalkit.media.facts import MediaFacts
from evalkit.scoring.answers import accept
from evalkit.scoring.extract import Handler
from evalkit.scoring.jobs import Extraction, VideoAnswer
from evalkit.workers.messages import BadAnswerError

FEATURES = ("paired_pixels", "filmstrip")
NAN = float("nan")


def arrays(**changes: Any) -> Callable[[VideoAnswer], VideoAnswer]:
    """Return a lie: other arrays of paired_pixels; ``None`` leaves one out."""

    def lie(answer: VideoAnswer) -> VideoAnswer:
        pixels = {**answer.arrays["paired_pixels"], **changes}
        kept = {name: array for name, array in pixels.items() if array is not None}
        return replace(answer, arrays={**answer.arrays, "paired_pixels": kept})

    return lie


def facts(path: str, value: Any) -> Callable[[VideoAnswer], VideoAnswer]:
    """Return a lie: another value in the facts, past the record's own checks."""

    def lie(answer: VideoAnswer) -> VideoAnswer:
        assert answer.facts is not None
        whole = answer.facts.model_dump()
        at = whole
        *parts, last = path.split(".")
        for part in parts:
            at = at[part]
        at[last] = value
        return replace(answer, facts=MediaFacts.model_validate(whole))

    return lie


LIES: dict[str, Callable[[VideoAnswer], Any]] = {
    "no record": lambda answer: {"sha256": answer.sha256},
    "nothing": lambda answer: None,
    "an extraction": lambda answer: Extraction("d01", answer.sha256, answer.facts),
    "no digest": lambda answer: replace(answer, sha256=None),
    "digest of another file": lambda answer: replace(answer, sha256="0" * 64),
    "digest that is a path": lambda answer: replace(answer, sha256="../../x"),
    "no facts": lambda answer: replace(answer, facts=None),
    "facts not finite": facts("video.fps", NAN),
    "facts without end": facts("video.duration_seconds", float("inf")),
    "feature nobody asked for": lambda answer: replace(
        answer, arrays={**answer.arrays, "brisque": {"score": np.zeros(1)}}
    ),
    "reason for a feature nobody asked for": lambda answer: replace(answer, unavailable={"x": ("a", "b")}),
    "error of a feature nobody asked for": lambda answer: replace(answer, errors={"x": "y"}),
    "a feature and a reason": lambda answer: replace(answer, unavailable={"filmstrip": ("a", "b")}),
    "endless reason": lambda answer: replace(answer, arrays={}, unavailable={"filmstrip": ("a" * 1000, "b")}),
    "missing array": arrays(psnr_rgb=None, psnr=None),
    "array too many": arrays(more=np.zeros(1)),
    "other dtype": arrays(scale=np.zeros(25, np.float32)),
    "text for numbers": arrays(scale=np.array(["x"] * 25)),
    "objects": arrays(scale=np.array([None] * 25)),
    "no array": arrays(scale=[0.5] * 25),
    "other shape": arrays(scale=np.zeros((25, 1))),
    "other length": arrays(scale=np.zeros(24)),
    "other fixed length": arrays(compared=np.zeros(4)),
    "times in text": lambda answer: replace(answer, times=np.array(["now"])),
    "times in a list": lambda answer: replace(answer, times=[0.0]),
    "times in a table": lambda answer: replace(answer, times=np.zeros((2, 2))),
    "endless seconds": lambda answer: replace(answer, seconds={"total": float("inf")}),
    "seconds that are no number": lambda answer: replace(answer, features={"filmstrip": NAN}),
    "seconds below zero": lambda answer: replace(answer, networks={"x": -1.0}),
    "decodes below zero": lambda answer: replace(answer, decodes=-1),
    "a billion decodes": lambda answer: replace(answer, decodes=10**9),
}


@pytest.fixture
def told(config, job):
    """Return the worker's handler for the job, and its honest answer."""
    handler = Handler(config(*FEATURES))
    return handler, handler(job)


def test_a_worker_writes_nothing_and_its_honest_answer_is_stored(config, job, told):
    handler, answer = told
    assert not any(handler.lookup.cache.root.rglob("*"))
    found = accept(handler.lookup, job, answer)
    assert sorted(found.computed) == sorted(FEATURES)
    assert stored(config(), found)["paired_pixels"].arrays["psnr"].shape == (25,)
    again = Extracting(config(*FEATURES))(job)
    assert (again.decodes, again.keys, again.facts) == (0, found.keys, found.facts)


def test_false_answers_are_refused_and_nothing_of_them_is_stored(job, told):
    handler, answer = told
    missed = []
    for name, lie in LIES.items():
        try:
            accept(handler.lookup, job, lie(answer))
        except BadAnswerError:
            pass
        else:
            missed.append(name)
    assert missed == []
    assert not any(handler.lookup.cache.root.rglob("*.npz"))


def test_a_worker_falsifies_only_the_video_that_it_was_given(config, told, world):
    """The same lie about another video: the digest that counts is that of the file that the parent reads."""
    handler, answer = told
    other = jobs(world.submission(), world.samples())[1]
    with pytest.raises(BadAnswerError, match="another file"):
        accept(handler.lookup, other, answer)
    assert entries(config(), "facts") == []


def test_the_parent_finds_what_the_rules_find(config, job, told):
    """A worker that leaves out findings changes nothing: they follow from the facts."""
    handler, answer = told
    said = facts("video.codec", "mjpeg")(replace(answer, arrays={}))
    found = accept(handler.lookup, job, said)
    assert "error" in {finding.severity for finding in found.findings}
    assert found.keys == {}
    with pytest.raises(BadAnswerError, match="refused"):
        accept(handler.lookup, job, replace(said, arrays=answer.arrays))


def test_an_extractor_that_returns_other_arrays_than_it_declares_costs_its_feature(config, job, planted):
    planted_arrays = {"mean": "() float32: mean grey level"}  # it returns float64
    kind = planted.extractor("a", arrays=planted_arrays)
    handler = Extracting(config("a", "filmstrip"))
    handler.extractors["a"] = kind({})
    found = handler(job)
    assert found.computed == ("filmstrip",)
    assert "declares 'mean' as () float32, found float64 ()" in found.errors["a"]
