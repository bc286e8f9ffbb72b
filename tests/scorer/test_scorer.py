"""`evalkit.Scorer`: the numbers of files, the protocol of the challenge, and a caller who notices nothing."""

from __future__ import annotations

import math
import random
import subprocess
import sys

import numpy as np
import pytest
import torch
from arrays.lossless import CHALLENGE, write_lossless

import evalkit
from evalkit.errors import EvalkitError, InputError, UsageError
from evalkit.media.audio import read_audio
from evalkit.metrics.features.base import feature_registry
from evalkit.reference_models.generators.base import GenerationError
from evalkit.scorer.scorer import Scorer
from evalkit.scoring.cache import FeatureCache

METRICS = "fid,kvd,fvd,lse_c,sync.own.offset,identity,psnr,ssim,m_lmd,clipscore,niqe,motion.flow,frozen_share,fps"


def scorer_of(puppets, challenge="talking-head", **given) -> Scorer:
    return evalkit.Scorer(challenge, puppets.testset, **({"backbones": "bundled", "cache": puppets.cache} | given))


def run_of(puppets, metrics="psnr,ssim", **given):
    with scorer_of(puppets, metrics=metrics, **given) as scorer:
        return scorer.run(lambda sample: puppets.darker(sample.id))


def near(one, other) -> bool:
    """Whether two numbers, pairs or gaps agree within 1e-6."""
    if one is None or other is None:
        return one is other
    return one == pytest.approx(other, rel=1e-6, abs=1e-9)


@pytest.fixture(scope="module")
def lossless(large, tmp_path_factory):
    """Return a challenge that allows lossless files, and the scorecard of some by `evalkit.score`."""
    root = tmp_path_factory.mktemp("lossless")
    (root / "team").mkdir()
    for sample in large.testset:
        wave = read_audio(large.testset.path(sample.audio), 16_000)
        sound = np.round(wave * 32768).clip(-32768, 32767).astype(np.int16)
        write_lossless(root / "team" / f"{sample.id}.mkv", large.darker(sample.id), 25, sound)
    challenge = root / "challenge.yaml"
    challenge.write_text(CHALLENGE, encoding="utf-8")
    card = evalkit.score(
        root / "team", challenge, large.testset, metrics=METRICS, backbones="bundled", cache=root / "c", workers=1
    )
    return challenge, card


def test_the_numbers_are_those_of_lossless_files(large, lossless):
    challenge, files = lossless
    with scorer_of(large, challenge, metrics=METRICS) as scorer:
        for sample in reversed(scorer.samples):  # the order of updates does not count
            assert scorer.update(sample.id, torch.from_numpy(large.darker(sample.id)).permute(0, 3, 1, 2)) == ()
        card = scorer.compute()
    assert list(card.metrics) == list(files.metrics)
    for name, expected in files.metrics.items():
        found = card.metrics[name]
        assert (found.n, found.coverage, found.reason) == (expected.n, expected.coverage, expected.reason), name
        assert near(found.value, expected.value), name
        assert near(found.ci95, expected.ci95), name
        assert found.protocol == expected.protocol
    assert card.reasons == {}
    for one, other in zip(card.videos, files.videos, strict=True):
        assert one.sample == other.sample
        assert one.values.keys() == other.values.keys()
        assert all(near(value, other.values[name]) for name, value in one.values.items())
        assert one.reasons == other.reasons
    assert card.features == files.features | {n: card.features[n] for n in card.features.keys() - files.features.keys()}


def test_the_references_are_computed_once(puppets, monkeypatch, tmp_path):
    """Not again at the next evaluation, nor by the next scorer with the same cache."""
    extractors = feature_registry()
    opened: list[str] = []
    kind = extractors["inception_reference"]
    open_one = kind.open

    def counted(self, item, upstream):
        opened.append(item.sample)
        return open_one(self, item, upstream)

    monkeypatch.setattr(kind, "open", counted)
    for _ in range(2):
        with scorer_of(puppets, metrics="fid", cache=tmp_path, samples=evalkit.pick(2)) as scorer:
            first = scorer.run(lambda sample: puppets.darker(sample.id))
            assert scorer.run(lambda sample: puppets.darker(sample.id)).metrics == first.metrics
        assert len(opened) == 2
    found = FeatureCache(tmp_path).root / "inception_reference"
    assert len(list(found.rglob("*.npz"))) == 2


def subset_notes(card, name):
    return [note.detail for note in card.metrics[name].notes if note.kind == "subset"]


