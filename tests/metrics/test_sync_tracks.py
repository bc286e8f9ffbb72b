"""Tracks, crops, cuts and S3FD's boxes: the reference's oddities by hand and against lists walked as it walks them."""

import copy

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.signal import medfilt

from evalkit.metrics.sync import s3fd_boxes, scene_cuts
from evalkit.metrics.sync.tracks import AfterMiss, TrackOptions, crop, intersection_over_union, smooth, track_faces

HERE = (100.0, 100.0, 260.0, 260.0)
THERE = (400.0, 100.0, 560.0, 260.0)


def frames(*faces: tuple[float, ...]) -> NDArray[np.float64]:
    return np.array([[*face, 0.99] for face in faces], dtype=np.float64).reshape(-1, 5)


def test_one_face() -> None:
    (track,) = track_faces([frames(HERE)] * 51)
    assert (track.first, track.last, track.detections) == (0, 50, 51)
    np.testing.assert_array_equal(track.boxes, np.tile(HERE, (51, 1)))


def test_as_many_detections_as_min_track_are_too_few() -> None:
    assert track_faces([frames(HERE)] * 50, options=TrackOptions(min_track=50)) == []
    assert len(track_faces([frames(HERE)] * 50, options=TrackOptions(min_track=49))) == 1


def test_first_frame_of_the_scene_is_added() -> None:
    (track,) = track_faces([frames(HERE)] * 60, 1000)
    assert (track.first, track.last) == (1000, 1059)


@pytest.mark.parametrize(("gap", "detections"), [(24, [80]), (25, [40, 40])])
def test_a_gap_may_span_25_frames(gap: int, detections: list[int]) -> None:
    """40 faces, ``gap`` frames without, 40 faces: the next face is ``gap`` + 1 frames after the last."""
    boxes = [frames(HERE)] * 40 + [frames()] * gap + [frames(HERE)] * 40
    assert [track.detections for track in track_faces(boxes, options=TrackOptions(min_track=30))] == detections


def test_gaps_are_filled_with_lines() -> None:
    moved = tuple(side + 8 for side in HERE)
    boxes = [frames(HERE)] * 5 + [frames()] * 3 + [frames(moved)] * 5
    (track,) = track_faces(boxes, options=TrackOptions(min_track=5))
    np.testing.assert_allclose(track.boxes[4:9, 0], [100, 102, 104, 106, 108])
    assert (len(track.boxes), track.detections) == (13, 10)


@pytest.mark.parametrize(("side", "kept"), [(100.0, 0), (100.5, 1)])
def test_face_of_100_pixels_is_too_small(side: float, kept: int) -> None:
    box = (10.0, 10.0, 10 + side, 30.0)
    assert len(track_faces([frames(box)] * 60)) == kept


def test_overlap_must_be_more_than_half() -> None:
    """160 wide, moved by d: (160 - d) / (160 + d) is 1/2 at d = 160 / 3 = 53.3."""
    for step, tracks in ((53, 1), (54, 0)):
        faces = [frames(tuple(np.add(HERE, [step * i, 0, step * i, 0]))) for i in range(8)]
        assert len(track_faces(faces, options=TrackOptions(min_track=6))) == tracks
    assert intersection_over_union(np.array(HERE), np.array(THERE)) == 0
    assert intersection_over_union(np.zeros(4), np.zeros(4)) == 0


def test_the_face_after_a_taken_one_is_passed_over() -> None:
    """HERE is taken, so the element after it is never looked at; only a later frame brings THERE's own track.

    A copy of HERE in third place, though, is looked at, and gives the frame a second detection.
    """
    pair = track_faces([frames(HERE, THERE)] * 60)
    assert [track.boxes[0, 0] for track in pair] == [100, 400]
    twice = track_faces([frames(HERE, THERE, HERE)] * 60, options=TrackOptions(min_track=100))
    assert [track.detections for track in twice] == [120]
    neighbour = track_faces([frames(HERE, HERE, THERE)] * 60)
    assert [track.detections for track in neighbour] == [60, 60, 60]


def test_stopping_at_the_first_miss() -> None:
    """The second face of each frame is never reached while the first one misses."""
    boxes = [frames(HERE), *[frames(THERE, HERE)] * 60]
    assert [track.detections for track in track_faces(boxes)] == [61, 60]
    assert [track.boxes[0, 0] for track in track_faces(boxes, after_miss="stop")] == [400, 100]
    assert [track.detections for track in track_faces(boxes, after_miss="stop")] == [60, 60]


