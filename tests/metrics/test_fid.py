"""FID and KID as metrics over a set, paired and unpaired."""

import errno
import tempfile
from dataclasses import replace

import numpy as np
import pytest

from evalkit.errors import StorageError
from evalkit.metrics.base import FeatureData, VideoInputs, unscored
from evalkit.metrics.distances import fid, fvd, kvd, row_file, set_distance
from evalkit.metrics.distances import kid as kernel_distances
from evalkit.metrics.distances.distributions import frechet_bias, frechet_from_features, kid, whole_kernel_distance
from evalkit.metrics.distances.set_distance import KernelDistance

EVERY = (*fid.METRICS, *kernel_distances.METRICS)
METRICS = {metric.record.id: metric for metric in EVERY}
FID, KID = METRICS["fid.pytorch"], METRICS["kid.torchfidelity"]
D = 6


def activations(rng, frames, shift=0.0):
    distinct = rng.normal(size=(frames, D)).astype(np.float32) + np.float32(shift)
    return {"activation": distinct, "row": np.arange(frames)}


def videos(count=12, frames=8, extra=0, shift=0.5, features=FID.record.features):
    """Return videos whose reference has ``extra`` more frames."""
    rng = np.random.default_rng(0)
    made = []
    for number in range(count):
        own, reference = activations(rng, frames, shift), activations(rng, frames + extra)
        data = dict(zip(features, (FeatureData(own), FeatureData(reference)), strict=True))
        made.append(VideoInputs(f"s{number:02}", data))
    return made


def stacked(made, side):
    name = FID.record.features[side]
    return np.concatenate([v.features[name].arrays["activation"][v.features[name].arrays["row"]] for v in made])


def test_fid_is_the_frechet_distance_of_all_frames():
    made = videos()
    summary = FID.score_set(iter(made))
    assert summary.value == pytest.approx(frechet_from_features(stacked(made, 0), stacked(made, 1)), rel=1e-12)
    assert (summary.n, summary.reason) == (12, None)
    assert summary.ci95[0] < summary.value < summary.ci95[1]


def test_fid_of_equal_sets_is_zero():
    made = videos()
    same = [VideoInputs(v.sample, dict.fromkeys(FID.record.features, v.features["inception"])) for v in made]
    assert FID.score_set(same).value == pytest.approx(0, abs=1e-9)
    # The references of other samples: the same set in another order.
    swapped = [
        VideoInputs(v.sample, {"inception": v.features["inception"], "inception_reference": w.features["inception"]})
        for v, w in zip(made, made[::-1], strict=True)
    ]
    assert FID.score_set(swapped).value == pytest.approx(0, abs=1e-6)


def test_both_sides_end_with_the_shorter_one():
    longer = videos(extra=5)
    for video in longer:
        reference = video.features["inception_reference"].arrays
        reference["activation"][8:] = 1e6  # would be seen
    assert FID.score_set(longer).value < 100
    shorter = videos(frames=8, extra=-3)
    expected = frechet_from_features(
        np.concatenate([v.features["inception"].arrays["activation"][:5] for v in shorter]), stacked(shorter, 1)
    )
    assert FID.score_set(shorter).value == pytest.approx(expected, rel=1e-12)


def test_sixteen_frames_are_not_cut():
    metric = METRICS["fid.pytorch.uniform16"]
    made = videos(extra=5, features=metric.record.features)
    own, reference = (
        np.concatenate([v.features[name].arrays["activation"] for v in made]) for name in metric.record.features
    )
    assert metric.score_set(made).value == pytest.approx(frechet_from_features(own, reference), rel=1e-12)


UNPAIRED = (METRICS["fid.pytorch.unpaired"], next(m for m in fvd.METRICS if m.record.id == "fvd.styleganv.unpaired"))
unpaired = pytest.mark.parametrize("metric", UNPAIRED, ids=lambda metric: metric.record.id)


def arranged(metric, references, order):
    """Return videos of 8 vectors that name references of unequal length in this order; ``None`` names none."""
    names = metric.record.features
    rng = np.random.default_rng(1)
    lost = FeatureData(None, "no_reference_video")
    return [
        VideoInputs(
            f"s{number}",
            {
                names[0]: FeatureData(activations(rng, 8, 0.5)),
                names[1]: lost if at is None else FeatureData(references[at]),
            },
        )
        for number, at in enumerate(order)
    ]


