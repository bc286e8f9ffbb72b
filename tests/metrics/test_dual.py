"""Metrics of two speakers' motion over whole files: parts, their order, what has no number, and the preset."""

from __future__ import annotations

import json

import numpy as np
import pytest
from builders.kinds import npy, npz, write_zip
from click.testing import CliRunner
from numpy.testing import assert_allclose

from evalkit import api
from evalkit.challenges.model import load_challenge
from evalkit.cli import cli
from evalkit.errors import UsageError
from evalkit.metrics.base import metric_registry
from evalkit.metrics.dual import arithmetic
from evalkit.metrics.dual.clusters import cluster_spread
from evalkit.metrics.dual.sequences import Sequences
from evalkit.metrics.features.base import FeatureUnavailableError
from evalkit.metrics.features.coefficients import read_motion
from evalkit.reference_models.conversation import Conversations, conversation, write_conversations
from evalkit.testsets.loading import load_testset

FRAMES = 125
FAMILIES = ("fd", "pfd", "mse", "sid", "sid_official", "rpcc", "sts", "variance", "variance_reference")


@pytest.fixture(scope="module")
def talks(tmp_path_factory):
    """Five conversations of five seconds."""
    folder = tmp_path_factory.mktemp("talks")
    assert write_conversations(Conversations(folder, seed=3, count=5, seconds=FRAMES / 25)) == 10
    return folder


def truth(folder, sample):
    """Return expression, jaw and rotation of a sample and of its partner."""
    other = sample[:-1] + str(3 - int(sample[-1]))
    return [
        {"exp": found["exp"], "jaw": found["pose"][:, 3:], "pose": found["pose"][:, :3]}
        for found in (np.load(folder / f"{name}.npz") for name in (sample, other))
    ]


def submitted(parts):
    return np.concatenate([parts["exp"], parts["jaw"], parts["pose"]], axis=1).astype(np.float32)


def generated(folder, sample):
    """Return something between the truth and noise."""
    rng = np.random.default_rng(int(sample[4:8]))
    return {
        name: part + 0.3 * rng.normal(size=part.shape) * part.std() for name, part in truth(folder, sample)[0].items()
    }


def score(talks, out, changed=None, testset=None, **options):
    files = {f"{sample.id}.npy": npy(submitted(generated(talks, sample.id))) for sample in load_testset(talks)}
    for name, content in (changed or {}).items():
        del files[f"{name}.npy"]
        if content is not None:
            files[f"{name}.npy"] = content
    submission = write_zip(out.with_suffix(".zip"), files)
    options = {"workers": 1, "cache": out.parent / "cache", **options}
    return api.score(submission, "dualtalk", testset or talks, out=out, **options)


def of(card, sample):
    return next(video for video in card.videos if video.sample == sample)


def kinds(card, sample):
    return {event.kind for event in of(card, sample).events}


def test_every_number_is_the_mean_over_files_of_the_arithmetic(talks, tmp_path):
    card = score(talks, tmp_path / "out")
    assert card.complete
    expected = {name: [] for name in card.metrics}
    for sample in load_testset(talks):
        (own, partner), ours = truth(talks, sample.id), generated(talks, sample.id)
        for part, clusters in (("exp", 40), ("jaw", 10), ("pose", 10)):
            one = Sequences.cut(ours[part].astype(np.float32), own[part], partner[part])
            for family, value in {
                "fd": arithmetic.frechet_distance(one),
                "pfd": arithmetic.paired_frechet_distance(one),
                "mse": arithmetic.mean_squared_error(one),
                "rpcc": arithmetic.difference_of_correlations(one),
                "sts": arithmetic.step_difference(one),
                "sid": cluster_spread(one.prediction, one.truth, clusters),
                "sid_official": cluster_spread(one.truth, one.prediction, clusters),
                "variance": arithmetic.mean_variance(one.prediction),
                "variance_reference": arithmetic.mean_variance(one.truth),
            }.items():
                expected[f"dual.{family}.{part}"].append(value)
    assert sorted(card.metrics) == sorted(
        f"dual.{family}.{part}" for family in FAMILIES for part in ("exp", "jaw", "pose")
    )
    for name, entry in card.metrics.items():
        assert_allclose(entry.value, np.mean(expected[name]), rtol=1e-9, err_msg=name)
    assert not any(video.events for video in card.videos)


