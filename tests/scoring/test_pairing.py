"""Reference frames beside the candidate's frames of the same moment."""

from __future__ import annotations

import numpy as np
import pytest
from clip_tools import number_of, numbered
from hypothesis import given, settings
from hypothesis import strategies as st

from evalkit.media.encode import write_video
from evalkit.media.inspect import inspect_media
from evalkit.media.limits import MAX_FRAMES, ReadLimits
from evalkit.metrics.features.base import FeatureUnavailableError, PairSession
from evalkit.scoring.pairing import PairedSink, pair_indices


def clock(count: int, fps: float, start: float = 0.0) -> np.ndarray:
    return start + np.arange(count) / fps


# --- which frames -----------------------------------------------------------------------------------------------------


def test_equal_rates_pair_frame_by_frame():
    assert pair_indices(clock(50, 25), clock(50, 25)).tolist() == list(range(50))


def test_different_starts_are_counted_from_the_first_frame():
    assert pair_indices(clock(50, 25, 0.4), clock(50, 25, 7.0)).tolist() == list(range(50))


def test_slow_candidate_is_shown_longer():
    # Reference frame k of 60/s lies at 25 k / 60 candidate frames: 0, 0.42, 0.83, 1.25, 1.67, 2.08
    assert pair_indices(clock(25, 25), clock(60, 60))[:7].tolist() == [0, 0, 1, 1, 2, 2, 2]


def test_fast_candidate_skips():
    # 60 / 25 = 2.4: 0, 2.4, 4.8, 7.2, 9.6, 12
    assert pair_indices(clock(60, 60), clock(25, 25))[:6].tolist() == [0, 2, 5, 7, 10, 12]


def test_24_beside_25_drifts_by_one_frame_a_second():
    # Candidate frame of reference frame k: 24 k / 25; 12 -> 11.52 -> 12, 13 -> 12.48 -> 12, 25 -> 24
    pairs = pair_indices(clock(48, 24), clock(50, 25))
    assert pairs[[0, 12, 13, 25, 49]].tolist() == [0, 12, 12, 24, 47]
    assert len(pairs) == 50


def test_ntsc_beside_30_stays_together_for_the_length_of_a_sample():
    # 29.97 against 30: after 149 frames 0.15 frames apart
    assert pair_indices(clock(150, 30_000 / 1001), clock(150, 30)).tolist() == list(range(150))


def test_shorter_video_ends_the_pairs():
    assert pair_indices(clock(20, 25), clock(50, 25)).tolist() == list(range(20))
    assert pair_indices(clock(50, 25), clock(20, 25)).tolist() == list(range(20))


def test_empty_and_single():
    assert pair_indices(np.empty(0), clock(3, 25)).shape == (0,)
    assert pair_indices(clock(3, 25), np.empty(0)).shape == (0,)
    assert pair_indices(np.array([5.0]), clock(3, 25)).tolist() == [0]
    assert pair_indices(clock(3, 25), np.array([5.0])).tolist() == [0]
    assert pair_indices(np.empty(0), clock(3, 25)).dtype == np.int64


@given(
    st.integers(1, 200), st.sampled_from([20, 24, 25, 29.97, 30, 60]), st.integers(1, 200),
    st.sampled_from([24, 25, 30, 60]), st.floats(0, 5),
)  # fmt: skip
@settings(max_examples=150)
def test_pairs_are_nearest_in_order_and_within_both(count, fps, reference_count, reference_fps, start):
    candidate, reference = clock(count, fps, start), clock(reference_count, reference_fps)
    pairs = pair_indices(candidate, reference)
    assert 1 <= len(pairs) <= reference_count
    assert (np.diff(pairs) >= 0).all() and pairs.max() < count
    apart = np.abs((candidate[pairs] - start) - reference[: len(pairs)])
    assert apart.max() <= 0.5 / fps + (0.02 if count == 1 else 0) + 1e-6


# --- real files -------------------------------------------------------------------------------------------------------


class Numbers(PairSession):
    """Writes down which frames it was shown."""

    def __init__(self) -> None:
        self.seen: list[tuple[int, int, int]] = []

    def restart(self) -> None:
        self.seen.clear()

    def pair(self, index, candidate, reference) -> None:
        self.seen.append((index, number_of(candidate), number_of(reference)))

    def finish(self):
        return {}


def clip(path, count, fps, first=0):
    write_video(path, numbered(count, first=first), fps, preset="ultrafast")
    return path