def walked(boxes: list[NDArray[np.float64]], min_track: int, after_miss: AfterMiss) -> list[list[int]]:
    """The reference's way: lists that lose elements while a for loop walks them."""
    left = [[{"frame": number, "box": tuple(face[:4])} for face in found] for number, found in enumerate(boxes)]
    tracks = []
    while True:
        track: list[dict] = []
        for faces in left:
            for face in faces:
                near = bool(track) and face["frame"] - track[-1]["frame"] <= 25
                over = near and intersection_over_union(np.array(face["box"]), np.array(track[-1]["box"])) > 0.5
                if not track or over:
                    track.append(face)
                    faces.remove(face)
                elif not near or after_miss == "stop":
                    break
        if not track:
            return tracks
        if len(track) > min_track:
            tracks.append([track[0]["frame"], track[-1]["frame"], len(track)])


@settings(max_examples=150)
@given(st.integers(0, 2**32 - 1), st.sampled_from(["go_on", "stop"]))
def test_same_as_lists_that_change_while_walked(seed: int, after_miss: AfterMiss) -> None:
    random = np.random.default_rng(seed)
    places = random.uniform(0, 500, (4, 2))
    boxes = []
    for _ in range(60):
        places += random.normal(0, 12, places.shape)
        order = random.permutation(4)[: random.integers(0, 5)]
        corners = places[order]
        boxes.append(
            np.hstack([corners, corners + random.uniform(110, 180, (len(order), 1)), np.ones((len(order), 1))])
        )
        if random.random() < 0.1:
            boxes += [frames()] * int(random.integers(1, 30))
    expected = walked(copy.deepcopy(boxes), 3, after_miss)
    tracks = track_faces(
        boxes,
        options=TrackOptions(min_track=3, smallest_face=0),
        after_miss=after_miss,
    )
    assert [[track.first, track.last, track.detections] for track in tracks] == expected


def test_ends_are_smoothed_to_the_smallest_of_seven() -> None:
    """The median of 13 with 6 zeros beyond the end is the smallest of the 7 values there."""
    left = np.arange(40.0)
    boxes = np.stack([left, np.full(40, 10.0), left + 120, np.full(40, 110.0)], axis=1)
    x, y, half = smooth(boxes).T
    assert x[0] == 60  # the smallest of 60..66
    assert x[39] == 60 + 33  # the smallest of 93..99
    assert x[20] == 80
    assert (y == 60).all()
    assert (half == 60).all()
    assert len(smooth(boxes[:4])) == 4


def test_crop_by_hand() -> None:
    """Centre (100, 90), half 50: pad 90; rows 90 + 90 - 50 = 130 to 90 + 90 + 90 = 270, columns 120 to 260, padded.

    In the picture that is rows 40..180 and columns 30..170, inside it: 140 x 140, made 224 x 224.
    """
    picture = np.random.default_rng(0).integers(0, 256, (200, 240, 3), dtype=np.uint8)
    expected = cv2.resize(picture[40:180, 30:170], (224, 224))
    np.testing.assert_array_equal(crop(picture, 100, 90, 50), expected)


@pytest.mark.parametrize("place", [(5.0, 8.0, 60.0), (230.5, 190.2, 77.7), (120.0, 100.0, 300.0), (20.0, 195.0, 33.3)])
def test_crop_is_grey_outside(place: tuple[float, float, float]) -> None:
    """The reference pads the whole picture."""
    x, y, half = place
    picture = np.random.default_rng(0).integers(0, 256, (200, 240, 3), dtype=np.uint8)
    pad = int(half * 1.8)
    padded = np.pad(picture, ((pad, pad), (pad, pad), (0, 0)), constant_values=110)
    top, bottom = int(y + pad - half), int(y + pad + half * 1.8)
    left, right = int(x + pad - half * 1.4), int(x + pad + half * 1.4)
    np.testing.assert_array_equal(crop(picture, x, y, half), cv2.resize(padded[top:bottom, left:right], (224, 224)))


def test_crop_of_nothing_is_grey() -> None:
    picture = np.zeros((200, 240, 3), dtype=np.uint8)
    for place in ((-500.0, 50.0, 60.0), (100.0, 90.0, 0.0), (900.0, 50.0, 60.0)):
        assert (crop(picture, *place) == 110).all()


def test_cuts() -> None:
    scores = [0.0] * 100
    scores[14] = scores[20] = scores[30] = 27.0
    scores[35] = 26.999
    scores[60] = 200.0
    assert scene_cuts.find_cuts(scores) == [20, 60]  # 14 is too early, 30 is ten frames after a cut
    assert scene_cuts.find_cuts([0.0] * 15 + [99.0]) == [15]
    assert scene_cuts.scenes([20, 60], 100) == [(0, 20), (20, 60), (60, 100)]
    assert scene_cuts.scenes([], 7) == [(0, 7)]


