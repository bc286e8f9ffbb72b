"""Plots have the data that they were given: positions of points, ends of intervals, gaps and their number."""

from __future__ import annotations

import math
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from builders.leaderboards import NASTY, hostile, plain
from scorecards import make_scorecard, small_card

import evalkit
from evalkit.errors import InputError, MachineError, UsageError
from evalkit.leaderboard.model import DetectorCurve, Distribution
from evalkit.leaderboard.table import CodedReason
from evalkit.plot import detector_curves, distributions, metric_against_people, metric_over_steps, rank_intervals
from evalkit.plot.axes import COLOURS, axis_words

matplotlib = pytest.importorskip("matplotlib")


@pytest.fixture(autouse=True)
def closed_figures():
    """Close what a test drew: pyplot keeps every figure, and warns of more than 20."""
    yield
    import matplotlib.pyplot as plt

    plt.close("all")


def lines(ax, gid):
    return [line for line in ax.lines if line.get_gid() == gid]


def test_distributions_draw_each_video_and_count_the_gaps():
    old = small_card("old.zip", {"psnr.rgb": [30.0, 31.0, None, 33.0]})
    new = small_card("new.zip", {"psnr.rgb": [32.0, 34.0, 35.0, 36.0]})
    ax = distributions({"old": old, "new": new}, "psnr")
    first, second = (points.get_offsets() for points in ax.collections)
    assert [y for _, y in first] == [30.0, 31.0, 33.0]
    assert [y for _, y in second] == [32.0, 34.0, 35.0, 36.0]
    assert all(abs(x - 0) < 0.35 for x, _ in first) and all(abs(x - 1) < 0.35 for x, _ in second)
    assert len({x for x, _ in second}) == 4
    assert [label.get_text() for label in ax.get_xticklabels()] == [
        "old\nn = 3\n\u00d7 1 without a value",
        "new\nn = 4",
    ]
    crosses = [line for line in ax.lines if line.get_marker() == "x"]
    assert [len(line.get_xdata()) for line in crosses] == [1]
    assert crosses[0].get_ydata()[0] < 30.0
    boxes = [(patch.get_y(), patch.get_height()) for patch in ax.patches]
    assert boxes == [(30.5, 1.5), (33.5, 1.75)]
    medians = [line.get_ydata()[0] for line in ax.lines if line.get_marker() == "None"]
    assert medians == [31.0, 34.5]
    diamonds = [line.get_ydata()[0] for line in ax.lines if line.get_marker() == "D"]
    assert diamonds == [pytest.approx(94 / 3), 34.25]


def test_a_sample_that_the_metric_is_not_about_is_no_gap():
    card = small_card("a.zip", {"psnr.rgb": [30.0, None, None]})
    videos = (*card.videos[:2], card.videos[2].model_copy(update={"reasons": {"psnr.rgb": "not_applicable:no_person"}}))
    ax = distributions(card.model_copy(update={"videos": videos}), "psnr.rgb")
    assert ax.get_xticklabels()[0].get_text() == "a.zip\nn = 1\n\u00d7 1 without a value"


def test_a_single_scorecard_and_a_list_are_named_after_their_submissions():
    cards = [small_card(f"{name}.zip", {"psnr.rgb": [30.0, 31.0]}) for name in ("a", "b")]
    assert distributions(cards[0], "psnr").get_xticklabels()[0].get_text() == "a.zip\nn = 2"
    assert [label.get_text() for label in distributions(cards, "psnr").get_xticklabels()] == [
        "a.zip\nn = 2",
        "b.zip\nn = 2",
    ]


def test_runs_that_are_not_comparable_are_refused():
    one, other = (small_card("a", {"psnr.rgb": [1.0, 2.0]}, protocol=protocol) for protocol in (1, 2))
    with pytest.raises(InputError, match=r"not comparable.*protocol"):
        distributions({"a": one, "b": other}, "psnr")
    foreign = one.model_copy(update={"backbones": "bundled"})
    with pytest.raises(InputError, match=r"not comparable.*bundled"):
        distributions({"a": one, "b": foreign}, "psnr")
    with pytest.raises(InputError, match="not comparable"):
        metric_over_steps([(1, one), (2, other)], "psnr")


