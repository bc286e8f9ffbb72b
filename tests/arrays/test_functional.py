"""Every metric that arrays suffice for has a function, which asks for what the metric needs and for nothing else."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import pytest

import evalkit
from evalkit import functional
from evalkit.arrays.needs import needs_rate
from evalkit.errors import EvalkitError, InputError, UsageError
from evalkit.metrics.base import metric_registry, resolve_metric
from evalkit.metrics.features.base import feature_registry

RNG = np.random.default_rng(11)
SMALL = [RNG.integers(0, 256, (18, 32, 40, 3), dtype=np.uint8) for _ in range(3)]
OTHERS = [np.clip(one.astype(int) + RNG.integers(-30, 30, one.shape), 0, 255).astype(np.uint8) for one in SMALL]
# What takes measured seconds, or goes through files.
NO_FUNCTION = {"speed.e2e", "speed.fps", "speed.peak_mem", "speed.rtf", "speed.ttff"} | {
    f"sync.replicate.{part}" for part in ("conf", "dist", "offset")
}
NO_FUNCTION |= {"occl.keep_psnr", "occl.sync_conf", "occl.sync_dist", "occl.sync_coverage"}  # masks of the test set
NO_FUNCTION |= {name for name, metric in metric_registry().items() if metric.record.setups}  # of several videos
NO_FUNCTION |= {name for name in metric_registry() if name.startswith("bind.")}  # of the speakers of a test set
NO_FUNCTION |= {name for name in metric_registry() if name.startswith("det.")}  # of a detector's scores
NO_FUNCTION |= {"asr.wer.sphinx", "asr.cer.sphinx"}  # of the words of a test set
NO_FUNCTION |= {  # of files that another program made of the video
    name
    for name, metric in metric_registry().items()
    if any(feature_registry()[one].record.imports for one in metric.record.features if one in feature_registry())
}


def test_every_metric_has_a_function_by_each_of_its_names() -> None:
    for name, metric in metric_registry().items():
        names = [*metric.record.aliases, name.replace(".", "_")]
        assert [hasattr(functional, one) for one in names] == [name not in NO_FUNCTION] * len(names), name
    assert set(dir(functional)) > {"fid", "fid_clean", "psnr", "lip_sync", "clip_score"}
    with pytest.raises(AttributeError, match="Did you mean 'psnr'"):
        functional.psnrr  # noqa: B018


def test_a_function_asks_for_what_the_metric_needs() -> None:
    def positional(name: str) -> list[str]:
        signature = inspect.signature(getattr(functional, name))
        return [one.name for one in signature.parameters.values() if one.default is one.empty]

    assert positional("psnr") == positional("fid") == positional("akd") == ["video", "reference"]
    assert positional("identity") == ["video", "reference_image"]
    assert positional("lse_c") == ["video", "audio"]
    assert positional("clip_score") == ["video", "prompt"]
    assert positional("timeline_v1_tiou") == ["video", "timeline"]
    assert positional("niqe") == positional("frozen_share") == ["video"]
    with pytest.raises(TypeError, match=r"psnr\(video, reference.*missing a required argument: 'reference'"):
        functional.psnr(SMALL[0])
    assert "functional.lse_c(video, audio, fps=25, audio_rate=16000)" in (functional.lse_c.__doc__ or "")


def test_a_function_gives_what_measure_gives() -> None:
    found = functional.psnr(SMALL, OTHERS, backbones="bundled")
    assert found == evalkit.measure("psnr.rgb", SMALL, reference=OTHERS, backbones="bundled")
    error = np.square(SMALL[0].astype(float) - OTHERS[0]).mean(axis=(1, 2, 3))
    assert found.values[0] == pytest.approx(np.mean(10 * np.log10(255**2 / error)), rel=1e-6)


def test_lip_sync_has_three_numbers(given: dict[str, Any]) -> None:
    found = functional.lip_sync(given["videos"][0], given["audio"][0], audio_rate=16000, fps=25, backbones="bundled")
    assert (found.confidence.metric, found.distance.metric) == ("sync.latentsync.conf", "sync.latentsync.dist")
    assert found.confidence.value is not None
    assert found.distance.higher_is_better is False
    assert found.offset.unit == "frames at 25/s"


# Cheap ones of every kind; the others read the same features.
BY_TIME = {"motion.flow": True, "fps": True, "duration": True, "cpbd": False, "clip.frame_consistency": False}


@pytest.mark.parametrize(("name", "by_time"), BY_TIME.items())
def test_who_asks_for_the_frame_rate_depends_on_it(name: str, by_time: bool) -> None:
    metric = metric_registry()[resolve_metric(name, metric_registry())]
    assert needs_rate(metric) == by_time
    still = np.cumsum(RNG.integers(0, 9, (24, 96, 112, 3)), axis=0).astype(np.uint8)
    one, two = (evalkit.measure(name, still, fps=fps, backbones="bundled").value for fps in (24, 8))
    assert one is not None
    assert (one != two) == by_time
    if by_time:
        with pytest.raises(UsageError, match="Add fps=25"):
            evalkit.measure(name, still, backbones="bundled")
    else:
        assert evalkit.measure(name, still, backbones="bundled").value == one


MISSING = {
    "identity": "compares with a reference image, and none was given. Add reference_image=",
    "fid": "compares with a reference video, and none was given. Add reference=",
    "lse_d": "compares with sound, and none was given. Add audio=",
    "clipscore": "compares with a prompt, and none was given. Add prompt=",
    "timeline.v1.tiou": "compares with a timeline, and none was given. Add timeline=",
    "speed.fps": "measured seconds, which arrays don't have",
    "sync.replicate.conf": "goes through files that ffmpeg writes",
    "psnrr": "no metric 'psnrr'. Did you mean 'psnr'",
    "": "No metric was named",
}


@pytest.mark.parametrize(("name", "message"), MISSING.items())
def test_what_a_metric_lacks_is_said_at_once(name: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        evalkit.measure(name, SMALL[0], fps=25, backbones="bundled")


def test_a_role_that_the_backbones_lack_is_named() -> None:
    with pytest.raises(EvalkitError, match=r"'bundled' have no network for lpips.alex"):
        functional.lpips(SMALL[0], OTHERS[0], backbones="bundled")


def test_pairs_of_unequal_length_take_a_frame_rate() -> None:
    with pytest.raises(InputError, match=r"18 and 9 frames \(video 0\).*Give fps"):
        functional.psnr(SMALL[0], SMALL[0][:9], backbones="bundled")
    # At half the rate the reference's frames are every second one of the video.
    half = functional.psnr(SMALL[0], OTHERS[0][::2], fps=30, reference_fps=15, backbones="bundled")
    error = np.square(SMALL[0][::2].astype(float) - OTHERS[0][::2]).mean(axis=(1, 2, 3))
    assert half.value == pytest.approx(np.mean(10 * np.log10(255**2 / error)), rel=1e-6)


def test_what_a_video_lacks_is_a_reason_and_no_zero() -> None:
    found = functional.identity(SMALL, [np.zeros_like(one[0]) for one in OTHERS], backbones="bundled")
    assert found.value is None
    assert found.values == (None, None, None)
    assert found.reason == "reference_no_face"
    assert set(found.reasons) == {"reference_no_face"}
    assert found.coverage == 0
    with pytest.raises(InputError, match=r"identity.strict.arc has no value. Found reference_no_face"):
        float(found)
    assert f"{found:.3f}" == "unscored: reference_no_face"
    assert found.as_dict()["value"] is None


def test_one_unscored_video_costs_no_other() -> None:
    found = evalkit.measure("psnr", SMALL, reference=[OTHERS[0], None, OTHERS[2]], backbones="bundled")
    assert found.reasons == (None, "no_reference_video", None)
    assert found.n == 2
    assert found.coverage == pytest.approx(2 / 3)
    scored = [value for value in found.values if value is not None]
    assert found.value == pytest.approx(np.mean(scored))


def test_several_metrics_come_back_by_the_names_that_were_asked_for() -> None:
    found = evalkit.measure("psnr, ssim.gray", SMALL[0], reference=OTHERS[0], backbones="bundled")
    assert list(found) == ["psnr", "ssim.gray"]
    assert found["ssim.gray"].metric == "ssim.gray"
