"""FVD and KVD as metrics over a set, and the clips that they read, with a planted network."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy.linalg import sqrtm

from evalkit.errors import InputError
from evalkit.media import decode
from evalkit.media.encode import write_video
from evalkit.media.inspect import inspect_media
from evalkit.metrics.base import FeatureData, VideoInputs, metric_registry, resolve_metric, unscored
from evalkit.metrics.distances import fvd, kvd
from evalkit.metrics.embeddings.clips import FEATURES, open_network
from evalkit.metrics.features.base import FeatureUnavailableError, Item, WeightFile

EVERY = (*fvd.METRICS, *kvd.METRICS)
METRICS = {metric.record.id: metric for metric in EVERY}
FVD, UNBIASED, CLIPS = (METRICS[name] for name in ("fvd.styleganv", "fvd.styleganv.ddof1", "fvd.styleganv.clips"))
KVD = METRICS["kvd.styleganv"]
D = 6


# --- features ----------------------------------------------------------------------------------------------------


class PlantedNetwork:
    """Says the mean grey of each frame of a clip."""

    def prepare(self, rgb):
        return rgb.mean(dtype=np.float32)

    def embed(self, frames):
        assert len(frames) == 16
        return np.array(frames, dtype=np.float32)


@pytest.fixture
def network(monkeypatch):
    for kind in FEATURES:
        monkeypatch.setattr(kind, "open_network", staticmethod(lambda *_: PlantedNetwork()))


def extractor(name):
    kind = next(kind for kind in FEATURES if kind.record.name == name)
    return kind({role: WeightFile(role, Path("x.pt"), "0" * 64) for role in kind.record.weights})


def grey(number):
    return 40 + 3 * number


def clip(path: Path, count: int, fps: float = 25) -> Path:
    """Write a video whose frames grow brighter."""
    frames = (np.full((32, 48, 3), grey(number), dtype=np.uint8) for number in range(count))
    write_video(path, frames, fps, crf=0, preset="ultrafast")
    return path


def read(name, path, reference=None):
    session = extractor(name).open(Item("s", path, reference_video=reference), {})
    assert inspect_media(path, [session]).complete
    return session.finish()


@pytest.mark.parametrize("fps", [12.5, 25, 50])
@pytest.mark.parametrize("name", ["i3d", "i3d_state"])
def test_the_first_sixteen_frames_at_any_rate(network, tmp_path, name, fps):
    arrays = read(name, clip(tmp_path / "a.mp4", 40, fps))
    assert arrays["activation"].dtype == np.float32
    assert arrays["activation"] == pytest.approx(np.array([[grey(number) for number in range(16)]]), abs=1.5)
    assert arrays["row"].tolist() == [0]


def test_only_those_are_asked_for(network):
    session = extractor("i3d").open(Item("s", Path("x")), {})
    assert np.flatnonzero(session.plan(np.arange(40) / 25)).tolist() == list(range(16))
    assert not session.plan(np.arange(15) / 25).any()
    every = extractor("i3d_clips").open(Item("s", Path("x")), {})
    assert np.flatnonzero(every.plan(np.arange(40) / 25)).tolist() == list(range(32))


def test_all_clips_that_do_not_overlap(network, tmp_path):
    arrays = read("i3d_clips", clip(tmp_path / "a.mp4", 40))
    assert arrays["activation"] == pytest.approx(np.array([grey(n) for n in range(32)]).reshape(2, 16), abs=1.5)
    assert arrays["row"].tolist() == [0, 1]


@pytest.mark.parametrize("name", ["i3d", "i3d_clips", "i3d_state"])
@pytest.mark.parametrize("count", [15, 16])
def test_fifteen_frames_are_too_few(network, tmp_path, name, count):
    video, reference = clip(tmp_path / "a.mp4", count), clip(tmp_path / "b.mp4", count)
    if count == 16:
        assert len(read(name, video)["activation"]) == len(read(f"{name}_reference", video, reference)["row"]) == 1
        return
    for made, reason in ((name, "too_few_frames"), (f"{name}_reference", "reference_video_too_short")):
        with pytest.raises(FeatureUnavailableError) as short:
            read(made, video, reference)
        assert (short.value.reason, short.value.detail) == (reason, "15 frames; a clip has 16")


@pytest.mark.parametrize("name", ["i3d", "i3d_clips", "i3d_state"])
def test_the_reference_is_read_like_the_video(network, tmp_path, name):
    video, reference = clip(tmp_path / "a.mp4", 30), clip(tmp_path / "b.mp4", 35, 30)
    own = read(name, reference)
    arrays = read(f"{name}_reference", video, reference)
    assert set(arrays) == set(own)
    for key, array in own.items():
        assert np.array_equal(arrays[key], array)


def test_the_reference_is_decoded_no_further_than_needed(network, tmp_path, monkeypatch):
    decoded = []
    real = decode.iter_frames

    def count(path):
        for rgb in real(path):
            decoded.append(1)
            yield rgb

    monkeypatch.setattr(decode, "iter_frames", count)
    video = clip(tmp_path / "a.mp4", 50)
    read("i3d_reference", video, video)
    assert len(decoded) == 16
    read("i3d_clips_reference", video, video)
    assert len(decoded) == 16 + 48


def test_references_that_are_not_there_or_broken(network, tmp_path):
    kind = extractor("i3d_reference")
    with pytest.raises(FeatureUnavailableError) as missing:
        kind.open(Item("s", tmp_path / "a.mp4"), {})
    assert missing.value.reason == "no_reference_video"
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(clip(tmp_path / "b.mp4", 30).read_bytes()[:900])
    for path in (broken, tmp_path / "none.mp4"):
        with pytest.raises(FeatureUnavailableError) as unreadable:
            kind.open(Item("s", tmp_path / "a.mp4", reference_video=path), {}).finish()
        assert unreadable.value.reason == "reference_video_unreadable"


def test_a_session_starts_over_and_frames_that_do_not_come_are_told(network):
    session = extractor("i3d").open(Item("s", Path("x")), {})
    times = np.arange(20) / 25

    def show(level, count):
        session.plan(times)
        for index in range(count):
            session.frame(index, 0.0, np.full((4, 4, 3), level, dtype=np.uint8))

    show(9, 7)
    show(30, 16)
    assert session.finish()["activation"].tolist() == [[30] * 16]
    show(9, 15)
    with pytest.raises(FeatureUnavailableError) as lost:
        session.finish()
    assert (lost.value.reason, lost.value.detail) == (
        "too_few_frames",
        "15 of the 16 frames of its clips could be read",
    )


def test_frames_that_change_their_size_make_no_clip(network):
    session = extractor("i3d").open(Item("s", Path("x")), {})
    session.plan(np.arange(20) / 25)
    session.frame(0, 0.0, np.zeros((4, 6, 3), np.uint8))
    with pytest.raises(FeatureUnavailableError) as changed:
        session.frame(1, 0.0, np.zeros((6, 4, 3), np.uint8))
    assert changed.value.reason == "frame_size_changes"


class Opened:
    """A network that only knows how it was made."""

    def __init__(self, *arguments):
        self.arguments = arguments


@pytest.fixture
def opened(monkeypatch):
    from evalkit.metrics.networks import i3d_clips

    class Program(Opened):
        pass

    class States(Opened):
        pass

    monkeypatch.setattr(i3d_clips, "TorchScriptI3D", Program)
    monkeypatch.setattr(i3d_clips, "StateDictI3D", States)
    open_network.cache_clear()
    yield Program, States
    open_network.cache_clear()


def weights(role="i3d", sha256="0" * 64, **options):
    return WeightFile(role, Path("a.pt"), sha256, options)


def test_the_manifest_says_which_form_the_file_has(opened):
    program, states = opened
    assert isinstance(open_network(weights(), "cpu"), program), "the published file"
    made = open_network(weights(format="torchscript"), "cpu")
    assert isinstance(made, program)
    assert made.arguments[:3] == (Path("a.pt"), "0" * 64, "cpu"), "with its pinned digest"
    made = open_network(weights(format="state_dict"), "cpu")
    assert isinstance(made, states)
    assert made.arguments[:3] == (Path("a.pt"), "cpu", 0.001)
    made = open_network(weights("i3d_state", epsilon=0.00001), "cpu")
    assert isinstance(made, states)
    assert made.arguments[2] == 0.00001


def test_the_network_is_opened_once(opened):
    first = open_network(weights(), "cpu")
    assert open_network(weights(), "cpu") is first
    assert open_network(weights(sha256="1" * 64), "cpu") is not first
    assert open_network(weights(precision="bfloat16"), "cpu") is not first


@pytest.mark.parametrize(
    ("file", "found"),
    [
        (weights(format="onnx"), "format: onnx"),
        (weights("i3d_state", format="torchscript"), "format: torchscript"),  # its digest is not published
        (weights(format="state_dict", epsilon=0), "epsilon: 0"),
        (weights(format="state_dict", epsilon="small"), "epsilon: small"),
        (weights(precision="float8"), "precision: float8"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_options_that_can_not_be_are_told(opened, file, found):
    with pytest.raises(InputError) as refused:
        open_network(file, "cpu")
    assert refused.value.found == found


def test_records_know_what_they_read():
    by_name = {kind.record.name: kind.record for kind in FEATURES}
    for metric in EVERY:
        video, reference = (by_name[name] for name in metric.record.features)
        assert video.inputs == {"video"}
        assert reference.inputs == {"reference_video"}
        assert video.options == reference.options
        assert video.weights == reference.weights
    assert by_name["i3d"].options != by_name["i3d_clips"].options
    assert by_name["i3d"].weights != by_name["i3d_state"].weights
    registry = metric_registry()
    assert resolve_metric("fvd", registry) == "fvd.styleganv"
    assert resolve_metric("kvd", registry) == "kvd.styleganv"


def test_listing_metrics_does_not_load_torch():
    code = (
        "import sys; import evalkit.metrics.distances.fvd, evalkit.metrics.embeddings.clips; "
        "sys.exit(any(name in sys.modules for name in ('torch', 'scipy')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# --- metrics -----------------------------------------------------------------------------------------------------


def logits(rng, clips, shift=0.0):
    rows = rng.normal(size=(clips, D)).astype(np.float32) + np.float32(shift)
    return {"activation": rows, "row": np.arange(clips)}


def videos(metric, count=30, clips=1, extra=0, shift=0.5):
    """Return videos whose reference has ``extra`` more clips."""
    rng = np.random.default_rng(0)
    made = []
    for number in range(count):
        sides = (FeatureData(logits(rng, clips, shift)), FeatureData(logits(rng, clips + extra)))
        made.append(VideoInputs(f"s{number:02}", dict(zip(metric.record.features, sides, strict=True))))
    return made


def stacked(made, metric, clips=1):
    return [
        np.concatenate([video.features[name].arrays["activation"][:clips] for video in made]).astype(np.float64)
        for name in metric.record.features
    ]


def by_scipy(X, Y, ddof):
    """The distance by SciPy's matrix square root (docs/definitions/fid-kid.md#numerics), with the given covariance."""
    S, T = np.cov(X, rowvar=False, ddof=ddof), np.cov(Y, rowvar=False, ddof=ddof)
    return np.square(X.mean(0) - Y.mean(0)).sum() + np.trace(S) + np.trace(T) - 2 * np.trace(sqrtm(S @ T).real)


