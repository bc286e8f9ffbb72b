"""What `evalkit.score` refuses before it starts, and what it accepts."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
import torch

from evalkit import api
from evalkit.errors import SubmissionError, UsageError
from evalkit.metrics.base import metric
from evalkit.scoring.journal import Journal
from evalkit.scoring.scorecard import Scorecard

CHALLENGE = "talking-head"


def score(world, submission, tmp_path, **options):
    options = {"metrics": ["duration"], "workers": 1, "cache": tmp_path / "cache", **options}
    return api.score(submission, CHALLENGE, world.testset, **options)


def test_results_of_another_submission_are_kept(world, tmp_path):
    other = shutil.copy(world.zip, tmp_path / "other.zip")
    out = tmp_path / "out"
    score(world, world.zip, tmp_path, out=out)
    with pytest.raises(UsageError, match="holds the results of another submission"):
        score(world, other, tmp_path, out=out)
    assert Scorecard.load(out).submission.name == world.zip.stem
    score(world, world.zip, tmp_path, out=out)  # the same again
    score(world, other, tmp_path, out=out, replace=True)
    assert Scorecard.load(out).submission.name == "other"


def test_two_runs_never_write_to_one_folder(world, tmp_path):
    running = Journal(tmp_path / "out" / "log.jsonl")
    running.event("video", decodes=1)
    with pytest.raises(UsageError, match="Another run is writing to"):
        score(world, world.zip, tmp_path, out=tmp_path / "out")
    running.close()
    assert (tmp_path / "out" / "log.jsonl").read_text().count("\n") == 1
    score(world, world.zip, tmp_path, out=tmp_path / "out")


def test_one_string_is_a_list_with_commas(world, tmp_path):
    card = score(world, world.zip, tmp_path, metrics="duration, fps")
    assert list(card.metrics) == ["video.duration", "video.fps"]


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_a_device_that_is_not_there(world, tmp_path):
    with pytest.raises(UsageError, match="no CUDA device"):
        score(world, world.zip, tmp_path, device="cuda")
    with pytest.raises(UsageError, match="no such device"):
        score(world, world.zip, tmp_path, device="gpu")


def test_a_submission_that_is_not_there_is_said_before_missing_weights(world, tmp_path):
    with pytest.raises(SubmissionError, match=r"nofile\.zip"):
        score(world, tmp_path / "nofile.zip", tmp_path, metrics=["identity"])


@pytest.mark.parametrize(
    ("name", "value", "found"),
    [
        ("submission", None, "NoneType"),
        ("submission", b"a.zip", "bytes"),
        ("challenge", ["talking-head"], "list"),
        ("testset", 3, "int"),
        ("metrics", [1], "list with something else in it"),
        ("metrics", b"psnr", "bytes"),
        ("metrics", 5, "int"),
        ("backbones", None, "NoneType"),
        ("device", 0, "int"),
        ("out", 5, "int"),
        ("cache", 5, "int"),
        ("limit", "4", "str"),
        ("workers", True, "bool"),
        ("timeout", "1 min", "str"),
    ],
)
def test_arguments_of_a_wrong_type_are_named(name, value, found):
    given = {"submission": "a.zip", "challenge": CHALLENGE, "testset": "t", name: value}
    with pytest.raises(UsageError, match=rf"^The argument {name} has the wrong type\. Found {found}; expected "):
        api.score(**given)


@pytest.mark.parametrize("call", [api.validate, api.repair, api.check_testset])
def test_every_function_names_them(call):
    first = "testset" if call is api.check_testset else "submission"
    rest = {"out": "b.zip"} if call is api.repair else {}
    with pytest.raises(UsageError, match=rf"^The argument {first} has the wrong type\. Found int"):
        call(7, CHALLENGE, **rest)
    with pytest.raises(UsageError, match=r"^The argument challenge has the wrong type\. Found dict"):
        call("a", {}, **rest)
    with pytest.raises(UsageError, match=r"^The argument workers has the wrong type\. Found float"):
        call("a", CHALLENGE, workers=1.5, **rest)


def test_numbers_of_numpy_are_numbers(world, tmp_path):
    card = score(world, world.zip, tmp_path, limit=np.int64(1), workers=np.int32(1), timeout=np.float64(60))
    assert len(card.videos) == 1


def halved(**fields):
    """Return a metric that no package registers; it reads an installed feature."""

    @metric(
        id="mine.half_rate",
        title="Half the rate",
        higher_is_better=None,
        features=("facts",),
        citation="this test",
        **fields,
    )
    def declared(facts):
        """Half of the frames per second."""
        return float(facts["fps"]) / 2

    return declared


def test_a_metric_that_is_in_no_package(world, tmp_path):
    out = tmp_path / "out"
    card = score(world, world.zip, tmp_path, metrics=["fps", halved()], out=out)
    assert list(card.metrics) == ["video.fps", "mine.half_rate"]
    rates = [(video.values["video.fps"], video.values["mine.half_rate"]) for video in card.videos]
    assert all(rate is not None and half == rate / 2 for rate, half in rates) and len(rates) == len(card.videos) > 0
    assert "Half the rate" in (out / "report.html").read_text()
    assert Scorecard.load(out).metrics["mine.half_rate"].value == card.metrics["mine.half_rate"].value


def test_a_metric_of_an_installed_ones_name_is_refused(world, tmp_path):
    for name in ("psnr.rgb", "psnr"):
        taken = halved().variant(id=name)
        with pytest.raises(UsageError, match="already"):
            score(world, world.zip, tmp_path, metrics=[taken])


def test_only_metrics_and_names_are_metrics(world, tmp_path):
    with pytest.raises(UsageError, match="argument metrics has the wrong type"):
        score(world, world.zip, tmp_path, metrics=["duration", 3])
    with pytest.raises(UsageError, match="argument metrics has the wrong type"):
        api.score_all(tmp_path, CHALLENGE, world.testset, tmp_path / "out", metrics=[halved()])