@pytest.mark.parametrize(
    ("runs", "metric", "error", "words"),
    [
        ({"a": small_card("a", {"psnr.rgb": [1.0]})}, "psnrr", UsageError, "Did you mean 'psnr.rgb'"),
        ({"a": small_card("a", {"psnr.rgb": [1.0]})}, "fid", UsageError, "no metric 'fid' here"),
        ({"a": small_card("a", {"psnr.rgb": [None]})}, "psnr", InputError, "No video has a value"),
        ({}, "psnr", UsageError, "1 to 12"),
        ([1], "psnr", UsageError, "must be scorecards"),
        ({"a": "card.json"}, "psnr", UsageError, "must be scorecards"),
        ([small_card("a", {"psnr.rgb": [1.0]})] * 13, "psnr", UsageError, "1 to 12"),
    ],
)
def test_wrong_runs_are_refused_with_what_is_there(runs, metric, error, words):
    with pytest.raises(error, match=words):
        distributions(runs, metric)


def test_a_metric_over_steps_has_its_values_intervals_and_gaps():
    cards = [(step, small_card("a", {"psnr.rgb": values})) for step, values in
             ((0, [30.0, 32.0]), (200, [33.0, 35.0]), (100, [None, None]))]  # fmt: skip
    ax = metric_over_steps(cards, "psnr")
    (line,) = lines(ax, "series")
    assert list(line.get_xdata()) == [0, 100, 200]
    assert (line.get_ydata()[0], line.get_ydata()[2]) == (31.0, 34.0)
    assert math.isnan(line.get_ydata()[1])
    (gap,) = lines(ax, "missing")
    assert list(gap.get_xdata()) == [100]
    assert ax.get_xlabel() == "step (\u00d7 no value)"
    assert ax.get_ylabel().endswith("higher is better ↑")


def test_the_band_is_the_interval():
    log = [(step, {"psnr.rgb": {"value": 30.0 + step, "ci95": [29.0 + step, 32.0 + step]}}) for step in (0, 1, 2)]
    ax = metric_over_steps(log, "psnr")
    corners = {tuple(corner) for path in ax.collections[0].get_paths() for corner in path.vertices}
    assert {(0.0, 29.0), (0.0, 32.0), (1.0, 30.0), (1.0, 33.0), (2.0, 31.0), (2.0, 34.0)} <= corners
    assert ax.get_ylabel() == "PSNR (dB), higher is better ↑"


def test_two_runs_share_the_axes_with_colours_and_shapes_of_their_own():
    ax = metric_over_steps([(0, {"fid": 30.0}), (1, {"fid": 20.0})], "fid", label="a")
    assert metric_over_steps([(0, {"fid": 40.0}), (1, {"fid": None})], "fid", label="b", ax=ax) is ax
    first, second = lines(ax, "series")
    assert (first.get_color(), second.get_color()) == COLOURS[:2]
    assert first.get_marker() != second.get_marker()
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["a", "b"]
    assert ax.get_ylabel() == "FID, lower is better ↓"


def test_rank_intervals_are_drawn_from_the_best_down_with_the_unranked_below():
    _, board = plain(("lumen", "aurora", "beta"))
    late = CodedReason("late", "It came late.")
    rows = (*board.rows[:2], replace(board.rows[2], rank=None, score=None, interval=None, reasons=(late,)))
    ax = rank_intervals(replace(board, rows=rows))
    assert [list(line.get_xdata()) for line in lines(ax, "interval")] == [[1, 2], [1, 3]]
    assert [(line.get_xdata()[0], line.get_ydata()[0]) for line in lines(ax, "rank")] == [(1, 0), (2, 1)]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["lumen", "aurora", "beta"]
    assert [text.get_text() for text in ax.texts] == ["\u00d7 not ranked: It came late."]
    low, high = ax.get_ylim()
    assert low > high  # the best on top
    assert ax.get_xlabel() == "rank, ← lower is better\nbars: 95 % rank intervals, for all runs together"


def test_ranks_without_intervals_say_why_and_many_runs_are_counted():
    _, board = plain(tuple(f"t{at}" for at in range(70)))
    rows = tuple(replace(row, interval=None) for row in board.rows)
    phase = replace(board.phases[0], uncertainty=None, no_uncertainty="Only one video is scored.")
    ax = rank_intervals(replace(board, rows=rows, phases=(phase,)))
    assert lines(ax, "interval") == []
    assert len(lines(ax, "rank")) == 60
    assert ax.get_xlabel().splitlines()[1:] == [
        "no rank intervals: Only one video is scored.",
        "10 more runs are not shown",
    ]
    with pytest.raises(InputError, match="no run"):
        rank_intervals(replace(board, rows=()))