def paired(candidate, reference, max_frames=MAX_FRAMES):
    sessions = [Numbers(), Numbers()]
    sink = PairedSink(reference, sessions, max_frames)
    inspection = inspect_media(candidate, [sink], ReadLimits(max_frames))
    assert sessions[0].seen == sessions[1].seen
    return sessions[0].seen, sink, inspection


def test_equal_rates_show_equal_numbers(tmp_path):
    seen, sink, inspection = paired(clip(tmp_path / "c.mp4", 40, 25), clip(tmp_path / "r.mp4", 40, 25, first=100))
    sink.check()
    assert inspection.complete
    assert seen == [(n, n, 100 + n) for n in range(40)]


@pytest.mark.parametrize(
    ("fps", "count", "expected"),
    [
        (60, 60, [0, 2, 5, 7, 10, 12, 14, 17, 19, 22]),  # 2.4 k
        (12.5, 13, [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]),  # 0.5 k; halves go to the earlier frame
        (24, 24, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]),
    ],
)
def test_other_rates_show_the_frame_of_the_moment(tmp_path, fps, count, expected):
    seen, sink, _ = paired(clip(tmp_path / "c.mp4", count, fps), clip(tmp_path / "r.mp4", 25, 25))
    sink.check()
    assert [index for index, _, _ in seen] == list(range(25))
    assert [reference for _, _, reference in seen] == list(range(25))
    assert [candidate for _, candidate, _ in seen][:10] == expected


def test_pairs_end_with_the_shorter(tmp_path):
    long, short = clip(tmp_path / "l.mp4", 40, 25), clip(tmp_path / "s.mp4", 15, 25)
    assert [pair[0] for pair in paired(long, short)[0]] == list(range(15))
    assert [pair[0] for pair in paired(short, long)[0]] == list(range(15))


def test_second_pass_starts_all_over(tmp_path, monkeypatch):
    """The index of the candidate promises more than it holds; the sessions see each pair once in the end."""
    from evalkit.media import inspect as module

    candidate, reference = clip(tmp_path / "c.mp4", 30, 25), clip(tmp_path / "r.mp4", 30, 25)
    real = module.scan_times
    monkeypatch.setattr(
        module, "scan_times", lambda path, most: clock(33, 25) if path == candidate else real(path, most)
    )
    session = Numbers()
    sink = PairedSink(reference, [session])
    plans = []
    original = sink.plan
    sink.plan = lambda times: (plans.append(len(times)), original(times))[1]
    inspection = inspect_media(candidate, [sink])
    assert inspection.passes == 2 and plans == [33, 30]
    assert session.seen == [(n, n, n) for n in range(30)]


@pytest.mark.parametrize("content", [None, b"", b"\x9c\x01\xee\x8f" * 100])
def test_unreadable_reference_is_a_reason_not_a_crash(tmp_path, content):
    reference = tmp_path / "r.mp4"
    if content is not None:
        reference.write_bytes(content)
    seen, sink, inspection = paired(clip(tmp_path / "c.mp4", 5, 25), reference)
    assert seen == [] and inspection.facts.video.frames == 5
    with pytest.raises(FeatureUnavailableError) as caught:
        sink.check()
    assert caught.value.reason == "reference_video_unreadable"


def test_reference_that_breaks_off_is_a_reason(tmp_path):
    reference = clip(tmp_path / "r.mp4", 40, 25)
    reference.write_bytes(reference.read_bytes()[:-600])
    seen, sink, _ = paired(clip(tmp_path / "c.mp4", 40, 25), reference)
    assert 0 < len(seen) < 40
    with pytest.raises(FeatureUnavailableError) as caught:
        sink.check()
    assert caught.value.reason == "reference_video_unreadable"


def test_limit_holds_for_the_reference_too(tmp_path):
    seen, sink, _ = paired(clip(tmp_path / "c.mp4", 20, 25), clip(tmp_path / "r.mp4", 20, 25), max_frames=7)
    sink.check()
    assert [pair[0] for pair in seen] == list(range(7))


@pytest.mark.parametrize("error", [FeatureUnavailableError("reference_video_too_small"), KeyError("a bug")])
def test_failing_session_stops_the_pairs_but_not_the_reading(tmp_path, error):
    class Failing(Numbers):
        def pair(self, index, candidate, reference) -> None:
            super().pair(index, candidate, reference)
            if index == 3:
                raise error

    session = Failing()
    candidate = clip(tmp_path / "c.mp4", 10, 25)
    sink = PairedSink(clip(tmp_path / "r.mp4", 10, 25), [session])
    inspection = inspect_media(candidate, [sink])
    assert inspection.facts.video.frames == 10 and len(session.seen) == 4
    with pytest.raises(type(error)) as caught:
        sink.check()
    assert caught.value is error