@unpaired
def test_which_reference_a_sample_names_has_no_effect_on_unpaired_sets(metric):
    rng = np.random.default_rng(2)
    references = [activations(rng, 5 + 2 * number) for number in range(8)]
    straight = metric.score_set(arranged(metric, references, range(8)))
    everything = np.concatenate([reference["activation"] for reference in references])
    ours = np.concatenate(
        [v.features[metric.record.features[0]].arrays["activation"] for v in arranged(metric, references, range(8))]
    )
    assert straight.value == pytest.approx(frechet_from_features(ours, everything, ddof=metric._ddof), rel=1e-12)
    for order in (range(7, -1, -1), [3, 1, 4, 0, 5, 7, 2, 6]):
        assert metric.score_set(arranged(metric, references, order)) == straight
    if metric is UNPAIRED[0]:
        paired = [FID.score_set(arranged(FID, references, order)).value for order in (range(8), range(7, -1, -1))]
        assert paired[0] != pytest.approx(paired[1], rel=0.01)


@unpaired
def test_unpaired_sets_of_different_size_lose_nothing(metric):
    """8 generated against 6 real; with each side drawn on its own there is an interval too."""
    rng = np.random.default_rng(3)
    references = [activations(rng, 9) for _ in range(6)]
    summary = metric.score_set(arranged(metric, references, [*range(6), None, None]))
    assert (summary.n, summary.details["n"], summary.details["n_reference"]) == (8, 64, 54)
    assert summary.ci95 is not None
    note = summary.notes[-1]
    assert (note.kind, note.detail) == (
        "sets_differ_in_size", "8 videos against 6 references: no_reference_video (2)"
    )  # fmt: skip
    assert metric.score_set(arranged(metric, references, [None, 3, 5, None, 0, 4, 1, 2])).value == summary.value


@unpaired
def test_a_video_that_can_not_be_read_leaves_its_reference_in_unpaired_sets(metric):
    rng = np.random.default_rng(4)
    made = arranged(metric, [activations(rng, 9) for _ in range(4)], range(4))
    made[2].features[metric.record.features[0]].arrays["activation"][1, 1] = np.nan
    summary = metric.score_set(made)
    assert (summary.n, summary.details["n"], summary.details["n_reference"]) == (3, 24, 36)
    assert summary.notes[-1].detail == "3 videos against 4 references: activation_not_finite (1)"


@unpaired
def test_unpaired_sets_need_both_sides(metric):
    summary = metric.score_set(arranged(metric, [], [None, None]))
    assert (summary.value, summary.n, summary.reason) == (None, 0, "no_reference_video")


KERNELS = (METRICS["kid.whole.unpaired"], next(m for m in kvd.METRICS if m.record.id == "kvd.styleganv.unpaired"))


@pytest.mark.parametrize("metric", KERNELS, ids=lambda metric: metric.record.id)
def test_kernel_distances_of_unpaired_sets_are_over_all_pairs(metric):
    """8 generated against 6 real, by the formula over every vector, whichever reference a sample names."""
    rng = np.random.default_rng(3)
    references = [activations(rng, 5 + number, 0.2) for number in range(6)]
    made = arranged(metric, references, [*range(6), None, None])
    summary = metric.score_set(made)
    ours = np.concatenate([video.features[metric.record.features[0]].arrays["activation"] for video in made])
    theirs = np.concatenate([reference["activation"] for reference in references])
    assert summary.value == pytest.approx(whole_kernel_distance(ours, theirs), rel=1e-9)
    assert (summary.n, summary.details["n"], summary.details["n_reference"]) == (8, 64, sum(range(5, 11)))
    assert summary.ci95 is not None
    assert metric.score_set(arranged(metric, references, [None, 3, 5, None, 0, 4, 1, 2])) == summary


