"""The CLIP features from file and text to arrays, on small random networks; and whole runs with them."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import shapes
import yaml
from clip_checkpoint import SMALL_MERGES, TINY, as_published, random_state, write_archive, write_vocabulary
from clip_tools import number_of, numbered, picture_of
from numpy.typing import NDArray
from PIL import Image

from evalkit import api
from evalkit.challenges.model import load_challenge, preset_ids
from evalkit.errors import WeightsError
from evalkit.media.encode import write_video
from evalkit.media.inspect import inspect_media
from evalkit.metrics.clip import clipscore, image_similarity
from evalkit.metrics.clip import embeddings as clip_embeddings
from evalkit.metrics.clip import prompts as clip_prompts
from evalkit.metrics.clip.embeddings import BASE, LARGE
from evalkit.metrics.clip.prompts import VOCABULARY
from evalkit.metrics.features import stopwatch
from evalkit.metrics.features.base import Extractor, FeatureUnavailableError, Item, WeightFile
from evalkit.metrics.networks.clip import ClipEncoder, middle_square, unrounded_square
from evalkit.metrics.networks.tokenizer import Tokenizer
from evalkit.weights.manifest import load_backbones

FEATURES = (*clip_embeddings.FEATURES, *clip_prompts.FEATURES)
BY_NAME = {kind.record.name: kind for kind in FEATURES}
FRAME_FEATURES = ("clip_frames", "clip_frames_consisid", "clip_frames_l14")
Arrays = dict[str, NDArray]


@dataclass(frozen=True)
class Weights:
    """Two networks in OpenAI's form and a vocabulary, in a folder, and the manifest that pins them."""

    folder: Path
    files: dict[str, WeightFile]
    manifest: Path

    def network(self, role: str) -> ClipEncoder:
        return ClipEncoder(self.files[role].path, sha256=self.files[role].sha256)

    def tokenizer(self) -> Tokenizer:
        return Tokenizer(self.files[VOCABULARY].path)

    def extractor(self, name: str) -> Extractor:
        return BY_NAME[name]({role: self.files[role] for role in BY_NAME[name].record.weights})


@pytest.fixture(scope="module")
def clip_weights(tmp_path_factory) -> Weights:
    folder = tmp_path_factory.mktemp("clip_weights")
    digests = {
        role: write_archive(folder / f"{role}.pt", as_published(random_state(TINY, seed), TINY))
        for seed, role in enumerate((BASE, LARGE))
    }
    content = write_vocabulary(folder / f"{VOCABULARY}.pt").read_bytes()
    digests[VOCABULARY] = hashlib.sha256(content).hexdigest()
    files = {role: WeightFile(role, folder / f"{role}.pt", digest) for role, digest in digests.items()}
    roles = {role: {"file": file.path.name, "sha256": file.sha256, "licence": "none"} for role, file in files.items()}
    manifest = folder / "small.yaml"
    manifest.write_text(yaml.safe_dump({"name": "small-clip", "title": "random", "roles": roles}))
    return Weights(folder, files, manifest)


def write_numbered(path: Path, count: int) -> Path:
    """Write a video whose frames carry their numbers; resized to 64 they are 95 wide, an odd margin."""
    write_video(path, numbered(count, 66, 98), 25, crf=0, preset="ultrafast")
    return path


def read(weights: Weights, name: str, item: Item) -> Arrays:
    session = weights.extractor(name).open(item, {})
    if name in FRAME_FEATURES:
        assert inspect_media(item.video, [session]).complete
    return session.finish()


def same(ours: NDArray, expected: NDArray, rel: float = 1e-5) -> bool:
    return ours.shape == expected.shape and np.abs(ours - expected).max() <= rel * np.abs(expected).max()


