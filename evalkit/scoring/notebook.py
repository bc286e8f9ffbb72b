"""How a scorecard and a validation show themselves in a notebook."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from evalkit.metrics.base import is_not_applicable
from evalkit.notebook.fragment import Cell, Sentence, Table, Tone, fragment
from evalkit.notebook.pictures import parts, spread
from evalkit.scoring.records import MetricScore, VideoScore, gap_text
from evalkit.text import count, format_value, found_and_expected
from evalkit.validators.findings import Finding

METRICS = 50  # rows
VIDEOS = 10
VIDEO_METRICS = 6  # columns of the table of videos
BETTER = {True: "higher", False: "lower", None: ""}
VERDICTS: tuple[tuple[str, str], ...] = (
    ("ok", "ok"),
    ("warning", "with warnings"),
    ("error", "refused"),
    ("missing", "missing"),
)
_TONES: dict[str, Tone] = {"error": "error", "warning": "warning", "missing": "error"}
_SEVERITIES = ("error", "warning", "info")


class Valued(Protocol):
    """Something that has a value per metric, or the reason why it has none."""

    @property
    def values(self) -> Mapping[str, float | None]:
        """Metric -> value."""

    @property
    def reasons(self) -> Mapping[str, str]:
        """Metric -> why there is no value."""


@dataclass(frozen=True)
class Values:
    """One of them: the values and reasons of a video that is known by its place alone."""

    values: Mapping[str, float | None]
    reasons: Mapping[str, str]


def scorecard_fragment(title: str, metrics: Mapping[str, MetricScore], videos: Sequence[VideoScore]) -> str:
    """Return the HTML of a scorecard: its metrics, and the first videos at a click."""
    table = metrics_table("Metrics of the whole submission", metrics, videos, "to_pandas('metrics')")
    return fragment(title, _verdicts(Counter(video.verdict for video in videos)), table, _videos(metrics, videos))


def metrics_table(
    caption: str, metrics: Mapping[str, MetricScore], videos: Sequence[Valued], rest: str, what: str = "video"
) -> Table:
    """Return a row per metric: its value with everything beside it, and how the values of the videos spread.

    Args:
        caption: of the table.
        metrics: of all videos together.
        videos: the values of each; empty where there are none.
        rest: where all of it is.
        what: what has a value each, in the singular.
    """
    heads: list[Cell | str] = ["metric", Cell("value", number=True), "95 % interval", f"{what}s", "better"]
    heads += [Cell("n", number=True), Cell("coverage", number=True)]
    return Table(
        caption,
        heads,
        [_metric_cells(name, score, videos, what) for name, score in list(metrics.items())[:METRICS]],
        total=len(metrics),
        what="metric",
        rest=rest,
        most=METRICS,
    )


def _verdicts(found: Mapping[str, int], what: str = "video") -> Sentence:
    """Return how many videos there are of each verdict."""
    words = [f"{found[verdict]} {words}" for verdict, words in VERDICTS if found.get(verdict)]
    total = sum(found.values())
    said = f"{count(total, what)}: {', '.join(words)}." if total else f"No {what}s."
    return Sentence(said, parts([(verdict, found.get(verdict, 0)) for verdict, _ in VERDICTS], said))


def _metric_cells(name: str, score: MetricScore, videos: Sequence[Valued], what: str) -> list[Cell]:
    unit = f" {score.unit}" if score.unit else ""
    notes = ", ".join(dict.fromkeys(note.kind for note in score.notes))
    value = Cell(gap_text(score.reason), number=True, tone="muted" if is_not_applicable(score.reason) else "error")
    if score.value is not None:
        value = Cell(f"{format_value(score.value)}{unit}", notes, number=True)
    ends = "" if score.ci95 is None else f"{format_value(score.ci95[0])} to {format_value(score.ci95[1])}"
    return [
        Cell(score.title or name, name if score.title else ""),
        value,
        Cell(ends),
        _spread(name, score, videos, what),
        Cell(BETTER[score.higher_is_better]),
        Cell(str(score.n), number=True),
        Cell(share_text(score.coverage), number=True),
    ]


def _spread(name: str, score: MetricScore, videos: Sequence[Valued], what: str) -> Cell:
    """Return how the values of the videos are distributed; of a number of the whole set there are none."""
    asked = [video for video in videos if name in video.values]
    values = [value for video in asked if (value := video.values[name]) is not None]
    if not values:
        return Cell()
    said = f"{count(len(values), what)} from {format_value(min(values))} to {format_value(max(values))}"
    gaps = sum(video.values[name] is None and not is_not_applicable(video.reasons.get(name)) for video in asked)
    note = f"{format_value(min(values))} to {format_value(max(values))}" + (f", {gaps} without" if gaps else "")
    return Cell(note=note, picture=spread(values, score.value if score.aggregate == "mean" else None, said))


def _videos(metrics: Mapping[str, MetricScore], videos: Sequence[VideoScore]) -> Table | None:
    asked = {name for video in videos for name in video.values}
    names = [name for name in metrics if name in asked] + sorted(asked - metrics.keys())
    if not names:
        return None
    shown = names[:VIDEO_METRICS]
    more = f", {len(names) - len(shown)} more metrics" if len(names) > len(shown) else ""
    titles = {name: score.title or name for name, score in metrics.items()}
    return Table(
        f"Videos{more}",
        ["sample", "verdict", *(Cell(titles.get(name, name), number=True) for name in shown)],
        [
            [
                Cell(video.sample),
                Cell(video.verdict, tone=_TONES.get(video.verdict, "")),
                *(_video_cell(video, name) for name in shown),
            ]
            for video in videos[:VIDEOS]
        ],
        total=len(videos),
        what="video",
        rest="to_pandas()",
        folded=True,
    )


def _video_cell(video: VideoScore, name: str) -> Cell:
    if name not in video.values:
        return Cell("not asked", number=True, tone="muted")
    value = video.values[name]
    return Cell(gap_text(video.reasons.get(name)) if value is None else format_value(value), number=True)


def share_text(share: float) -> str:
    """Return a share in percent, never rounded up to the whole nor down to nothing."""
    return f"{min(max(100 * share, 0.1), 99.9):.1f} %" if 0 < share < 1 else f"{100 * share:.0f} %"


def validation_fragment(
    title: str,
    verdicts: Mapping[str, int],
    sentences: Iterable[str],
    findings: Sequence[Finding],
) -> str:
    """Return the HTML of a validation: how many files are of each verdict, and what each rule found.

    Args:
        title: whether it is valid.
        verdicts: number of files of each.
        sentences: what else there is to say, such as missing files.
        findings: of archive, set and files.
    """
    by_rule: dict[tuple[str, str], list[Finding]] = {}
    for finding in findings:
        by_rule.setdefault((finding.severity, finding.rule), []).append(finding)
    order = sorted(by_rule.items(), key=lambda one: (_SEVERITIES.index(one[0][0]), -len(one[1]), one[0][1]))
    table = Table(
        "What the rules found, gravest first",
        ["rule", "severity", Cell("times", number=True), "first place", "what", "what to do"],
        [_rule_cells(rule, severity, found) for (severity, rule), found in order],
        what="rule",
        rest="all_findings()",
    )
    said = [Sentence(sentence) for sentence in sentences]
    return fragment(title, _verdicts(verdicts, "file"), *said, table if order else None)


def _rule_cells(rule: str, severity: str, found: Sequence[Finding]) -> list[Cell]:
    first = found[0]
    place = first.path or first.sample or ""
    return [
        Cell(rule),
        Cell(severity, tone=_TONES.get(severity, "")),
        Cell(str(len(found)), number=True),
        Cell(place),
        Cell(first.message, found_and_expected(first.found, first.expected)),
        Cell(first.fix or ""),
    ]