def test_a_metric_against_people_has_a_point_for_each_video_and_the_correlation():
    _, board = plain(("lumen", "aurora"))
    values = tuple(Distribution(team, "m.id", (0.1,) * 5) for team in ("lumen", "aurora"))
    ax = metric_against_people(replace(board, distributions=values), "m.id")
    (points,) = board.points
    drawn = {tuple(map(float, one)) for cloud in ax.collections for one in cloud.get_offsets()}
    assert drawn == set(zip(points.x, points.y, strict=True))
    assert [len(cloud.get_offsets()) for cloud in ax.collections] == [4, 4]
    found = points.agreement.srcc
    assert (
        ax.get_title() == f"agreement with people: SRCC {found.value:.2f} [{found.ci[0]:.2f}, {found.ci[1]:.2f}], n = 8"
    )
    assert ax.get_xlabel() == "Identity, higher is better →\n2 values without a rating are not shown"
    assert ax.get_ylabel() == "Look, higher is better ↑"
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["lumen", "aurora"]


def test_many_teams_share_a_look_and_wrong_dimensions_are_refused():
    _, board = plain(tuple(f"t{at}" for at in range(10)))
    ax = metric_against_people(board, "m.id", "look")
    assert [len(cloud.get_offsets()) for cloud in ax.collections] == [4] * 7 + [12]
    assert ax.get_legend().get_texts()[-1].get_text() == "3 others"
    with pytest.raises(UsageError, match=r"no ratings of 'sound'.*look"):
        metric_against_people(board, "m.id", "sound")
    with pytest.raises(UsageError, match=r"no metric 'm.err' here"):
        metric_against_people(board, "m.err")
    with pytest.raises(UsageError, match="no metric to hold against ratings"):
        metric_against_people(replace(board, points=()), "m.id")


def test_what_is_better_is_said_on_the_axis():
    assert axis_words("FID", "", False) == "FID, lower is better ↓"
    assert axis_words("PSNR", "dB", True, across=True) == "PSNR (dB), higher is better →"
    assert axis_words("LSE-D", "", False, across=True) == "LSE-D, ← lower is better"
    assert axis_words("Offset", "ms", None) == "Offset (ms)"


def test_hostile_names_are_drawn_as_text(tmp_path):
    _, board = hostile()
    made = [rank_intervals(board), distributions(make_scorecard(30, 1, hostile=True), "sync.joonson.lse_c")]
    runs = {f"{text} $x_{{1}}$": small_card(text, {"psnr.rgb": [1.0, 2.0]}) for text in NASTY[:12]}
    made += [distributions(runs, "psnr"), metric_over_steps([(1, {"a$b": 1.0})], "a$b", label="$\\frac$")]
    made.append(metric_against_people(board, "m.id"))
    for at, ax in enumerate(made):
        ax.figure.savefig(tmp_path / f"{at}.png")  # mathtext that doesn't parse would raise
        texts = [item.get_text() for item in ax.findobj(matplotlib.text.Text)]
        assert not [text for text in texts if any(char in text for char in "\x1b\u202e\u200b")]


CALLS = {
    "distributions": lambda ax: distributions(make_scorecard(12, 1), "psnr", ax=ax),
    "metric_over_steps": lambda ax: metric_over_steps([(0, {"fid": 1.0}), (1, {"fid": None})], "fid", label="x", ax=ax),
    "rank_intervals": lambda ax: rank_intervals(plain(("a", "b"))[1], ax=ax),
    "metric_against_people": lambda ax: metric_against_people(plain(("a", "b"))[1], "m.id", ax=ax),
}


@pytest.mark.parametrize("name", CALLS)
def test_a_plot_draws_into_the_axes_given_and_changes_nothing_global(name):
    from matplotlib.figure import Figure

    given, other = Figure().subplots(1, 2)
    before = dict(matplotlib.rcParams)
    assert CALLS[name](given) is given
    assert dict(matplotlib.rcParams) == before
    assert other.has_data() is False
    assert given.has_data()
    with pytest.raises(UsageError, match="axes of matplotlib"):
        CALLS[name](given.figure)


PROGRAM = """
import sys
import evalkit
assert "matplotlib" not in sys.modules
plot = evalkit.plot
assert "matplotlib" not in sys.modules, "importing evalkit.plot imports matplotlib"
ax = plot.metric_over_steps([(0, {"fid": 1.0}), (1, {"fid": 2.0})], "fid")
assert "matplotlib.pyplot" not in sys.modules, "pyplot would choose a backend"
import matplotlib
from matplotlib import pyplot
backend = matplotlib.rcParams._get_backend_or_none()
assert backend is None, backend
assert pyplot.get_fignums() == []
pyplot.switch_backend("agg")
plot.metric_over_steps([(0, {"fid": 1.0}), (1, {"fid": 2.0})], "fid")
assert pyplot.get_fignums() == [1], "with pyplot in use the figure is one of its own"
"""