# --- frames ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [1, 5, 16, 40])
@pytest.mark.parametrize("name", FRAME_FEATURES)
def test_the_frames_are_those_of_the_definition(clip_weights, tmp_path, name, count):
    """linspace, or int(i*N/16); each frame looked at once, prepared as its reference does."""
    seen: list[NDArray[np.uint8]] = []
    path = write_numbered(tmp_path / "v.mp4", count)
    session = clip_weights.extractor(name).open(Item("s", path), {})
    real = session.frame
    session.frame = lambda index, time, rgb: (seen.append(rgb.copy()), real(index, time, rgb))
    assert inspect_media(path, [session]).complete
    made = session.finish()
    if name == "clip_frames_consisid":
        picks = [int(i * count / 16) for i in range(16)]
    else:
        picks = np.round(np.linspace(0, count - 1, 16)).astype(int).tolist()
    looked = sorted(set(picks))
    assert [number_of(rgb) for rgb in seen] == looked
    assert [looked[row] for row in made["row"]] == picks
    network = clip_weights.network(LARGE if name.endswith("l14") else BASE)
    crop = "openai" if name == "clip_frames" else "transformers"
    squares = [
        middle_square(rgb[:, :, ::-1] if name == "clip_frames_consisid" else rgb, TINY.side, crop) for rgb in seen
    ]
    assert same(made["embedding"], network.embed_images(squares))
    assert made["embedding"].dtype == np.float32


def test_vbench_sees_every_frame_unrounded(clip_weights, tmp_path):
    path = write_numbered(tmp_path / "v.mp4", 20)
    seen: list[NDArray[np.uint8]] = []
    session = clip_weights.extractor("clip_frames_vbench").open(Item("s", path), {})
    real = session.frame
    session.frame = lambda index, time, rgb: (seen.append(rgb.copy()), real(index, time, rgb))
    assert inspect_media(path, [session]).complete
    made = session.finish()
    assert [number_of(rgb) for rgb in seen] == list(range(20))
    assert made["row"].tolist() == list(range(20))
    squares = [unrounded_square(rgb, TINY.side) for rgb in seen]
    assert same(made["embedding"], clip_weights.network(BASE).embed_images(squares))


def test_the_ways_to_prepare_differ(clip_weights, tmp_path):
    """Crop, order of channels and network each leave a trace, so that none can be mixed up unseen."""
    rng = np.random.default_rng(0)
    small = Image.fromarray(rng.integers(0, 256, (6, 9, 3), dtype=np.uint8))
    picture = np.asarray(small.resize((94, 64), Image.Resampling.BICUBIC))
    path = tmp_path / "v.mp4"
    write_video(path, [picture] * 3, 25, crf=0, preset="ultrafast")
    one, two, three = (read(clip_weights, name, Item("s", path))["embedding"] for name in FRAME_FEATURES)
    assert not same(one, two, rel=1e-2)
    assert not same(one, three, rel=1e-2)


def test_a_session_starts_over_and_an_empty_one_says_so(clip_weights):
    session = clip_weights.extractor("clip_frames").open(Item("s", Path("v.mp4")), {})
    for _ in range(2):
        mask = session.plan(np.arange(3) / 25)
        for index in np.flatnonzero(mask):
            session.frame(int(index), 0.0, picture_of(int(index)))
    assert session.finish()["embedding"].shape == (3, TINY.dimension)
    assert not session.plan(np.empty(0)).any()
    with pytest.raises(FeatureUnavailableError, match="no_frame"):
        session.finish()


# --- text --------------------------------------------------------------------------------------------------------


def test_the_prompt_is_read_in_both_forms(clip_weights):
    made = read(clip_weights, "clip_text", Item("s", Path("v.mp4"), text="hello {0} bab"))
    tokens = clip_weights.tokenizer().tokens(["hello {0} bab", "A photo depicts hello {0} bab"])
    assert same(made["embedding"], clip_weights.network(BASE).embed_texts(tokens.numbers))
    # start, hello, {, 0, }, b, ab</w>, end; and the letters of "a", "photo", "depicts"
    assert made["tokens"].tolist() == [8, 8 + 1 + 5 + 7]
    assert not same(made["embedding"][0], made["embedding"][1], rel=1e-2)
    large = read(clip_weights, "clip_text_l14", Item("s", Path("v.mp4"), text="hello {0} bab"))
    assert same(large["embedding"], clip_weights.network(LARGE).embed_texts(tokens.numbers[:1]))
    assert large["tokens"].tolist() == [8]


@pytest.mark.parametrize("text", [None, "", " \n\t"])
@pytest.mark.parametrize("name", ["clip_text", "clip_text_l14"])
def test_a_sample_without_text_says_so(clip_weights, name, text):
    with pytest.raises(FeatureUnavailableError, match="no_text"):
        clip_weights.extractor(name).open(Item("s", Path("v.mp4"), text=text), {})


