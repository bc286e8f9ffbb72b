"""Linking faces over time: planted boxes, crossings, gaps, and no influence of the order within a frame."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evalkit.metrics.faces.tracks import Track, box_iou, build_tracks, subject_track
from evalkit.metrics.features.face import Face


def face(x: float, y: float, side: float = 40.0, score: float = 0.9) -> Face:
    box = np.array([x, y, x + side, y + side], np.float32)
    keypoints = np.array([[0.3, 0.4], [0.7, 0.4], [0.5, 0.6], [0.35, 0.8], [0.65, 0.8]], np.float32) * side
    return Face(box, score, (keypoints + box[:2]).astype(np.float32))


def corners(track: Track) -> list[tuple[float, float]]:
    return [(float(found.box[0]), float(found.box[1])) for found in track.faces]


def test_iou_by_hand() -> None:
    # 10x10 boxes shifted by 5 in x: shared 50, union 150. The third does not touch; the fourth has no area.
    boxes = np.array([[5, 0, 15, 10], [0, 0, 10, 10], [30, 30, 40, 40], [5, 5, 5, 9]], np.float32)
    expected = [[50 / 150, 1.0, 0.0, 0.0]]
    np.testing.assert_allclose(box_iou(np.array([[0, 0, 10, 10]], np.float32), boxes), expected, rtol=1e-12)
    np.testing.assert_array_equal(box_iou(boxes[3:], boxes[3:]), [[0.0]])


def test_one_face_moving_is_one_track() -> None:
    frames = [[face(100 + 5 * step, 80)] for step in range(6)]
    (track,) = build_tracks(frames, [0, 3, 6, 9, 12, 15])
    assert track.positions == (0, 1, 2, 3, 4, 5)
    assert track.indices == (0, 3, 6, 9, 12, 15)
    assert corners(track) == [(100 + 5 * step, 80) for step in range(6)]
    assert track.mean_area == 1600.0
    assert track.mean_centre == (132.5, 100.0)  # left edges 100..125, mean 112.5, plus half of 40


def test_a_jump_beyond_the_overlap_starts_another_track() -> None:
    # 40 px boxes shifted by 22: IoU = 18 / 62 = 0.290, below 0.3; by 21: 19 / 61 = 0.311, above.
    assert len(build_tracks([[face(0, 0)], [face(22, 0)]], [0, 1])) == 2
    assert len(build_tracks([[face(0, 0)], [face(21, 0)]], [0, 1])) == 1


def test_crossing_faces_keep_their_tracks() -> None:
    # One goes right, one left, at slightly different heights; they overlap fully in x at step 5.
    right = [face(20 + 8 * step, 50) for step in range(11)]
    left = [face(100 - 8 * step, 60) for step in range(11)]
    tracks = build_tracks([[a, b] for a, b in zip(right, left, strict=True)], range(11))
    assert sorted(corners(track) for track in tracks) == sorted(
        [[(20 + 8 * step, 50) for step in range(11)], [(100 - 8 * step, 60) for step in range(11)]]
    )


def test_assignment_is_global_not_greedy() -> None:
    # Tracks at x = 0 and 18, faces at 10 and 30 of the next frame; IoU of 40 px boxes d apart = (40 - d) / (40 + d):
    #   18-10: .667   0-10: .600   18-30: .538   0-30: .143 (below the limit).
    # Linking the best pair first strands 0 and 30; 0-10 with 18-30 (sum 1.138) links all.
    tracks = build_tracks([[face(18, 0), face(0, 0)], [face(10, 0), face(30, 0)]], [0, 1])
    assert sorted(corners(track) for track in tracks) == [[(0, 0), (10, 0)], [(18, 0), (30, 0)]]


@pytest.mark.parametrize(("missing", "tracks"), [(0, 1), (2, 1), (3, 2)])
def test_gaps(missing: int, tracks: int) -> None:
    frames = [[face(50, 50)], *([[]] * missing), [face(52, 50)]]
    found = build_tracks(frames, range(len(frames)), max_gap=2)
    assert len(found) == tracks
    assert [position for track in found for position in track.positions] == [0, missing + 1]


def test_empty_frames_give_no_track_and_no_subject() -> None:
    assert build_tracks([], []) == []
    assert build_tracks([[], []], [0, 1]) == []
    assert subject_track([], (640, 480)) is None


def test_wrong_arguments_are_refused() -> None:
    with pytest.raises(ValueError, match="1 frames and 2 frame numbers"):
        build_tracks([[]], [0, 1])
    with pytest.raises(ValueError, match="must ascend"):
        build_tracks([[], []], [4, 4])
    with pytest.raises(ValueError, match="iou"):
        build_tracks([], [], iou=0.0)


def test_subject_has_most_frames_then_size_then_centre() -> None:
    def track(x: float, y: float, side: float, frames: int) -> Track:
        steps = tuple(range(frames))
        return Track(steps, steps, tuple(face(x, y, side) for _ in steps))

    small_but_long, large_but_short = track(0, 0, 20, 5), track(100, 100, 90, 4)
    assert subject_track([large_but_short, small_but_long], (200, 200)) is small_but_long
    large, small = track(0, 0, 50, 4), track(80, 80, 40, 4)
    assert subject_track([small, large], (200, 200)) is large
    middle, corner = track(80, 80, 40, 4), track(0, 0, 40, 4)
    assert subject_track([corner, middle], (200, 200)) is middle
    left, right = track(40, 80, 40, 4), track(120, 80, 40, 4)  # 40 px left and right of the centre: coordinates decide
    assert subject_track([left, right], (200, 200)) is subject_track([right, left], (200, 200)) is left


def description(tracks: list[Track]) -> list[tuple[object, ...]]:
    return [(track.positions, tuple(found.sort_key() for found in track.faces)) for track in tracks]


coordinates = st.integers(0, 12).map(lambda step: 15.0 * step)
frame = st.lists(st.builds(face, coordinates, coordinates, st.sampled_from([30.0, 40.0, 60.0])), max_size=4)


@settings(max_examples=60)
@given(st.lists(frame, min_size=1, max_size=6), st.randoms(use_true_random=False))
def test_order_within_a_frame_never_matters(frames: list[list[Face]], random: object) -> None:
    """A coarse grid and three sizes make equal overlaps and equal boxes common."""
    shuffled = [random.sample(faces, len(faces)) for faces in frames]
    tracks, other = (build_tracks(each, range(len(each)), max_gap=1) for each in (frames, shuffled))
    assert description(tracks) == description(other)
    assert sum(map(len, tracks)) == sum(map(len, frames)), "every face belongs to exactly one track"
    assert all(np.all(np.diff(track.positions) > 0) for track in tracks)
    subject = subject_track(tracks, (200, 200))
    again = subject_track(random.sample(other, len(other)), (200, 200))
    assert (subject is None) == (again is None)
    if subject is not None:
        assert description([subject]) == description([again])
