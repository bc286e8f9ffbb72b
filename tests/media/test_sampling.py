"""Which frames are looked at: against numbers by hand, numpy, and ffmpeg's fps filter."""

from __future__ import annotations

import numpy as np
import pytest
from clip_tools import ffmpeg, grey_planes, write_raw
from hypothesis import given, settings
from hypothesis import strategies as st

from evalkit.media.sampling import MAX_TICKS, AllFrames, AtRate, EveryNth, Uniform, at_times, frame_interval


def clock(count: int, fps: float) -> np.ndarray:
    return np.arange(count) / fps


# --- Uniform ----------------------------------------------------------------------------------------------------------


def test_floor_is_numpys_linspace_cut_to_integers_as_consisid_does():
    # np.linspace(0, 48, 16): steps of 3.2; 0, 3.2, 6.4, 9.6, 12.8, 16, ...
    expected = [0, 3, 6, 9, 12, 16, 19, 22, 25, 28, 32, 35, 38, 41, 44, 48]
    assert Uniform(16).select(clock(49, 24)).tolist() == expected
    assert expected == np.linspace(0, 48, 16, dtype=int).tolist()


def test_round_goes_to_the_nearest_frame():
    # 0, 2.25, 4.5, 6.75, 9: halves go to the even neighbour
    assert Uniform(5, "round").select(clock(10, 25)).tolist() == [0, 2, 4, 7, 9]


def test_step_never_takes_the_last_frame_of_a_long_video():
    # int(i * 10 / 4) = 0, 2.5, 5, 7.5
    assert Uniform(4, "step").select(clock(10, 25)).tolist() == [0, 2, 5, 7]


def test_short_videos_repeat_frames():
    assert Uniform(7).select(clock(3, 25)).tolist() == [0, 0, 0, 1, 1, 1, 2]  # 2 * i / 6
    assert Uniform(7, "step").select(clock(3, 25)).tolist() == [0, 0, 0, 1, 1, 2, 2]  # 3 * i / 7
    assert Uniform(4, "round").select(clock(1, 25)).tolist() == [0, 0, 0, 0]


@pytest.mark.parametrize(
    ("fps", "step"),
    # By 8: 0.6, 1.5, 2.5, 3, 3.125, 3.75, 7.4925, 7.5: halves become the even number.
    [(5, 1), (12, 2), (20, 2), (24, 3), (25, 3), (30000 / 1001, 4), (60000 / 1001, 7), (60, 8)],
)
def test_every_nth_frame_is_that_of_python_s_round(fps, step):
    exact = clock(300, fps)
    assert EveryNth(8).select(exact).tolist() == list(range(0, 300, step))
    assert EveryNth(8).select(np.round(exact, 3)).tolist() == list(range(0, 300, step))


def test_every_nth_frame_of_hardly_any_video():
    assert EveryNth(8).select(np.zeros(1)).tolist() == [0]
    assert EveryNth(8).select(np.zeros(3)).tolist() == [0, 1, 2]
    with pytest.raises(ValueError, match="positive"):
        EveryNth(0)


def test_one_frame_is_the_first():
    for rounding in ("floor", "round", "step"):
        assert Uniform(1, rounding).select(clock(9, 25)).tolist() == [0]


@pytest.mark.parametrize(
    "rule", [AllFrames(), Uniform(3), Uniform(3, "round"), Uniform(3, "step"), AtRate(25), EveryNth(8)]
)
def test_empty_video_gives_no_index(rule):
    chosen = rule.select(np.empty(0))
    assert chosen.shape == (0,) and chosen.dtype == np.int64


@pytest.mark.parametrize("count", [0, -1])
def test_uniform_refuses_a_count_below_one(count):
    with pytest.raises(ValueError, match="at least 1"):
        Uniform(count)


@pytest.mark.parametrize("fps", [0, -25, float("nan")])
def test_rate_must_be_positive(fps):
    with pytest.raises(ValueError, match="positive"):
        AtRate(fps)