def test_another_networks_vocabulary_is_told(clip_weights, tmp_path):
    path = write_vocabulary(tmp_path / "other.gz", SMALL_MERGES[:-1])
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    with pytest.raises(WeightsError, match=r"is not that of .* Found 519 tokens; expected 520 tokens"):
        BY_NAME["clip_text"]({BASE: clip_weights.files[BASE], VOCABULARY: WeightFile(VOCABULARY, path, digest)})


# --- reference images --------------------------------------------------------------------------------------------


def test_reference_images_are_read_like_frames(clip_weights, tmp_path):
    pictures = [picture_of(3, 64, 98), picture_of(200, 80, 64)]
    for number, picture in enumerate(pictures):
        Image.fromarray(picture).save(tmp_path / f"{number}.png")
    images = tuple(sorted(tmp_path.glob("*.png")))
    made = read(clip_weights, "clip_reference", Item("s", Path("v.mp4"), reference_images=images))
    squares = [middle_square(picture, TINY.side, "openai") for picture in pictures]
    assert same(made["embedding"], clip_weights.network(BASE).embed_images(squares))


def test_missing_and_broken_reference_images_are_told(clip_weights, tmp_path):
    with pytest.raises(FeatureUnavailableError, match="no_reference_image"):
        read(clip_weights, "clip_reference", Item("s", Path("v.mp4")))
    Image.fromarray(picture_of(1)).save(tmp_path / "a.png")
    (tmp_path / "b.png").write_bytes(b"no image")
    images = (tmp_path / "a.png", tmp_path / "b.png")
    with pytest.raises(FeatureUnavailableError) as error:
        read(clip_weights, "clip_reference", Item("s", Path("v.mp4"), reference_images=images))
    assert (error.value.reason, error.value.detail) == (
        "reference_image_unreadable",
        "reference image 2 of 2 can't be read: a file of another format",
    )


# --- records and weights -----------------------------------------------------------------------------------------


def test_the_network_is_opened_once_for_all_its_features(clip_weights, monkeypatch):
    opened: list[Path] = []
    real = ClipEncoder.__init__

    def init(self, path, *args, **kwargs):
        opened.append(path)
        real(self, path, *args, **kwargs)

    monkeypatch.setattr(ClipEncoder, "__init__", init)
    digest = write_archive(clip_weights.folder / "again.pt", as_published(random_state(TINY, 9), TINY))
    fresh = {**clip_weights.files, BASE: WeightFile(BASE, clip_weights.folder / "again.pt", digest)}
    for name in ("clip_text", "clip_frames", "clip_frames_consisid", "clip_reference"):
        BY_NAME[name]({role: fresh[role] for role in BY_NAME[name].record.weights})
    assert opened == [clip_weights.folder / "again.pt"]


def test_an_archive_that_is_not_the_pinned_one_is_refused(clip_weights):
    file = clip_weights.files[BASE]
    with pytest.raises(WeightsError, match="not the pinned one"):
        BY_NAME["clip_frames"]({BASE: WeightFile(BASE, file.path, "0" * 64)})


def test_the_backbones_may_ask_for_a_lower_precision(clip_weights, tmp_path):
    file = clip_weights.files[BASE]
    lower = BY_NAME["clip_frames"]({BASE: WeightFile(BASE, file.path, file.sha256, {"precision": "bfloat16"})})
    item = Item("s", write_numbered(tmp_path / "v.mp4", 3))
    session = lower.open(item, {})
    inspect_media(item.video, [session])
    ours, full = session.finish()["embedding"], read(clip_weights, "clip_frames", item)["embedding"]
    assert same(ours, full, rel=0.1)
    assert not np.array_equal(ours, full)


def test_the_networks_time_is_counted(clip_weights, tmp_path):
    stopwatch.take()
    item = Item("s", write_numbered(tmp_path / "v.mp4", 2), text="hello")
    read(clip_weights, "clip_frames", item)
    read(clip_weights, "clip_text_l14", item)
    assert set(stopwatch.take()) == {BASE, LARGE}


def test_records_know_what_they_read():
    inputs = {name: kind.record.inputs for name, kind in BY_NAME.items()}
    assert inputs == {
        "clip_text": {"text"},
        "clip_text_l14": {"text"},
        "clip_reference": {"reference_images"},
        **{name: {"video"} for name in (*FRAME_FEATURES, "clip_frames_vbench")},
    }
    roles = load_backbones("published").roles
    assert all(role in roles for kind in FEATURES for role in kind.record.weights)
    options = [json.dumps(BY_NAME[name].record.options.as_dict(), sort_keys=True) for name in FRAME_FEATURES]
    assert len(set(options)) == 3


