"""What a run will need, settled before anything is decoded."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from evalkit.challenges.model import Challenge
from evalkit.errors import ChallengeError, PluginError, TestSetError, UsageError, WeightsError
from evalkit.metrics.base import Metric, MetricRecord, VideoValue, metric_registry, resolve_metric
from evalkit.metrics.features.base import Extractor, FeatureRecord, feature_registry, in_order
from evalkit.scoring import plan as planning
from evalkit.scoring.plan import kinds_read, make_plan, require_references
from evalkit.testsets.model import Sample, TestSet
from evalkit.validators import gaming
from evalkit.weights.manifest import Backbones, load_backbones

NOTHING = Backbones(name="nothing", title="no weights at all", roles={})


def challenge(*metrics: str | dict[str, Any]) -> Challenge:
    entries = [{"id": metric} if isinstance(metric, str) else metric for metric in metrics]
    return Challenge.model_validate({"schema": 1, "id": "mine", "title": "Mine", "metrics": entries})


class Planted(Metric):
    """A third party's metric over given features."""

    def __init__(self, name: str, *features: str) -> None:
        self.record = MetricRecord(
            id=name,
            title=name,
            summary="Planted.",
            higher_is_better=True,
            range=(0, 1),
            features=features,
            citation="none",
        )

    def compute(self, features):
        return VideoValue(0.5)


def extractor(name: str, **record: Any) -> type[Extractor]:
    class Kind(Extractor):
        def open(self, item, upstream):
            raise NotImplementedError

    Kind.record = FeatureRecord(name, 1, name, **record)
    return Kind


@pytest.fixture
def plant(monkeypatch):
    """Register more metrics and features for one test."""

    def add(metrics: list[Metric], features: list[type[Extractor]]) -> None:
        known, made = metric_registry(), feature_registry()
        monkeypatch.setattr(
            planning, "metric_registry", lambda: {**known, **{metric.record.id: metric for metric in metrics}}
        )
        monkeypatch.setattr(
            planning, "feature_registry", lambda: {**made, **{kind.record.name: kind for kind in features}}
        )

    return add


def test_names_and_aliases_in_the_order_asked_for():
    plan = make_plan(challenge(), NOTHING, names=["ssim", "psnr.rgb", "psnr", "duration", "ssim.gray"])
    assert list(plan.metrics) == ["ssim.gray", "psnr.rgb", "video.duration"]
    assert plan.features == ("paired_pixels", "paired_ssim_gray", "filmstrip", "fingerprint")
    assert plan.unavailable == {}
    assert plan.weights == {}
    assert set(plan.records) == set(plan.features)


def test_facts_are_no_feature_to_extract():
    assert make_plan(challenge(), NOTHING, names=["fps"]).features == ("filmstrip", "fingerprint")


def test_every_alias_means_one_metric():
    registry = metric_registry()
    for name, metric in registry.items():
        assert resolve_metric(name, registry) == name
        for alias in metric.record.aliases:
            assert resolve_metric(alias, registry) == name


@pytest.mark.parametrize(("wrong", "right"), [("psrn", "psnr"), ("ssim.grey", "ssim.gray"), ("identiy", "identity")])
def test_an_unknown_name_suggests_the_nearest(wrong, right):
    with pytest.raises(UsageError, match=rf"no metric '{wrong}'\. Did you mean '{right}'\?") as caught:
        make_plan(challenge(), NOTHING, names=["psnr", wrong])
    assert caught.value.exit_code == 2
    assert "metrics list" in caught.value.fix


def test_a_name_like_no_other_suggests_nothing():
    with pytest.raises(UsageError) as caught:
        make_plan(challenge(), NOTHING, names=["qqqqqq"])
    assert "Did you mean" not in str(caught.value)


def test_all_missing_weights_are_named_at_once(tmp_path, monkeypatch, backbones):
    monkeypatch.setenv("EVALKIT_WEIGHTS", str(tmp_path))
    with pytest.raises(WeightsError) as caught:
        make_plan(
            challenge(), load_backbones(backbones), names=["identity", "psnr", "identity.consisid.arc", "brisque"]
        )
    assert caught.value.exit_code == 4
    told = str(caught.value)
    files = ["scrfd_500m_kps.onnx", "yunet_n_640_640.onnx", "face_embedder_mobilefacenet.onnx", "brisque_allmodel"]
    for file in [*files, "brisque_allrange"]:
        assert told.count(f"'{file}'") == 1
    first, *lines, last = told.splitlines()
    assert str(tmp_path) in first
    assert len(lines) == 5
    assert all("licence: " in line for line in lines)
    pull = "evalkit weights pull face_detector face_detector_second arcface brisque_model brisque_range -"
    assert pull in last
    assert "evalkit weights import FOLDER" in last
    assert "--allow-missing" in last