def test_a_program_without_pyplot_keeps_no_figure_and_no_backend():
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_without_matplotlib_the_error_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setitem(sys.modules, "matplotlib.axes", None)
    with pytest.raises(MachineError, match=r"evalkit-video\[plots\]"):
        evalkit.plot.rank_intervals(plain(("a", "b"))[1])


def test_colours_are_told_apart_without_red_and_green():
    """Machado et al. (2009): what deuteranopia, protanopia and tritanopia make of the first colours stays distinct."""
    kinds = {
        "protanopia": [
            [0.152286, 1.052583, -0.204868],
            [0.114503, 0.786281, 0.099216],
            [-0.003882, -0.048116, 1.051998],
        ],
        "deuteranopia": [
            [0.367322, 0.860646, -0.227968],
            [0.280085, 0.672501, 0.047413],
            [-0.011820, 0.042940, 0.968881],
        ],
        "tritanopia": [
            [1.255528, -0.076749, -0.178779],
            [-0.078411, 0.930809, 0.147602],
            [0.004733, 0.691367, 0.303900],
        ],
    }
    linear = np.array([[int(one[at : at + 2], 16) / 255 for at in (1, 3, 5)] for one in COLOURS])
    linear = np.where(linear <= 0.04045, linear / 12.92, ((linear + 0.055) / 1.055) ** 2.4)
    for matrix in kinds.values():
        seen = np.clip(linear @ np.array(matrix).T, 0, 1) ** (1 / 2.2)
        apart = [np.linalg.norm(seen[a] - seen[b]) for a in range(4) for b in range(a)]
        assert apart[0] > 0.5  # of two runs side by side
        assert min(apart) > 0.1


# --- curves of detectors ----------------------------------------------------------------------------------------------


def detector_card(name, *generators):
    """A scorecard with a curve per generator through a point that depends on name and generator."""
    roc = [
        {"name": one, "n_real": 4, "n_fake": 5, "points": [[0, 0], [0.1 * len(name), 0.5 + 0.1 * at], [1, 1]]}
        for at, one in enumerate(generators)
    ]
    return small_card(name, {"det.score": [0.5]}).model_copy(update={"curves": {"roc": roc, "reliability": []}})


def test_roc_curves_of_one_run_and_of_several():
    one = detector_card("ab", "g1", "g2")
    ax = detector_curves(one)
    assert [line.get_label() for line in ax.lines] == ["g1", "g2", "guessing"]
    assert [tuple(point) for point in ax.lines[1].get_xydata()] == [(0, 0), (pytest.approx(0.2), 0.6), (1, 1)]
    ax = detector_curves({"x": one, "y": detector_card("abc", "g1")}, "g1")
    assert [line.get_label() for line in ax.lines] == ["x", "y", "guessing"]
    assert ax.lines[1].get_xydata()[1].tolist() == pytest.approx([0.3, 0.5])
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("false alarms", "fakes found")


def test_det_curves_are_normal_deviates_of_misses():
    ax = detector_curves(detector_card("ab", "g1"), kind="det")
    x, y = ax.lines[0].get_xydata()[1]
    assert (x, y) == (pytest.approx(-0.8416212), pytest.approx(0.0))  # of 20 % and of 50 %
    ends = ax.lines[0].get_xydata()[[0, -1]]
    assert ends[0].tolist() == pytest.approx([-3.0902323, 1.2815516])  # 0.1 % and 90 %
    assert ends[1].tolist() == pytest.approx([1.2815516, -3.0902323])


def test_curves_of_a_leaderboard():
    curves = tuple(
        DetectorCurve(f"t{at}", "g1", 4, 5, ((0.0, 0.0), (0.1, 0.2 + at / 20), (1.0, 1.0))) for at in range(9)
    )
    board = replace(plain(("alpha",))[1], curves=curves)
    ax = detector_curves(board)
    assert len(ax.lines) == 10
    assert [text.get_text() for text in ax.get_legend().get_texts()] == [
        *(f"t{at}" for at in range(7)),
        "2 others",
        "guessing",
    ]
    assert ax.lines[8].get_ydata()[1] == pytest.approx(0.6)


def test_curves_that_can_not_be_drawn_say_why():
    with pytest.raises(InputError, match="no curves"):
        detector_curves(small_card("a", {"psnr.rgb": [1.0]}))
    two = {"x": detector_card("ab", "g1", "g2")}
    with pytest.raises(UsageError, match="several generators"):
        detector_curves(two)
    with pytest.raises(UsageError, match="Did you mean 'g1'"):
        detector_curves(two, "g11")
    with pytest.raises(UsageError, match="no such plot"):
        detector_curves(two, "g1", kind="pr")