def test_listing_metrics_does_not_load_torch():
    code = (
        "import sys; import evalkit.metrics.clip.clipscore, evalkit.metrics.clip.prompts; "
        "sys.exit(any(name in sys.modules for name in ('torch', 'ftfy', 'regex')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# --- whole runs --------------------------------------------------------------------------------------------------

NAMES = tuple(metric.record.id for metric in (*clipscore.METRICS, *image_similarity.METRICS))


@pytest.fixture(scope="module")
def world(tmp_path_factory) -> Path:
    """Three samples with reference images, one of them with a very long text and one without; two teams."""
    root = tmp_path_factory.mktemp("world")
    shapes.write_testset(root / "testset", 3, 0.6, 96)
    lines = [json.loads(line) for line in (root / "testset/samples.jsonl").read_text().splitlines()]
    for number, line in enumerate(lines):
        Image.fromarray(picture_of(number, 96, 96)).save(root / "testset" / f"ref{number}.png")
        line["reference_images"] = [f"ref{number}.png"]
    lines[1]["text"] = "ab " * 100
    del lines[2]["text"]
    (root / "testset/samples.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    for team, strength in (("a", 0.5), ("b", 3.0)):
        shapes.write_submission(root / f"{team}.zip", 3, 0.6, shapes.blur(strength), 96)
    return root


def score(world: Path, weights: Weights, out: Path, team: str = "a", **options) -> dict:
    settings = {"workers": 1, "cache": out / "cache", "backbones": weights.manifest, "metrics": NAMES, **options}
    api.score(world / f"{team}.zip", "talking-head", world / "testset", out=out, **settings)
    return json.loads((out / "scorecard.json").read_text())


def test_a_run_scores_what_has_a_text_and_says_why_not(world, clip_weights, tmp_path, monkeypatch):
    monkeypatch.setenv("EVALKIT_WEIGHTS", str(clip_weights.folder))
    card = score(world, clip_weights, tmp_path / "one")
    videos = card["videos"]
    for name in ("clipscore.logits100", "clipscore.hessel", "clip.torchmetrics"):
        assert [video["values"][name] is None for video in videos] == [False, False, True]
        assert videos[2]["reasons"][name] == "no_text"
        assert card["metrics"][name]["n"] == 2
    for name in ("clip.frame_consistency", "clip.image_sim"):
        assert card["metrics"][name]["n"] == 3
        assert all(-1 <= video["values"][name] <= 1 for video in videos)
    cut = [[event["kind"] for event in video["events"]].count("text_truncated") for video in videos]
    assert cut[0] == cut[2] == 0
    assert cut[1] >= 1
    assert card["features"]["clip_frames"]["weights"] == [clip_weights.files[BASE].sha256]


def test_workers_and_cache_do_not_matter_and_texts_are_read_once(world, clip_weights, tmp_path, monkeypatch):
    monkeypatch.setenv("EVALKIT_WEIGHTS", str(clip_weights.folder))
    cache = tmp_path / "cache"
    one = score(world, clip_weights, tmp_path / "one", cache=cache)
    two = score(world, clip_weights, tmp_path / "two", workers=2)
    warm = score(world, clip_weights, tmp_path / "warm", cache=cache)
    for other in (two, warm):
        assert {**other, "timing": None} == {**one, "timing": None}
    assert warm["timing"]["networks"] == {}
    # Another team's videos of the same samples: frames are new, texts and reference images are not.
    before = {path.relative_to(cache) for path in cache.rglob("*") if path.is_file()}
    score(world, clip_weights, tmp_path / "b", team="b", cache=cache)
    added = {path.relative_to(cache) for path in cache.rglob("*") if path.is_file()} - before
    features = {part for path in added for part in path.parts if part.startswith("clip_")}
    assert features == set(FRAME_FEATURES)


def test_presets_find_their_metrics():
    wanted = {metric.id for preset in preset_ids() for metric in load_challenge(preset).metrics}
    ours = {name for name in wanted if name.startswith(("clip.", "clipscore."))}
    assert ours == {"clipscore.logits100", "clipscore.hessel", "clip.image_sim"}
    assert ours <= set(NAMES)
