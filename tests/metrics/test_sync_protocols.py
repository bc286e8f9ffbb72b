"""Whose tracks: LatentSync's rules beside MoChaBench's, cuts of two versions of PySceneDetect, shared tracks."""

import json
import subprocess
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from evalkit.metrics.sync import scene_cuts
from evalkit.metrics.sync.protocols import LATENTSYNC, MOCHA, united
from evalkit.metrics.sync.tracks import FaceTrack

HERE = (100.0, 100.0, 260.0, 260.0)
THERE = (400.0, 100.0, 560.0, 260.0)
ORACLE = Path(__file__).parent.parent / "oracles" / "scene_reference.py"
SIZES = [(256, 256), (255, 10), (257, 257), (640, 360), (360, 640), (1080, 1920), (300, 40), (511, 511), (4096, 7)]


def strong(frames: int, *cuts: int) -> list[float]:
    scores = [0.0] * frames
    for cut in cuts:
        scores[cut] = 27.0
    return scores


def faces(*boxes: tuple[float, ...]) -> NDArray[np.float64]:
    return np.array([[*box, 0.99] for box in boxes], dtype=np.float64).reshape(-1, 5)


def test_cuts_that_follow_each_other_are_merged() -> None:
    """20 is a cut. 30 to 50 flickers, within 15 frames of a strong one each: one cut at its end, told at 65."""
    scores = strong(100, 20, 30, 40, 50)
    assert scene_cuts.find_merged_cuts(scores) == [20, 50]
    assert scene_cuts.find_merged_cuts(scores[:65]) == [20]
    assert scene_cuts.find_merged_cuts(scores[:66]) == [20, 50]
    assert scene_cuts.find_cuts(scores) == [20, 40]


def test_a_short_flicker_swallows_the_next_cut() -> None:
    """30 and 35 are five frames, too short to end; 80 belongs to the same flicker, which ends there."""
    assert scene_cuts.find_merged_cuts(strong(120, 20, 30, 35)) == [20]
    assert scene_cuts.find_merged_cuts(strong(120, 20, 30, 35, 80)) == [20, 80]
    assert scene_cuts.find_cuts(strong(120, 20, 30, 35, 80)) == [20, 35, 80]


def test_early_cuts_open_no_flicker() -> None:
    """Before the first cut nothing merges, but a strong frame restarts the wait."""
    assert scene_cuts.find_merged_cuts(strong(60, 14)) == []
    assert scene_cuts.find_merged_cuts(strong(60, 15)) == [15]
    assert scene_cuts.find_merged_cuts(strong(60, 10, 24)) == []
    assert scene_cuts.find_cuts(strong(60, 10, 24)) == [24]
    assert scene_cuts.find_merged_cuts([26.999] * 40) == []


def test_sizes_by_hand() -> None:
    """640 x 360: 0.6.1 divides by 2; 0.6.7 by 2.5. Upright, 0.6.1 looks at the width only."""
    assert scene_cuts.size_by_width(640, 360) == (320, 180)
    assert scene_cuts.size_by_longer_side(640, 360) == (256, 144)
    assert scene_cuts.size_by_width(360, 640) == (360, 640)
    assert scene_cuts.size_by_longer_side(360, 640) == (144, 256)
    assert scene_cuts.size_by_longer_side(200, 100) == (200, 100)


@pytest.mark.oracles
def test_cuts_and_sizes_are_those_of_pyscenedetect(oracle_python: Path, tmp_path: Path) -> None:
    """ContentDetector.process_frame on the same scores, and SceneManager's factor; PySceneDetect 0.6.7."""
    random = np.random.default_rng(1)
    lists = [strong(90, 20, 30, 40, 50), strong(120, 20, 30, 35, 80), strong(60, 10, 24), [0.0] * 5]
    for share in (0.02, 0.05, 0.1, 0.2, 0.5):
        lists += [np.where(random.random(400) < share, 40.0, random.uniform(0, 26.9, 400)).tolist() for _ in range(12)]
    (tmp_path / "job.json").write_text(json.dumps({"scores": lists, "sizes": SIZES}))
    words = [str(oracle_python), str(ORACLE), str(tmp_path / "job.json"), str(tmp_path / "result.json")]
    subprocess.run(words, check=True, timeout=120)
    theirs = json.loads((tmp_path / "result.json").read_text())
    assert [scene_cuts.find_merged_cuts(scores) for scores in lists] == theirs["cuts"]
    assert sum(map(len, theirs["cuts"])) > 200
    assert any(scene_cuts.find_cuts(scores) != cuts for scores, cuts in zip(lists, theirs["cuts"], strict=True))
    assert [list(scene_cuts.size_by_longer_side(*size)) for size in SIZES] == theirs["sizes"]


def test_protocols_differ_where_a_face_is_missed() -> None:
    """Two faces that change places in the list: LatentSync looks on, MoChaBench stops at the first."""
    boxes = [faces(HERE)] + [faces(THERE, HERE)] * 60
    ours, theirs = (protocol.tracks(boxes, [0.0] * 61)[1] for protocol in (LATENTSYNC, MOCHA))
    assert [track.detections for track in ours] == [61, 60]
    assert [track.detections for track in theirs] == [60, 60]
    tracks, has = united([ours, theirs])
    assert [(track.first, track.detections) for track in tracks] == [(0, 61), (1, 60), (1, 60)]
    assert has.tolist() == [[True, True, False], [False, True, True]]


def test_protocols_differ_where_cuts_differ() -> None:
    """A flicker at 60 to 75 is one cut at 75 for MoChaBench, and the cuts 60 and 75 for LatentSync."""
    boxes = [faces(HERE)] * 160
    scores = strong(160, 20, 30, 40, 50, 60, 75)
    scenes = [protocol.tracks(boxes, scores)[0] for protocol in (LATENTSYNC, MOCHA)]
    assert scenes == [[(0, 20), (20, 40), (40, 60), (60, 75), (75, 160)], [(0, 20), (20, 75), (75, 160)]]
    tracks, has = united([protocol.tracks(boxes, scores)[1] for protocol in (LATENTSYNC, MOCHA)])
    assert [track.first for track in tracks] == [75, 20]
    assert has.tolist() == [[True, False], [True, True]]


def test_scenes_as_short_as_min_track_give_nothing() -> None:
    assert LATENTSYNC.tracks([faces(HERE)] * 50, [0.0] * 50)[1] == []
    assert len(LATENTSYNC.tracks([faces(HERE)] * 51, [0.0] * 51)[1]) == 1


def test_united_compares_every_part_of_a_track() -> None:
    boxes = np.tile(HERE, (3, 1))
    same = FaceTrack(5, boxes, 3)
    others = [FaceTrack(6, boxes, 3), FaceTrack(5, boxes, 2), FaceTrack(5, boxes + 0.1, 3), FaceTrack(5, boxes[:2], 3)]
    tracks, has = united([[same], [*others, FaceTrack(5, boxes.copy(), 3)]])
    assert len(tracks) == 5
    assert has[0].tolist() == [True, False, False, False, False]
    assert has[1].all()
    assert united([[], []])[1].shape == (2, 0)