def test_ids_name_the_whole_rule():
    assert [AllFrames().id, Uniform(16).id, Uniform(8, "step").id, AtRate(25).id] == [
        "all", "uniform-16-floor", "uniform-8-step", "rate-25",
    ]  # fmt: skip


@given(st.integers(0, 400), st.integers(1, 100), st.sampled_from(["floor", "round", "step"]))
@settings(max_examples=200)
def test_uniform_is_in_range_in_order_and_as_long_as_asked(total, count, rounding):
    chosen = Uniform(count, rounding).select(clock(total, 25))
    assert len(chosen) == (count if total else 0)
    assert (np.diff(chosen) >= 0).all()
    assert ((chosen >= 0) & (chosen < total)).all()
    if total and rounding != "step" and count > 1:
        assert (chosen[0], chosen[-1]) == (0, total - 1)


# --- AtRate -----------------------------------------------------------------------------------------------------------


def test_24_to_25_repeats_the_frame_in_the_middle_of_each_second():
    # Tick k lies at 24 k / 25 frames: 0, 0.96, ..., 12 -> 11.52 -> 12, 13 -> 12.48 -> 12, 14 -> 13.44 -> 13
    chosen = AtRate(25).select(clock(48, 24))
    assert chosen.tolist() == [*range(13), *range(12, 37), *range(36, 48)]
    assert len(chosen) == 50


def test_30_to_25_leaves_out_every_sixth_frame():
    # Tick k lies at 1.2 k frames: 0, 1.2, 2.4, 3.6, 4.8, 6: frame 3 is never the nearest
    assert AtRate(25).select(clock(30, 30)).tolist() == [n for n in range(30) if n % 6 != 3]


def test_60_to_25_takes_the_nearest_of_every_two_or_three():
    # Tick k lies at 2.4 k frames: 0, 2.4, 4.8, 7.2, 9.6, 12
    assert AtRate(25).select(clock(120, 60))[:6].tolist() == [0, 2, 5, 7, 10, 12]


def test_50_to_25_takes_every_other_and_25_to_25_all():
    assert AtRate(25).select(clock(100, 50)).tolist() == list(range(0, 100, 2))
    assert AtRate(25).select(clock(77, 25)).tolist() == list(range(77))


def test_tie_goes_to_the_earlier_frame():
    # 20 to 25: tick 2 lies at frame 1.6, tick 5 at 4.0; 10 to 20: every second tick lies halfway
    assert AtRate(20).select(clock(4, 10)).tolist() == [0, 0, 1, 1, 2, 2, 3, 3]


def test_single_frame_is_shown_for_one_tick():
    assert AtRate(25).select(np.array([3.2])).tolist() == [0]


def test_start_of_the_video_is_time_zero():
    assert AtRate(25).select(clock(60, 30) + 17.3).tolist() == AtRate(25).select(clock(60, 30)).tolist()


def test_irregular_times():
    # Ticks at 0, 0.1, ... 0.7; frames at 0, 0.1, 0.4, 0.7. 0.2 is nearer to 0.1, 0.3 to 0.4, 0.5 to 0.4, 0.6 to 0.7.
    # The last frame lasts the median interval, 0.3: ten ticks up to 1.0.
    assert AtRate(10).select(np.array([0, 0.1, 0.4, 0.7])).tolist() == [0, 1, 1, 2, 2, 2, 3, 3, 3, 3]


def test_a_gap_of_years_does_not_fill_the_memory():
    assert len(AtRate(25).select(np.array([0.0, 0.04, 1e12]))) == MAX_TICKS


@given(
    st.integers(2, 300), st.sampled_from([12, 23.976, 24, 25, 29.97, 30, 48, 50, 59.94, 60]), st.sampled_from([8, 25])
)
@settings(max_examples=150)
def test_every_tick_shows_the_nearest_frame(total, native, fps):
    # From two frames on: how long a single one lasts, no other tells.
    times = clock(total, native)
    chosen = AtRate(fps).select(times)
    assert (np.diff(chosen) >= 0).all() and ((chosen >= 0) & (chosen < total)).all()
    ticks = np.arange(len(chosen)) / fps
    distance = np.abs(times[:, None] - ticks[None, :]).min(axis=0)
    np.testing.assert_allclose(np.abs(times[chosen] - ticks), distance, atol=1e-6)
    assert len(chosen) == max(1, int(total / native * fps + 0.5 + 1e-6))