def test_references_in_the_cache_are_those_of_files(large, lossless, tmp_path):
    """A scorer after a run on files computes no reference, and a run on files after a scorer neither."""
    challenge, _ = lossless
    with scorer_of(large, challenge, metrics="fid,clipscore,identity", cache=tmp_path) as scorer:
        scorer.run(lambda sample: large.darker(sample.id))
    card = evalkit.score(
        challenge.parent / "team",
        challenge,
        large.testset,
        metrics="fid,clipscore,identity",
        backbones="bundled",
        cache=tmp_path,
        workers=1,
    )
    computed = set(card.timing["extractors"])
    assert "inception" in computed
    assert not [name for name in computed if name.endswith("_reference") or name == "clip_text"]


def test_a_scorecard_says_which_part_was_scored(puppets):
    card = run_of(puppets, "psnr,fid", samples=evalkit.pick(2, seed=5))
    subset = card.provenance["subset"]
    assert subset == {
        "samples": 2,
        "of": 4,
        "testset_sha256": puppets.testset.sha256,
        "pick": {"count": 2, "seed": 5},
    }
    assert [video.sample for video in card.videos] == [s.id for s in evalkit.pick(2, seed=5).of(puppets.testset)]
    assert {score.coverage for score in card.metrics.values()} == {1.0}
    assert subset_notes(card, "psnr.rgb") == ["2 of the 4 samples"]
    assert "depends on how many" in subset_notes(card, "fid.pytorch")[0]
    assert subset_notes(run_of(puppets, "psnr"), "psnr.rgb") == []
    assert evalkit.Scorecard.from_json(card.to_json()) == card


def test_a_sample_without_a_video_is_missing_not_zero(puppets):
    with scorer_of(puppets, metrics="psnr,lse_c") as scorer:
        one = scorer.samples[0]
        scorer.update(one.id, puppets.darker(one.id))
        card = scorer.compute()
        assert card.metrics["psnr.rgb"].coverage == 0.25
        assert {v.reasons["psnr.rgb"] for v in card.videos if v.sample != one.id} == {"missing"}
        scorer.reset()
        empty = scorer.compute()
    assert empty.scores() == {}
    assert set(empty.reasons) == {"psnr.rgb", "sync.latentsync.conf"}
    assert all(math.isnan(value) for value in empty.scores(nan=True).values())
    assert card.scores(prefix="val/") == {
        f"val/{name}": score.value for name, score in card.metrics.items() if score.value is not None
    }


def rules_of(findings):
    return {finding.rule: finding.severity for finding in findings}


def test_what_would_be_refused_is_refused_by_the_same_rule(puppets):
    name = puppets.testset.samples[0].id
    real = puppets.real[name]
    with scorer_of(puppets, metrics="psnr") as scorer:
        assert rules_of(scorer.update(name, real)) == {}
        assert rules_of(scorer.update(name, real, fps=10))["encoding.frame-rate"] == "error"
        assert rules_of(scorer.update(name, real, False))["encoding.audio-missing"] == "error"
        assert rules_of(scorer.update(name, np.zeros_like(real)))["content.black"] == "warning"
        assert rules_of(scorer.update(name, np.repeat(real[:1], 53, 0)))["content.frozen"] == "warning"
        short = np.zeros(16_000 * 2, np.float32)
        assert rules_of(scorer.update(name, real, short))["content.audio-silent"] == "warning"
        found = scorer.update(name, real[:30])
        card = scorer.compute()
    assert rules_of(found) == {"content.length": "error"} or "content.audio-long" in rules_of(found)
    if "error" in rules_of(found).values():
        assert card.metrics["psnr.rgb"].value is None
        assert card.videos[0].reasons["psnr.rgb"].startswith("invalid:")


def test_sizes_are_checked_by_the_challenge(puppets, tmp_path):
    text = (
        "schema: 1\nid: sizes\ntitle: sizes\nranking: none\nsubmission:\n  layouts: ['{id}.mp4']\n  video:\n"
        "    match_reference_size: true\n    match_reference_seconds: 0.2\n    min_width: 100\n"
    )
    (tmp_path / "sizes.yaml").write_text(text)
    name = puppets.testset.samples[0].id
    real = puppets.real[name]
    with scorer_of(puppets, tmp_path / "sizes.yaml", metrics="psnr") as scorer:
        assert rules_of(scorer.update(name, real)) == {}
        small = rules_of(scorer.update(name, np.ascontiguousarray(real[:, ::2, ::2])))
        assert small["content.reference-size"] == "error"
        assert small["encoding.resolution"] == "error"
        assert rules_of(scorer.update(name, real[:40]))["content.length"] == "error"
        card = scorer.compute()
        assert card.videos[0].verdict == "error"
        assert card.videos[0].reasons["psnr.rgb"] == "invalid:content.length"
        assert scorer.samples[0].size == (128, 128)