def test_a_wrong_file_is_told_beside_the_missing_ones(plant, tmp_path, monkeypatch):
    monkeypatch.setenv("EVALKIT_WEIGHTS", str(tmp_path))
    backbones = own_weights(tmp_path, {"one": {}, "two": {}, "three": {}})
    plant([Planted("x.y", "base")], [extractor("base", weights=("one", "two", "three"))])
    (tmp_path / "one").write_bytes(b"something else")
    (tmp_path / "two").unlink()
    with pytest.raises(WeightsError) as one_of_each:
        make_plan(challenge(), backbones, names=["x.y"])
    assert "not the pinned one" in str(one_of_each.value)
    assert "'two' (two of the backbones 'own')" in str(one_of_each.value)
    (tmp_path / "three").unlink()
    with pytest.raises(WeightsError) as several:
        make_plan(challenge(), backbones, names=["x.y"])
    assert "not the pinned one" in str(several.value)
    assert "2 weights files of the backbones 'own'" in str(several.value)


def test_missing_weights_may_be_left_out(tmp_path, monkeypatch, backbones):
    monkeypatch.setenv("EVALKIT_WEIGHTS", str(tmp_path))
    plan = make_plan(challenge(), load_backbones(backbones), names=["identity", "psnr", "brisque"], allow_missing=True)
    assert list(plan.metrics) == ["psnr.rgb"]
    assert plan.unavailable == {
        "identity.strict.arc": "weights_missing:face_detector",
        "iqa.brisque": "weights_missing:brisque_model",
    }
    assert plan.features == ("paired_pixels", "filmstrip", "fingerprint")
    assert plan.weights == {}


def test_backbones_without_a_role_are_missing_it():
    with pytest.raises(WeightsError, match="have no 'face_detector'"):
        make_plan(challenge(), NOTHING, names=["identity"])
    plan = make_plan(challenge(), NOTHING, names=["identity"], allow_missing=True)
    assert plan.unavailable == {"identity.strict.arc": "weights_missing:face_detector"}


def own_weights(folder, options: dict[str, dict[str, Any]]) -> Backbones:
    roles = {}
    for role, more in options.items():
        (folder / role).write_bytes(role.encode())
        roles[role] = {"file": role, "sha256": hashlib.sha256(role.encode()).hexdigest(), "licence": "none", **more}
    return Backbones.model_validate({"name": "own", "title": "Own", "roles": roles})


def test_the_weights_of_the_features_and_no_others(plant, tmp_path, monkeypatch):
    monkeypatch.setenv("EVALKIT_WEIGHTS", str(tmp_path))
    backbones = own_weights(tmp_path, {"one": {"options": {"size": 7}}, "two": {}, "spare": {}, "unused": {}})
    plant(
        [Planted("x.y", "deep")],
        [
            extractor("base", weights=("one",), optional_weights=("spare", "absent")),
            extractor("deep", needs=("base",), weights=("two",)),
            extractor("other", weights=("unused",)),
        ],
    )
    plan = make_plan(challenge(), backbones, names=["x.y"])
    assert plan.features == ("base", "deep", "filmstrip", "fingerprint")
    assert sorted(plan.weights) == ["one", "spare", "two"]
    assert plan.weights["one"].options == {"size": 7}
    assert plan.weights["one"].sha256 == hashlib.sha256(b"one").hexdigest()
    assert plan.weights["two"].path == tmp_path / "two"
    (tmp_path / "spare").unlink()  # the manifest has it, so it must be there
    with pytest.raises(WeightsError, match="'spare'"):
        make_plan(challenge(), backbones, names=["x.y"])


def test_what_is_trusted_on_first_use_is_not_pinned(plant, tmp_path, monkeypatch):
    """TorchScript is loaded from a pinned digest only, so the plan says which digests the manifest pins."""
    monkeypatch.setenv("EVALKIT_WEIGHTS", str(tmp_path))
    backbones = own_weights(tmp_path, {"one": {}, "two": {"sha256": None}})
    plant([Planted("x.y", "base")], [extractor("base", weights=("one", "two"))])
    weights = make_plan(challenge(), backbones, names=["x.y"]).weights
    assert weights["one"].pin == hashlib.sha256(b"one").hexdigest()
    assert weights["two"].sha256 == hashlib.sha256(b"two").hexdigest()
    assert weights["two"].pin is None