def test_content_score_by_hand() -> None:
    """Black to white: hue and saturation stay 0, value moves by 255; a third of it is 85."""
    score = scene_cuts.ContentScore()
    black, white = np.zeros((40, 60, 3), np.uint8), np.full((40, 60, 3), 255, np.uint8)
    assert [score(black), score(black), score(white), score(white)] == [0, 0, 85, 0]
    assert score(white[:20]) == np.inf
    wide = scene_cuts.ContentScore()
    assert [wide(np.zeros((288, 768, 3), np.uint8)), wide(np.full((288, 768, 3), 255, np.uint8))] == [0, 85]


def test_anchors_by_hand() -> None:
    """64 x 64: the first map is 16 x 16 with a step of 4, so its second anchor lies at (6, 2) and is 16 wide."""
    maps = ((16, 16), (8, 8), (4, 4), (2, 2), (1, 1), (1, 1))
    priors = s3fd_boxes.anchors(64, 64, maps)
    assert priors.shape == (256 + 64 + 16 + 4 + 1 + 1, 4)
    np.testing.assert_allclose(priors[1] * 64, [6, 2, 16, 16])
    np.testing.assert_allclose(priors[-1] * 64, [64, 64, 512, 512])
    offsets = np.array([[1, -1, 0, np.log(2) / 0.2]], dtype=np.float32)
    # The centre moves by 0.1 * 16 to (7.6, 0.4); the width stays 16, the height doubles to 32.
    np.testing.assert_allclose(s3fd_boxes.decode(offsets, priors[1:2])[0] * 64, [-0.4, -15.6, 15.6, 16.4], atol=1e-5)


def test_suppression_by_hand() -> None:
    """The second box overlaps the first by 80 / 120 = 0.67 and the third by 40 / 160 = 0.25."""
    boxes = np.array([[0, 0, 10, 10], [2, 0, 12, 10], [8, 0, 18, 10]], dtype=np.float64)
    scores = np.array([0.95, 0.99, 0.97])
    assert s3fd_boxes.suppress(boxes, scores, 0.7) == [1, 2, 0]
    assert s3fd_boxes.suppress(boxes, scores, 0.3) == [1, 2]
    assert s3fd_boxes.suppress(boxes, scores, 0.25) == [1, 2]
    assert s3fd_boxes.suppress(boxes, scores, 0.24) == [1]
    assert s3fd_boxes.suppress(boxes[:0], scores[:0], 0.3) == []


def test_weak_boxes_never_matter() -> None:
    """Dropping what is not above 0.9 first gives what dropping it last gives."""
    random = np.random.default_rng(3)
    maps = ((16, 24), (8, 12), (4, 6), (2, 3), (1, 2), (1, 1))
    count = sum(rows * columns for rows, columns in maps)
    offsets = random.normal(0, 1.5, (count, 4)).astype(np.float32)
    scores = random.uniform(0, 1, count).astype(np.float32)
    ours = s3fd_boxes.faces(offsets, scores, maps, (96, 64), (384, 256))
    every = np.flatnonzero(scores > 0.05)
    boxes = s3fd_boxes.decode(offsets[every], s3fd_boxes.anchors(96, 64, maps)[every])
    kept = s3fd_boxes.suppress(boxes, scores[every], 0.3)
    kept = [row for row in kept if scores[every][row] > 0.9]
    pixels = (boxes[kept] * np.array([384, 256, 384, 256], np.float32)).astype(np.float64)
    outer = s3fd_boxes.suppress(pixels, scores[every][kept].astype(np.float64), 0.1)
    assert len(ours) > 3
    np.testing.assert_array_equal(ours[:, :4], pixels[outer])


@pytest.mark.parametrize("count", [1, 2, 6, 12, 13, 14, 60])
def test_tracks_are_smoothed_by_scipys_median(count: int) -> None:
    boxes = np.random.default_rng(count).uniform(0, 200, (count, 4)).cumsum(axis=1)
    half = np.maximum(boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]) / 2
    columns = ((boxes[:, 0] + boxes[:, 2]) / 2, (boxes[:, 1] + boxes[:, 3]) / 2, half)
    padded = [np.pad(column, (0, max(0, 13 - count))) for column in columns]
    wanted = np.stack([medfilt(column, 13)[:count] for column in padded], axis=1)
    np.testing.assert_array_equal(smooth(boxes, 13), wanted)