def test_each_file_that_has_no_number_costs_itself_alone(talks, tmp_path):
    still = submitted(truth(talks, "talk0001_speaker1")[0])
    broken = still.copy()
    broken[7, 54] = np.nan
    held = np.repeat(still[:1], FRAMES, axis=0)  # offsets between the numbers still correlate
    held[:, 50:53] = 0.0
    changed = {
        "talk0001_speaker1": npy(broken),
        "talk0001_speaker2": npy(still[:, :55]),
        "talk0002_speaker1": npy(held),
        "talk0002_speaker2": npy(still[:30]),
        "talk0003_speaker1": npy(still[:105]),
        "talk0003_speaker2": None,
        "talk0004_speaker1": npy(submitted({**truth(talks, "talk0004_speaker1")[0], **exchanged(talks)})),
        "talk0004_speaker2": npy(still[:1]),
        "talk0005_speaker1": npy(np.array([object()])),
    }
    card = score(talks, tmp_path / "out", changed)
    reasons = {name: of(card, name).reasons for name in changed}
    for name, expected in (("talk0001_speaker1", "not-finite"), ("talk0001_speaker2", "shape")):
        assert expected in reasons[name]["dual.fd.exp"], name
    assert of(card, "talk0002_speaker1").values["dual.fd.exp"] > 0
    assert reasons["talk0002_speaker1"] == {"dual.rpcc.jaw": "constant_sequence"}
    assert_allclose(of(card, "talk0002_speaker1").values["dual.sid.jaw"], -1.44e-6, rtol=2e-3)
    assert reasons["talk0002_speaker2"]["dual.mse.exp"] == "too_little_compared"
    assert of(card, "talk0003_speaker1").values["dual.mse.exp"] is not None
    assert kinds(card, "talk0003_speaker1") == {"shorter_than_reference"}
    assert reasons["talk0003_speaker2"]["dual.mse.exp"] == "missing"
    assert kinds(card, "talk0004_speaker1") == {"jaw_and_rotation_exchanged"}
    assert reasons["talk0004_speaker2"]["dual.fd.exp"].startswith(("invalid:", "too_little"))
    assert reasons["talk0005_speaker1"]["dual.fd.exp"].startswith("invalid:")
    assert of(card, "talk0005_speaker2").values["dual.fd.exp"] is not None


def test_numbers_that_no_face_has_are_no_motion(tmp_path):
    (tmp_path / "large.npy").write_bytes(npy(np.full((30, 6), -1e200)))
    (tmp_path / "gap.npy").write_bytes(npy(np.full((30, 6), np.nan)))
    with pytest.raises(FeatureUnavailableError) as caught:
        read_motion(tmp_path / "large.npy", "partner_motion")
    assert caught.value.reason == "partner_motion_out_of_range"
    assert caught.value.detail.startswith("1e+200, ")
    assert np.isnan(read_motion(tmp_path / "gap.npy")[""]).all()


def exchanged(talks):
    own = truth(talks, "talk0004_speaker1")[0]
    return {"jaw": own["pose"], "pose": own["jaw"]}


def rewritten(talks, folder, **changes):
    """Return a copy of the test set with changed records or files."""
    folder.mkdir()
    lines = []
    for line in (talks / "samples.jsonl").read_text().splitlines():
        record = json.loads(line)
        record.update(changes.get(record["id"], {}))
        lines.append(json.dumps({key: value for key, value in record.items() if value is not None}))
    for file in talks.glob("*.npz"):
        (folder / file.name).write_bytes(file.read_bytes())
    (folder / "samples.jsonl").write_text("\n".join(lines))
    return folder


def test_what_the_test_set_lacks_is_the_reason(talks, tmp_path):
    exp, pose = np.zeros((FRAMES, 50)), np.zeros((FRAMES, 6))
    testset = rewritten(
        talks,
        tmp_path / "testset",
        talk0001_speaker1={"partner_motion": None},
        talk0001_speaker2={"motion": None},
        talk0002_speaker1={"motion": "a.npz"},
        talk0002_speaker2={"partner_motion": "b.npz"},
        talk0003_speaker1={"motion": "c.npz"},
        talk0003_speaker2={"partner_motion": "d.npz"},
        talk0004_speaker1={"motion": "e.npz"},
        talk0004_speaker2={"partner_motion": "f.npz"},
    )
    bad = exp.copy()
    bad[3, 3] = np.inf
    files = {
        "a": npz(exp=exp),
        "b": npz(exp=bad, pose=pose),
        "c": npz(exp=exp[:, :49], pose=pose),
        "d": b"no arrays",
        "e": npz(exp=exp[:100], pose=pose),
        "f": npz(exp=exp[:, 0], pose=pose),
    }
    for name, data in files.items():
        (testset / f"{name}.npz").write_bytes(data)
    card = score(talks, tmp_path / "out", testset=testset)
    assert {name: video.reasons.get("dual.mse.exp") for name in TESTSET_REASONS if (video := of(card, name))} == (
        TESTSET_REASONS
    )