def test_a_wrong_weights_file_stops_the_run(plant, tmp_path, monkeypatch):
    monkeypatch.setenv("EVALKIT_WEIGHTS", str(tmp_path))
    backbones = own_weights(tmp_path, {"one": {}})
    plant([Planted("x.y", "base")], [extractor("base", weights=("one",))])
    (tmp_path / "one").write_bytes(b"something else")
    with pytest.raises(WeightsError, match="not the pinned one"):
        make_plan(challenge(), backbones, names=["x.y"])


def test_a_challenges_metrics_that_are_not_installed_have_a_reason():
    plan = make_plan(challenge("psnr.rgb", "fid.of.tomorrow", "video.fps"), NOTHING)
    assert list(plan.metrics) == ["psnr.rgb", "video.fps"]
    assert plan.unavailable == {"fid.of.tomorrow": "metric_not_installed"}


def test_a_challenge_names_metrics_by_their_ids():
    with pytest.raises(ChallengeError) as caught:
        make_plan(challenge("psnr", "ssim", "psnr.rgb"), NOTHING)
    assert str(caught.value).splitlines() == [
        "The challenge mine calls metrics by short names.",
        "'metrics.0.id': 'psnr' is a short name. Write 'psnr.rgb'; it is listed too, so remove 'psnr'.",
        "'metrics.1.id': 'ssim' is a short name. Write 'ssim.gray'.",
    ]


def test_a_challenge_without_metrics_gets_all(plant):
    assert set(make_plan(challenge(), NOTHING, allow_missing=True).metrics) | {
        "identity.strict.arc",
        "iqa.brisque",
    } <= set(metric_registry())
    everything = make_plan(challenge(), NOTHING, allow_missing=True)
    extractors = feature_registry()
    of_videos = {name for name, one in metric_registry().items() if "video" in kinds_read(one, extractors)}
    assert set(everything.metrics) | set(everything.unavailable) == of_videos


def test_named_metrics_replace_the_challenges():
    assert list(make_plan(challenge("psnr.rgb", "nobody.knows"), NOTHING, names=["fps"]).metrics) == ["video.fps"]


def test_a_feature_that_nobody_registers(plant):
    plant([Planted("x.y", "nowhere")], [])
    with pytest.raises(PluginError, match=r"'x\.y' needs the feature 'nowhere'") as caught:
        make_plan(challenge(), NOTHING, names=["x.y"])
    assert caught.value.exit_code == 4
    plant([Planted("x.z", "half")], [extractor("half", needs=("nowhere",))])
    with pytest.raises(PluginError, match=r"'x\.z' needs the feature 'nowhere'"):
        make_plan(challenge(), NOTHING, names=["x.z"])


@pytest.mark.parametrize("circle", [["a"], ["a", "b"], ["a", "b", "c"]])
def test_features_that_need_each_other(plant, circle):
    kinds = [extractor(name, needs=(after,)) for name, after in zip(circle, [*circle[1:], circle[0]], strict=True)]
    plant([Planted("x.y", "a")], kinds)
    with pytest.raises(PluginError, match="circle") as caught:
        make_plan(challenge(), NOTHING, names=["x.y"])
    assert " -> ".join([*circle, "a"]) in str(caught.value)


def test_features_come_after_what_they_need():
    kinds = {
        kind.record.name: kind
        for kind in (
            extractor("a", needs=("z", "m")),
            extractor("m", needs=("z",)),
            extractor("z"),
            extractor("b"),
        )
    }
    assert in_order(["a", "b", "a"], kinds) == ["z", "m", "a", "b"]
    assert in_order([], kinds) == []
    with pytest.raises(KeyError):
        in_order(["nowhere"], kinds)


def test_the_filmstrip_is_planned_once(plant):
    plant([Planted("x.y", "filmstrip")], [])
    assert make_plan(challenge(), NOTHING, names=["x.y"]).features == ("filmstrip", "fingerprint")


def plan_for(plant: Any, *inputs: str) -> planning.RunPlan:
    plant([Planted("x.y", "f")], [extractor("f", inputs=frozenset(inputs))])
    return make_plan(challenge(), NOTHING, names=["x.y"])


