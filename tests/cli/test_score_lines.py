"""What ``score`` prints of findings and events: submissions with different faults look different."""

from __future__ import annotations

from pathlib import Path

import pytest
from builders.boards import make_card

from evalkit.cli.score import MOST_KINDS, default_output, finding_lines, not_applicable_lines, print_scorecard
from evalkit.scoring.scorecard import Scorecard


def card(*videos: dict, findings: tuple[dict, ...] = ()) -> Scorecard:
    document = make_card("a.zip", {"psnr.rgb": [30.0] * max(len(videos), 1)}).model_dump(mode="json", by_alias=True)
    for video, more in zip(document["videos"], videos, strict=False):
        video.update(more)
    document["findings"] = list(findings)
    return Scorecard.model_validate(document)


def finding(rule: str, severity: str = "warning", message: str = "Something.") -> dict:
    return {"rule": rule, "severity": severity, "message": message}


LATE = {"verdict": "warning", "findings": [finding("gaming.audio-shifted", message="The speech comes late.")]}
BUSY = {"events": [{"kind": "several_faces", "detail": "2 tracks; the longest is the subject"}]}


def test_kinds_numbers_samples_and_the_first_sentence() -> None:
    lines = finding_lines(card(LATE, LATE | BUSY, BUSY, findings=(finding("layout.extra", "error", "Not asked for."),)))
    assert lines == [
        "  error layout.extra x 1: Not asked for.",
        "  warning gaming.audio-shifted x 2 (s1 and s2): The speech comes late.",
        "  event several_faces x 2 (s2 and s3): 2 tracks; the longest is the subject",
    ]
    assert finding_lines(card({}, {})) == []


def test_what_follows_where_runs_are_ranked_is_said() -> None:
    looped = finding("gaming.looped", message="Again.")
    zeroed, refused = ({"findings": [looped | {"consequence": effect}]} for effect in ("zero", "refuse"))
    assert finding_lines(card(zeroed, zeroed)) == [
        "  warning gaming.looped x 2 (s1 and s2), zero where runs are ranked: Again."
    ]
    (line,) = finding_lines(card(zeroed, refused))
    assert "(s1 and s2), refuse and zero where runs are ranked" in line
    (line,) = finding_lines(card({"findings": [looped | {"consequence": "\x1b[2Jparty"}]}))
    assert line == "  warning gaming.looped x 1 (s1): Again."


def test_two_submissions_with_equal_numbers_look_different(capsys: pytest.CaptureFixture[str]) -> None:
    printed = []
    for one in (card({}, {}), card(LATE, LATE), card(BUSY, {})):
        print_scorecard(one)
        printed.append(capsys.readouterr().out)
    assert len(set(printed)) == 3
    assert "gaming.audio-shifted x 2 (s1 and s2)" in printed[1]


def test_so_many_kinds_and_names_that_try_to_be_more() -> None:
    many = card({"findings": [finding(f"a.r{at:02d}") for at in range(MOST_KINDS + 1)]})
    lines = finding_lines(many)
    assert len(lines) == MOST_KINDS + 1
    assert lines[-1] == "  ... and 1 more kind in report.html"
    hostile = card({"findings": [finding("a\x1b[2J\nb", "\u202e", "x\ny" * 1000)]})
    (line,) = finding_lines(hostile)
    assert line.isprintable()
    assert len(line) < 500


def test_the_default_folder_is_never_inside_the_submission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inside = tmp_path / "team" / "videos"
    inside.mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    assert default_output(Path("team")) == default_output(Path("team.zip")) == Path("team-scorecard")
    for place, submission in ((inside.parent, "."), (inside, ".."), (inside, tmp_path / "team")):
        monkeypatch.chdir(place)
        assert default_output(Path(submission)) == tmp_path / "team-scorecard"


def test_videos_without_any_value_are_not_called_scored(capsys: pytest.CaptureFixture[str]) -> None:
    print_scorecard(card({}, {}))
    assert "2 of 2 videos scored" in capsys.readouterr().out
    empty = {"psnr.rgb": None}
    reasons = {"psnr.rgb": "no_reference_video"}
    made = card({"values": empty, "reasons": reasons}, {"values": empty, "reasons": reasons})
    score = made.metrics["psnr.rgb"].model_copy(update={"value": None, "n": 0, "reason": "no_reference_video"})
    print_scorecard(made.model_copy(update={"metrics": {"psnr.rgb": score}}))
    assert "2 of 2 videos read, but no metric has a value" in capsys.readouterr().out


def test_why_a_metric_is_not_applicable_is_its_own_reason() -> None:
    made = make_card("a.zip", {"psnr.rgb": [30.0], "ssim.gray": [0.5]})
    names = [*made.metrics]
    metrics = {name: entry.model_copy(update={"not_applicable": 1}) for name, entry in made.metrics.items()}
    reasons = dict(zip(names, ("not_applicable:no_silence", "not_applicable:no_person"), strict=True))
    videos = (made.videos[0].model_copy(update={"reasons": reasons}),)
    lines = not_applicable_lines(made.model_copy(update={"metrics": metrics, "videos": videos}))
    assert lines == [
        f"  Not applicable to 1 sample (no_silence), and not counted there: {names[0]}.",
        f"  Not applicable to 1 sample without a person, and not counted there: {names[1]}.",
    ]


def test_numbers_of_the_set_say_what_they_are_not_about() -> None:
    made = make_card("a.zip", {"leak.silent_conf": [0.2], "leak.frac": [0.1], "leak.lsd_cr": [0.3]})
    counts = {"leak.silent_conf": 6, "leak.frac": 6, "leak.lsd_cr": 3}
    metrics = {name: made.metrics[name].model_copy(update={"not_applicable": times}) for name, times in counts.items()}
    metrics["leak.frac"] = metrics["leak.frac"].model_copy(update={"value": None, "reason": "weights_missing:syncnet"})
    lines = not_applicable_lines(made.model_copy(update={"metrics": metrics}))
    assert lines == [
        "  Not applicable to 6 samples of other setups, and not counted there: leak.silent_conf, leak.frac.",
        "  Not applicable to 3 samples of other setups, and not counted there: leak.lsd_cr.",
    ]