DIVISORS = {
    "fvd.styleganv": 0,
    "fvd.styleganv.ddof1": 1,
    "fvd.styleganv.clips": 0,
    "fvd.styleganv.unpaired": 0,
    "fvd.videogpt": 1,
    "fvd.cd_i3d": 0,
}


@pytest.mark.parametrize(("name", "ddof"), DIVISORS.items())
def test_fvd_is_the_frechet_distance_with_its_divisor(name, ddof):
    metric = METRICS[name]
    made = videos(metric)
    X, Y = stacked(made, metric)
    summary = metric.score_set(iter(made))
    assert summary.value == pytest.approx(by_scipy(X, Y, ddof), rel=1e-6)
    assert abs(summary.value / by_scipy(X, Y, 1 - ddof) - 1) > 1e-3
    assert (summary.n, summary.reason) == (30, None)
    assert summary.ci95[0] < summary.value < summary.ci95[1]
    assert (summary.details["n"], summary.details["n_reference"], summary.details["dimension"]) == (30, 30, D)


def test_every_frechet_variant_is_tested():
    assert set(DIVISORS) == {name for name in METRICS if name.startswith("fvd.")}


def test_kvd_is_the_mean_over_all_pairs():
    made = videos(KVD)
    X, Y = stacked(made, KVD)

    def kernel(x, y):
        return (float(x @ y) / D + 1) ** 3  # gamma 1/d, coefficient 1, degree 3

    n, m = len(X), len(Y)
    own = sum(kernel(X[i], X[j]) for i in range(n) for j in range(n) if i != j) / (n * (n - 1))
    reference = sum(kernel(Y[i], Y[j]) for i in range(m) for j in range(m) if i != j) / (m * (m - 1))
    between = sum(kernel(x, y) for x in X for y in Y) / (n * m)
    summary = KVD.score_set(iter(made))
    assert summary.value == pytest.approx(own + reference - 2 * between, rel=1e-9)
    assert summary.ci95[0] < summary.value < summary.ci95[1]
    assert KVD.score_set(videos(KVD, 1)).reason == "fewer_than_2_clips"