TESTSET_REASONS = {
    "talk0001_speaker1": "no_partner_motion",
    "talk0001_speaker2": "no_reference_motion",
    "talk0002_speaker1": "reference_motion_lacks_array",
    "talk0002_speaker2": "partner_motion_not_finite",
    "talk0003_speaker1": "reference_motion_unusable",
    "talk0003_speaker2": "partner_motion_unreadable",
    "talk0004_speaker1": "reference_motion_unusable",
    "talk0004_speaker2": "partner_motion_unusable",
    "talk0005_speaker1": None,
    "talk0005_speaker2": None,
}


def outcome(name, frames, **parts):
    rng = np.random.default_rng(frames)
    made = {
        feature: {
            "exp": rng.normal(size=(frames, 50)),
            "jaw": rng.normal(size=(frames, 3)),
            "pose": rng.normal(size=(frames, 3)),
        }
        for feature in ("dual_motion", "dual_motion_reference", "dual_motion_partner")
    }
    return metric_registry()[name].compute(made)


@pytest.mark.parametrize(
    ("frames", "without"),
    [(1, {"fd", "pfd", "sts", "sid", "sid_official"}), (39, {"sid", "sid_official"}), (50, set()), (101, set())],
)
def test_short_files_have_the_numbers_that_they_can_have(frames, without):
    lacking = {family for family in FAMILIES if outcome(f"dual.{family}.exp", frames).value is None}
    assert lacking == without
    for family in without:
        assert outcome(f"dual.{family}.exp", frames).reason == "too_few_frames"
    events = {event.kind for family in FAMILIES for event in outcome(f"dual.{family}.exp", frames).events}
    assert ("short_sequence" in events) == (1 < frames <= 100)
    assert ("without_full_rank" in events) == (1 < frames <= 100)


def test_without_scikit_learn_sid_says_what_to_install(monkeypatch):
    monkeypatch.setattr("evalkit.metrics.dual.clusters.find_spec", lambda name: None)
    found = outcome("dual.sid.jaw", 50)
    assert found.reason == "no_scikit_learn"
    assert "extra 'motion'" in found.events[0].detail
    assert outcome("dual.fd.jaw", 50).value is not None


def test_the_preset_prints_the_papers_numbers_by_their_factors():
    challenge = load_challenge("dualtalk")
    assert challenge.submission.kind == "motion"
    published = {entry.id: entry.published_as for entry in challenge.metrics if entry.published_as}
    assert len(published) == 18
    for name, text in published.items():
        factor = int(text.partition(" x ")[2] or 1)
        assert (f"print {factor} times" in metric_registry()[name].record.notes) == (factor != 1), name


def test_conversations_are_the_same_again_and_their_speakers_answer_each_other(tmp_path):
    one, two = (Conversations(tmp_path / name, seed=1, count=2, seconds=8.0) for name in ("a", "b"))
    for options in (one, two):
        write_conversations(options)
    files = sorted(file.name for file in (tmp_path / "a").iterdir())
    assert len(files) == 5
    assert all((tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes() for name in files)
    (_, first), (_, second) = conversation(one, 1)
    assert first.shape == (200, 6)
    assert np.corrcoef(first[:, 3], second[:, 3])[0, 1] < -0.2  # one jaw moves while the other rests
    with pytest.raises(UsageError, match="Choose another folder"):
        write_conversations(one)
    with pytest.raises(UsageError, match="out of range"):
        Conversations(tmp_path, seconds=0.1)


def test_the_command_makes_them(tmp_path):
    done = CliRunner().invoke(
        cli, ["testset", "make", str(tmp_path / "t"), "--kind", "conversation", "-n", "1", "--seconds", "2", "--json"]
    )
    assert done.exit_code == 0, done.output
    assert json.loads(done.output)["samples"] == 2
    assert [sample.partner_motion for sample in load_testset(tmp_path / "t")] == [
        "talk0001_speaker2.npz",
        "talk0001_speaker1.npz",
    ]
    refused = CliRunner().invoke(
        cli, ["testset", "make", str(tmp_path / "u"), "--kind", "conversation", "--takes", "2"]
    )
    assert refused.exit_code == 2
    assert "--takes" in refused.output