def test_a_generator_gets_the_sample_and_returns_frames_or_frames_with_sound(puppets):
    seen = {}

    def generate(sample):
        seen[sample.id] = sample
        assert not torch.is_grad_enabled()
        frames = puppets.darker(sample.id)
        if sample.id == puppets.testset.samples[0].id:
            return frames, sample.audio
        return torch.from_numpy(frames).permute(0, 3, 1, 2)

    with scorer_of(puppets, metrics="psnr,sync.own.offset") as scorer:
        card = scorer.run(generate)
        assert scorer.filmstrip(puppets.testset.samples[1].id).shape == (112, 6 * 112, 3)
    assert card.metrics["psnr.rgb"].coverage == 1
    one = seen[puppets.testset.samples[0].id]
    assert (one.frames, one.fps, one.size, one.audio_rate) == (53, 25.0, (128, 128), 16_000)
    assert one.reference_image.shape == (128, 128, 3)
    assert one.audio.dtype == np.float32
    assert abs(len(one.audio) / 16_000 - 2.12) < 0.02
    assert one.prompt == puppets.testset.samples[0].text
    assert len({sample.seed for sample in seen.values()}) == 4


def test_other_rates_are_asked_for(puppets):
    with scorer_of(puppets, metrics="psnr", fps=30) as scorer:
        assert {(sample.frames, sample.fps) for sample in scorer.samples} == {(64, 30.0)}
    with pytest.raises(UsageError, match="does not allow this frame rate"):
        scorer_of(puppets, metrics="psnr", fps=5)


def test_videos_that_a_rule_refuses_are_warned_of(puppets):
    short = puppets.testset.samples[1].id

    def generate(sample):
        return puppets.darker(sample.id)[: 20 if sample.id == short else None]

    said = f"1 of 4 videos. The first: {short} .*length.*Found 0.80 s; expected"
    with scorer_of(puppets, metrics="psnr") as scorer, pytest.warns(RuntimeWarning, match=said):
        card = scorer.run(generate)
    assert card.metrics["psnr.rgb"].coverage == 0.75


def failing(puppets):
    bad = puppets.testset.samples[2].id

    def generate(sample):
        if sample.id == bad:
            raise ZeroDivisionError("the sampler diverged")
        return puppets.darker(sample.id)

    return bad, generate


def test_an_error_of_the_generator_is_raised_with_the_sample_s_name(puppets):
    bad, generate = failing(puppets)
    with scorer_of(puppets, metrics="psnr") as scorer:
        with pytest.raises(GenerationError, match=f"'{bad}'.*ZeroDivisionError: the sampler diverged") as caught:
            scorer.run(generate)
        assert isinstance(caught.value.__cause__, ZeroDivisionError)
        with pytest.raises(InputError, match=f"'{bad}'") as wrong:
            scorer.run(lambda sample: puppets.darker(sample.id) * (np.float32(1) if sample.id == bad else np.uint8(1)))
        assert "uint8" in str(wrong.value)


def test_an_error_costs_that_sample_alone_when_asked(puppets):
    bad, generate = failing(puppets)
    with scorer_of(puppets, metrics="psnr") as scorer:
        card = scorer.run(generate, skip_errors=True)
        again = scorer.run(lambda sample: puppets.darker(sample.id))
    assert card.metrics["psnr.rgb"].coverage == 0.75
    (video,) = [video for video in card.videos if video.sample == bad]
    assert video.reasons["psnr.rgb"] == "missing"
    assert [event.kind for event in video.events] == ["generator_failed"]
    assert "the sampler diverged" in video.events[0].detail
    assert again.metrics["psnr.rgb"].coverage == 1


def states():
    return random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()


def test_the_caller_notices_nothing(puppets):
    model = torch.nn.Sequential(torch.nn.Linear(3, 3), torch.nn.Dropout(), torch.nn.BatchNorm1d(3))
    model[1].eval()  # a frozen part
    weights = {name: value.clone() for name, value in model.state_dict().items()}
    drawn = []

    def generate(sample):
        drawn.append((random.random(), np.random.rand(), torch.rand(1).item()))
        return puppets.darker(sample.id)

    random.seed(1), np.random.seed(2), torch.manual_seed(3)
    torch.set_num_threads(2)
    with scorer_of(puppets, metrics="psnr,fid,identity", samples=evalkit.pick(2)) as scorer:
        before = states()
        first = scorer.run(generate)
        assert states() == before
        scorer.run(generate)
        assert states() == before
        scorer.update(scorer.samples[0].id, puppets.darker(scorer.samples[0].id))
        scorer.compute()
        assert states() == before
    assert torch.get_num_threads() == 2
    assert torch.is_grad_enabled()
    assert drawn[:2] == drawn[2:]  # every evaluation draws the same
    assert drawn[0] != drawn[1]
    assert [module.training for module in model] == [True, False, True]
    assert all(torch.equal(value, weights[name]) for name, value in model.state_dict().items())
    assert first.complete