@pytest.mark.parametrize("metric", EVERY, ids=lambda metric: metric.record.id)
def test_equal_sets_and_order(metric):
    made = videos(metric)
    video, reference = metric.record.features
    same = [VideoInputs(v.sample, dict.fromkeys((video, reference), v.features[video])) for v in made]
    if not metric.record.id.startswith("kvd."):
        assert metric.score_set(same).value == pytest.approx(0, abs=1e-9)
    # The same clips under the names of other samples.
    swapped = [
        VideoInputs(v.sample, {video: v.features[video], reference: w.features[video]})
        for v, w in zip(made, made[::-1], strict=True)
    ]
    assert metric.score_set(swapped).value == pytest.approx(metric.score_set(same).value, abs=1e-9)
    straight = metric.score_set(made)
    for seed in range(3):
        mixed = metric.score_set([made[at] for at in np.random.default_rng(seed).permutation(30)])
        assert (mixed.value, mixed.ci95) == (straight.value, straight.ci95)


def test_of_each_pair_as_many_clips_are_kept_as_the_shorter_has():
    made = videos(CLIPS, clips=3, extra=2)
    for video in made:
        video.features["i3d_clips_reference"].arrays["activation"][3:] = 1e6  # would be seen
    summary = CLIPS.score_set(made)
    assert summary.value == pytest.approx(by_scipy(*stacked(made, CLIPS, 3), 0), rel=1e-6)
    assert (summary.n, summary.details["n"], summary.details["n_reference"]) == (30, 90, 90)


def test_few_clips_are_told():
    (note,) = FVD.score_set(videos(FVD, 4)).notes
    assert note.kind == "small_sample"
    assert note.detail.startswith(f"4 clips of {D} numbers: biased upwards")
    assert FVD.score_set(videos(FVD, 1)).reason == "too_few_clips"
    assert FVD.score_video(videos(FVD, 1)[0]) == unscored("number_of_the_set")


def test_a_video_without_a_clip_is_left_out_on_both_sides():
    made = videos(FVD)
    whole = FVD.score_set(made[1:])
    short = VideoInputs("s00", {**made[0].features, "i3d": FeatureData(None, "too_few_frames")})
    summary = FVD.score_set([short, *made[1:]])
    assert (summary.value, summary.n) == (whole.value, 29)
    gone = [VideoInputs("s", dict.fromkeys(FVD.record.features, FeatureData(None, "too_few_frames")))]
    assert FVD.score_set(gone).reason == "too_few_frames"