def test_subsets_of_unpaired_sets_are_drawn_from_all_vectors():
    """With 1000 vectors a side every subset is the whole set, so the mean over subsets is the whole distance."""
    metric = METRICS["kid.torchfidelity.unpaired"]
    rng = np.random.default_rng(5)
    references = [activations(rng, 100, 0.2) for _ in range(10)]
    names = metric.record.features
    made = [
        VideoInputs(f"s{n}", {names[0]: FeatureData(activations(rng, 125)), names[1]: FeatureData(references[n])})
        for n in range(8)
    ]
    alone = FeatureData(None, "missing")
    made += [VideoInputs(f"t{n}", {names[0]: alone, names[1]: FeatureData(references[n])}) for n in (8, 9)]
    summary = metric.score_set(made)
    ours = np.concatenate([video.features[names[0]].arrays["activation"] for video in made[:8]])
    theirs = np.concatenate([reference["activation"] for reference in references])
    assert summary.value == pytest.approx(whole_kernel_distance(ours, theirs), rel=1e-9)
    assert summary.details["deviation_of_subsets"] == pytest.approx(0.0, abs=1e-12)


def test_paired_sets_say_what_they_leave_out():
    rng = np.random.default_rng(3)
    summary = FID.score_set(arranged(FID, [activations(rng, 9) for _ in range(6)], [*range(6), None, None]))
    assert (summary.n, summary.details["n"]) == (6, 48)
    assert summary.notes[-1].kind == "videos_left_out"
    assert summary.notes[-1].detail == "2 of 8 videos are left out of both sides: no_reference_video (2)"


def test_a_frame_shown_twice_counts_twice():
    made = videos()
    for video in made:
        video.features["inception"].arrays["row"] = np.array([0, 0, 1, 2, 2, 3, 4, 4])
    assert FID.score_set(made).value == pytest.approx(
        frechet_from_features(stacked(made, 0), stacked(made, 1)), rel=1e-12
    )


@pytest.fixture
def small_subsets(monkeypatch):
    monkeypatch.setattr(set_distance, "SUBSET_SIZE", 20)
    monkeypatch.setattr(set_distance, "kid", lambda X, Y: kid(X, Y, subset_size=20, subsets=10))


def test_kid_is_that_of_all_frames(small_subsets):
    made = videos()
    summary = KID.score_set(made)
    expected = kid(stacked(made, 0), stacked(made, 1), subset_size=20, subsets=10)[0]
    assert summary.value == pytest.approx(expected, rel=1e-12)
    assert summary.ci95[0] < summary.value < summary.ci95[1]


@pytest.mark.parametrize("metric", [FID, KID], ids=lambda metric: metric.record.id)
def test_the_order_of_videos_does_not_matter(metric, small_subsets):
    """KID draws frames by number; the numbers follow the samples' names."""
    made = videos()
    straight = metric.score_set(made)
    for seed in range(3):
        mixed = metric.score_set([made[at] for at in np.random.default_rng(seed).permutation(12)])
        assert (mixed.value, mixed.ci95) == (straight.value, straight.ci95)


def test_kid_of_few_frames_is_unscored():
    summary = KID.score_set(videos())
    assert (summary.value, summary.n, summary.reason) == (None, 12, "fewer_than_1000_frames")


def test_the_bias_of_many_frames_is_that_of_the_formula():
    made = videos()
    summary = FID.score_set(made)
    references = stacked(made, 1)
    assert len(references) >= 2 * D
    expected = frechet_bias(np.cov(references.T.astype(float)), len(stacked(made, 0)), len(references))
    assert summary.details["expected_bias"] == pytest.approx(expected, rel=1e-9)
    assert (summary.details["n"], summary.details["n_reference"]) == (len(stacked(made, 0)), len(references))
    assert summary.details["dimension"] == D
    assert "halves_of_references" not in summary.details


def test_a_bias_that_does_not_matter_needs_no_note():
    """Sides far apart: the bias is a small share of the value. Sides alike: it is most of it."""
    far, near = videos(), videos()
    for video in far:
        video.features["inception"].arrays["activation"] += 100
    for video in near:
        video.features["inception"].arrays["activation"][:] = video.features["inception_reference"].arrays["activation"]
        video.features["inception"].arrays["activation"] += 1e-3
    assert FID.score_set(far).notes == ()
    (note,) = FID.score_set(near).notes
    assert note.kind == "small_sample"
    assert f"of {D} numbers" in note.detail