@pytest.mark.ffmpeg
@pytest.mark.parametrize(
    ("native", "same", "shift"),
    [
        (25, True, 0),
        (30, True, 0),  # no tick lies near the middle between two frames
        (50, True, 0),
        (24, False, 1 / 24),
        (60, False, 1 / 60),
        (20, False, 1 / 20),
    ],
)
def test_against_ffmpegs_fps_filter(tmp_path, native, same, shift):
    """The filter rounds each frame's time to the new clock and shows the last that landed on a tick or before.

    So it may show a neighbour of the nearest frame; the number of frames is the same.
    """
    pictures = [grey_planes(np.full((16, 16), number, np.uint8)) for number in range(native * 2)]
    path = write_raw(tmp_path / "n.mp4", pictures, (16, 16), rate=native)
    raw = ffmpeg("-i", path, "-vf", "fps=25", "-f", "rawvideo", "-pix_fmt", "yuv420p", "-")
    theirs = np.frombuffer(raw, np.uint8).reshape(-1, 384)[:, 0].astype(int)
    times = clock(native * 2, native)
    ours = AtRate(25).select(times)
    assert len(ours) == len(theirs) == 50
    assert (ours == theirs).all() == same
    assert np.abs(times[ours] - times[theirs]).max() == pytest.approx(shift)
    tick = np.arange(50) / 25
    assert np.abs(times[ours] - tick).max() <= np.abs(times[theirs] - tick).max() + 1e-9


# --- at_times, frame_interval -----------------------------------------------------------------------------------------


def test_nearest_frame_and_ties():
    times = np.array([0.0, 1.0, 2.0])
    wanted = np.array([-5, 0.4, 0.5, 0.6, 1.5, 1.51, 9])
    assert at_times(times, wanted).tolist() == [0, 0, 0, 1, 1, 2, 2]


def test_half_a_microsecond_of_rounding_is_still_a_tie():
    assert at_times(np.array([0.0, 0.04]), np.array([0.02 + 2e-7])).tolist() == [0]
    assert at_times(np.array([0.0, 0.04]), np.array([0.02 + 2e-6])).tolist() == [1]


def test_of_frames_with_one_time_the_first_is_taken():
    assert at_times(np.array([0.0, 1.0, 1.0, 2.0]), np.array([1.0])).tolist() == [1]


def test_nothing_wanted_nothing_chosen():
    assert at_times(np.array([1.0]), np.empty(0)).tolist() == []


@given(
    st.lists(st.floats(0, 100, width=32), min_size=1, max_size=50),
    st.lists(st.floats(-10, 110, width=32), max_size=50),
)
@settings(max_examples=200)
def test_at_times_is_nearest_and_keeps_the_order(stamps, wanted):
    times, asked = np.sort(np.array(stamps, float)), np.sort(np.array(wanted, float))
    chosen = at_times(times, asked)
    assert len(chosen) == len(asked)
    assert ((chosen >= 0) & (chosen < len(times))).all()
    if len(asked):
        nearest = np.abs(times[:, None] - asked[None, :]).min(axis=0)
        np.testing.assert_allclose(np.abs(times[chosen] - asked), nearest, atol=1e-6)
        assert (np.diff(times[chosen]) >= 0).all()


def test_interval_is_the_median_of_what_goes_forward():
    assert frame_interval(np.array([0, 0.04, 0.04, 0.08, 0.12]), default=1) == pytest.approx(0.04)
    assert frame_interval(np.array([5.0]), default=0.5) == 0.5
    assert frame_interval(np.array([5.0, 5.0]), default=0.5) == 0.5