def test_a_fault_of_the_machine_is_no_fault_of_a_sample(puppets, monkeypatch):
    """With a full disk `skip_errors` must not leave a scorecard without samples."""
    from evalkit.errors import StorageError

    def full(self, *given, **more):
        raise StorageError("There is no space left.")

    with scorer_of(puppets, metrics="psnr") as scorer:
        monkeypatch.setattr("evalkit.arrays.session.Measurer.features", full)
        with pytest.raises(StorageError):
            scorer.run(lambda sample: puppets.darker(sample.id), skip_errors=True)


def test_without_seeds_evaluations_differ_and_the_state_comes_back(puppets):
    drawn = []

    def generate(sample):
        drawn.append(torch.rand(1).item())
        return puppets.darker(sample.id)

    torch.manual_seed(3)
    with scorer_of(puppets, metrics="psnr", samples=evalkit.pick(2)) as scorer:
        scorer.run(generate, seeded=False)
    assert drawn == [torch.rand(1).item(), torch.rand(1).item()]


def test_networks_stay_loaded_and_are_given_back(puppets, monkeypatch):
    built = []
    kind = feature_registry()["inception"]
    build = kind.__init__

    def counted(self, *given):
        built.append(1)
        build(self, *given)

    monkeypatch.setattr(kind, "__init__", counted)
    for offload, expected in ((False, 1), (True, 3)):
        built.clear()
        with scorer_of(puppets, metrics="fid", samples=evalkit.pick(2), offload=offload) as scorer:
            values = {scorer.run(lambda s: puppets.darker(s.id)).metrics["fid.pytorch"].value for _ in range(3)}
        assert (len(built), len(values)) == (expected, 1)


def test_what_frames_do_not_suffice_for(puppets):
    with scorer_of(puppets, "mmasia2025-talking-head", allow_missing=True) as scorer:
        card = scorer.compute()
    speeds = {name: score.reason for name, score in card.metrics.items() if name.startswith("speed.")}
    assert set(speeds.values()) == {"needs_measured_seconds"}
    with pytest.raises(UsageError, match="measured seconds"):
        scorer_of(puppets, metrics="speed.fps")
    with pytest.raises(UsageError, match="needs a video file"):
        scorer_of(puppets, metrics="sync.replicate.conf")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"samples": 16}, "wrong type"),
        ({"samples": "p001"}, "wrong type"),
        ({"samples": ["p001", "p01"]}, "no sample 'p01'"),
        ({"samples": []}, "no sample to score"),
        ({"metrics": "psnrr"}, "psnrr"),
        ({"device": "tpu"}, "tpu"),
        ({"threads": 0}, "threads"),
        ({"metrics": 5}, "argument metrics has the wrong type"),
        ({"metrics": ["psnr", 5]}, "argument metrics has the wrong type"),
        ({"cache": 5}, "argument cache has the wrong type"),
        ({"fps": "25"}, "argument fps has the wrong type"),
        ({"seed": None}, "argument seed has the wrong type"),
    ],
)
def test_wrong_arguments(puppets, given, said):
    with pytest.raises(EvalkitError, match=said):
        scorer_of(puppets, **({"metrics": "psnr"} | given))


def test_wrong_updates(puppets):
    name = puppets.testset.samples[0].id
    frames = puppets.real[name]
    with scorer_of(puppets, metrics="psnr") as scorer:
        for wrong in (frames.astype(np.float32) / 255, frames[..., :1], "frames", frames[:0], None):
            with pytest.raises(InputError):
                scorer.update(name, wrong)
        with pytest.raises(UsageError, match=r"no sample 'p0011'.*p001"):
            scorer.update("p0011", frames)
        with pytest.raises(InputError):
            scorer.update(name, frames, fps=0)
        with pytest.raises(InputError):
            scorer.update(name, frames, np.zeros(100, np.int64))
        assert scorer.compute().metrics["psnr.rgb"].value is None


def test_importing_evalkit_loads_no_trainer():
    code = "import sys, evalkit; evalkit.pick(2); print({'torch', 'lightning', 'transformers'} & sys.modules.keys())"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "set()\n"


def test_a_scorer_without_a_metric_is_refused(puppets):
    with pytest.raises(UsageError, match="No metric was named"):
        scorer_of(puppets, metrics=[])