@pytest.mark.parametrize("part", ["reference_images", "reference_video", "audio"])
def test_a_reference_that_is_not_there_names_sample_and_file(plant, tmp_path, part):
    for name in ("there.png", "there.mp4", "there.wav"):
        (tmp_path / name).touch()
    whole = {"reference_images": ("there.png",), "reference_video": "there.mp4", "audio": "there.wav"}
    hole = {"reference_images": ("there.png", "gone.png"), "reference_video": "gone.mp4", "audio": "gone.wav"}
    testset = TestSet(
        tmp_path,
        (Sample(id="first", **whole), Sample(id="second", **{**whole, part: hole[part]}), Sample(id="third")),
    )
    with pytest.raises(TestSetError) as caught:
        require_references(testset, plan_for(plant, "video", part))
    told = str(caught.value)
    assert "'second'" in told
    assert str(tmp_path / "gone") in told
    assert "--metrics" in caught.value.fix
    assert caught.value.exit_code == 1
    # Whoever doesn't read the file doesn't miss it.
    others = {"reference_images", "reference_video", "audio"} - {part}
    require_references(testset, plan_for(plant, "video", *others))
    require_references(TestSet(tmp_path, testset.samples[:1]), plan_for(plant, "video", part))


def test_a_folder_is_no_reference_file(plant, tmp_path):
    (tmp_path / "folder.mp4").mkdir()
    testset = TestSet(tmp_path, (Sample(id="one", reference_video="folder.mp4"),))
    with pytest.raises(TestSetError, match="'one'"):
        require_references(testset, plan_for(plant, "reference_video"))


def test_two_plugins_may_not_share_a_name(monkeypatch):
    from evalkit.metrics import base

    def registry(*metrics: Metric) -> dict[str, Metric]:
        monkeypatch.setattr(base, "load_group", lambda group: [(f"pack {n}", m) for n, m in enumerate(metrics)])
        return base.metric_registry()

    def named(name: str, *aliases: str) -> Planted:
        metric = Planted(name)
        metric.record = MetricRecord(
            id=name,
            title=name,
            summary="Planted.",
            higher_is_better=True,
            range=(0, 1),
            features=(),
            citation="none",
            aliases=aliases,
        )
        return metric

    assert sorted(registry(named("a.x", "a"), named("a.y", "ay"))) == ["a.x", "a.y"]
    for clash in (
        (named("a.x"), named("a.x")),
        (named("a.x", "a"), named("a.y", "a")),
        (named("a.x"), named("b.x", "a.x")),
    ):
        with pytest.raises(PluginError, match="Two plugins") as caught:
            registry(*clash)
        assert caught.value.found == "pack 0 and pack 1"
        assert caught.value.exit_code == 4


def test_device_and_backbones_are_kept():
    plan = make_plan(challenge("psnr.rgb"), NOTHING, device="cuda")
    assert plan.device == "cuda"
    assert plan.backbones is NOTHING


def test_the_fingerprint_is_left_out_when_every_rule_that_reads_it_is_off():
    def rules(**severities: str) -> Challenge:
        return challenge().model_copy(
            update={"submission": challenge().submission.model_copy(update={"severities": severities})}
        )

    off = {rule.id: "off" for rule in gaming.RULES}
    assert make_plan(rules(**off), NOTHING, names=["fps"]).features == ("filmstrip",)
    one_left = {**off, "gaming.overlay": "info"}
    assert make_plan(rules(**one_left), NOTHING, names=["fps"]).features == ("filmstrip", "fingerprint")


def test_faces_are_looked_at_for_stillness_where_a_metric_has_them_looked_for():
    bundled = load_backbones("bundled")
    asked = make_plan(challenge(), bundled, names=["identity.strict.arc"])
    assert asked.features[-2:] == ("fingerprint", "face_stillness") and "faces" in asked.features
    assert "face_stillness" in asked.people_features, "no face is looked for in videos without people"
    assert "face_stillness" not in make_plan(challenge(), bundled, names=["psnr"]).features
    off = {rule.id: "off" for rule in gaming.RULES}
    rules = challenge().submission.model_copy(update={"severities": off})
    silent = make_plan(challenge().model_copy(update={"submission": rules}), bundled, names=["identity.strict.arc"])
    assert "face_stillness" not in silent.features