def test_with_few_frames_the_halves_of_the_references_tell_the_bias():
    made = videos(4, frames=2)
    summary = FID.score_set(made)
    references = [video.features["inception_reference"].arrays for video in made]
    rows = [arrays["activation"][arrays["row"]][:2] for arrays in references]
    expected = frechet_from_features(np.concatenate(rows[1::2]), np.concatenate(rows[::2]))
    assert summary.details["halves_of_references"] == pytest.approx(expected, rel=1e-9)
    (note,) = summary.notes
    assert note.detail.startswith(f"8 frames of {D} numbers: biased upwards, two halves of the references are")


def test_with_one_video_nothing_tells_the_bias():
    summary = FID.score_set(videos(1, frames=3))
    assert set(summary.details) == {"n", "n_reference", "dimension"}
    assert "too few to tell" in summary.notes[0].detail


def test_kid_says_how_its_subsets_spread(small_subsets):
    made = videos()
    expected = kid(stacked(made, 0), stacked(made, 1), subset_size=20, subsets=10)[1]
    assert KID.score_set(made).details["deviation_of_subsets"] == pytest.approx(expected, rel=1e-12)


def test_kernel_distance_of_everything():
    record = replace(KID.record, id="kid.whole")
    made = videos()
    whole = KernelDistance(record, pairing="frames", subsets=False)
    X, Y = stacked(made, 0), stacked(made, 1)
    expected = kid(X, Y, subset_size=len(X), subsets=1)[0]
    assert len(X) == len(Y)
    assert whole.score_set(made).value == pytest.approx(expected, rel=1e-9)
    assert whole.score_set(videos(1, frames=1)).reason == "fewer_than_2_frames"


@pytest.mark.parametrize("metric", EVERY, ids=lambda metric: metric.record.id)
def test_one_video_has_no_number_of_its_own(metric):
    (video,) = videos(1, features=metric.record.features)
    assert metric.score_video(video) == unscored("number_of_the_set")


def test_what_can_not_be_read_is_left_out_on_both_sides():
    made = videos()
    whole = FID.score_set(made[2:])
    lost = VideoInputs("lost", {**made[0].features, "inception_reference": FeatureData(None, "no_reference_video")})
    bad = made[1].features["inception"].arrays["activation"]
    bad[3, 2] = np.nan
    summary = FID.score_set([lost, *made[1:]])
    assert summary.n == 10
    assert summary.value == whole.value


def test_reasons():
    assert FID.score_set([]).reason == "no_video"
    gone = [VideoInputs("s", dict.fromkeys(FID.record.features, FeatureData(None, "extractor_error")))] * 2
    gone.append(VideoInputs("t", dict.fromkeys(FID.record.features, FeatureData(None))))
    assert FID.score_set(gone).reason == "extractor_error"
    assert FID.score_set(gone[2:]).reason == "feature_missing"
    empty = FeatureData({"activation": np.ones((0, D), np.float32), "row": np.arange(0)})
    assert FID.score_set([VideoInputs("s", dict.fromkeys(FID.record.features, empty))]).reason == "no_frame"
    assert FID.score_set(videos(1, frames=1)).reason == "too_few_frames"
    one = FID.score_set(videos(1))
    assert one.value is not None
    assert one.ci95 is None


def test_a_full_disk_is_told(monkeypatch):
    class Full:
        def write(self, _):
            raise OSError(errno.ENOSPC, "No space left on device")

        def close(self):
            pass

    monkeypatch.setattr(tempfile, "TemporaryFile", lambda **_: Full())
    with pytest.raises(StorageError, match=r"full|space"):
        FID.score_set(videos())


def test_rows_of_another_length_are_refused():
    with row_file.RowFile() as file:
        file.append(np.ones((2, 3), np.float32))
        assert file.rows().tolist() == [[1, 1, 1]] * 2
        file.append(np.zeros((1, 3), np.float32))
        assert file.rows().shape == (3, 3)
        with pytest.raises(ValueError, match="rows of 3 numbers"):
            file.append(np.ones((2, 4), np.float32))
