"""Which scorecards may stand side by side, and what the numbers on the page are."""

from __future__ import annotations

import json

import pytest
from scorecards import make_scorecard, small_card

from evalkit.errors import InputError, UsageError
from evalkit.reports.comparison.inputs import ComparedEntry, UnscoredSubmission, load_inputs
from evalkit.reports.comparison.model import NOT_REQUESTED, best_entries, make_comparison
from evalkit.scoring.scorecard import FeatureUse


def entry(name, values, **more):
    return ComparedEntry(name, small_card(name, values, **more))


def pair(**changes):
    """Two scorecards; ``changes`` are fields of the second."""
    return [entry("a", {"m.x": [1.0, 2.0]}), entry("b", {"m.x": [3.0, 4.0]}, **changes)]


# --- what may be compared --------------------------------------------------------------------------------------------


def test_equal_in_everything_but_the_numbers():
    comparison = make_comparison(pair())
    assert [column.id for column in comparison.columns] == ["m.x"]
    assert comparison.samples == ("s1", "s2")


@pytest.mark.parametrize(
    ("changes", "word", "found"),
    [
        ({"challenge": {"id": "d", "sha256": "01" * 32}}, "challenge", "'c' and 'd'"),
        (
            {"challenge": {"id": "c", "sha256": "02" * 32}},
            "scoring rules of the challenge",
            "'c 010101010101' and 'c 020202020202'",
        ),
        ({"backbones": "bundled"}, "backbones", "'published' and 'bundled'"),
        (
            {"provenance": {"testset": {"sha256": "ab" * 32}, "backbones": {"sha256": "ee" * 32}}},
            "backbones' digest",
            "'published cdcdcdcdcdcd' and 'published eeeeeeeeeeee'",
        ),
        (
            {"provenance": {"testset": {"sha256": "ff" * 32}, "backbones": {"sha256": "cd" * 32}}},
            "test set",
            "'2 samples, abababababab' and '2 samples, ffffffffffff'",
        ),
        (
            {"provenance": {"backbones": {"sha256": "cd" * 32}}},
            "test set",
            "'2 samples, abababababab' and '2 samples, not recorded'",
        ),
        ({"protocol": 2}, "definition of m.x", "'protocol 1, higher is better' and 'protocol 2, higher is better'"),
        (
            {"better": {"m.x": False}},
            "definition of m.x",
            "'protocol 1, higher is better' and 'protocol 1, lower is better'",
        ),
    ],
)
def test_a_difference_is_refused_and_named(changes, word, found):
    with pytest.raises(InputError) as caught:
        make_comparison(pair(**changes))
    assert caught.value.what == f"'a' and 'b' can't be compared: they differ in {word}."
    assert caught.value.found == found
    assert caught.value.fix
    assert caught.value.exit_code == 1


def test_other_samples_are_refused_even_where_no_digest_is_recorded():
    first, second = pair(provenance={})
    renamed = second.card.videos[1].model_copy(update={"sample": "other"})
    cards = [
        first.card.model_copy(update={"provenance": {}}),
        second.card.model_copy(update={"videos": (second.card.videos[0], renamed)}),
    ]
    with pytest.raises(InputError) as caught:
        make_comparison([ComparedEntry("a", cards[0]), ComparedEntry("b", cards[1])])
    assert caught.value.found == "'sample 2 is 's2'' and 'sample 2 is 'other''"


def test_fewer_samples_are_refused():
    with pytest.raises(InputError, match="test set"):
        make_comparison([entry("a", {"m.x": [1.0, 2.0]}), entry("b", {"m.x": [1.0]})])


@pytest.mark.parametrize(
    ("use", "found"),
    [
        (FeatureUse(version=2, weights=("aa" * 32,), options={"size": 1}), "'version 1' and 'version 2'"),
        (FeatureUse(version=1, weights=("bb" * 32,), options={"size": 1}), "['aaaaaaaaaaaa']"),
        (FeatureUse(version=1, weights=("aa" * 32,), options={"size": 2}), "'options {'size': 1}'"),
    ],
)
def test_features_of_another_version_weights_or_options_are_refused(use, found):
    first, second = pair()
    plain = FeatureUse(version=1, weights=("aa" * 32,), options={"size": 1})
    cards = [
        one.card.model_copy(update={"features": {"faces": feature}}) for one, feature in ((first, plain), (second, use))
    ]
    with pytest.raises(InputError, match="feature 'faces'") as caught:
        make_comparison([ComparedEntry("a", cards[0]), ComparedEntry("b", cards[1])])
    assert found in caught.value.found


def test_frames_of_the_report_are_no_difference():
    first, second = pair()
    cards = [
        one.card.model_copy(update={"features": {"filmstrip": FeatureUse(version=number)}})
        for number, one in enumerate((first, second))
    ]
    assert make_comparison([ComparedEntry("a", cards[0]), ComparedEntry("b", cards[1])]).columns


def test_two_later_ones_are_compared_with_each_other_too():
    entries = [
        entry("a", {"m.x": [1.0]}),
        entry("b", {"m.x": [1.0], "m.y": [2.0]}),
        ComparedEntry("c", small_card("c", {"m.x": [1.0], "m.y": [2.0]}, better={"m.y": False})),
    ]
    with pytest.raises(InputError, match=r"'b' and 'c' can't be compared: they differ in definition of m\.y"):
        make_comparison(entries)


def test_what_an_installation_does_not_know_is_no_difference():
    first = entry("a", {"m.x": [None, None]}, protocol=0, better={"m.x": None})
    comparison = make_comparison([first, entry("b", {"m.x": [3.0, 4.0]})])
    assert comparison.columns[0].better == "higher"


def test_a_report_on_another_challenge_is_refused():
    report = UnscoredSubmission("broken", "refused", "d", 0, ())
    with pytest.raises(InputError, match="'a' and 'broken' can't be compared: they differ in challenge"):
        make_comparison([entry("a", {"m.x": [1.0]})], [report])
    assert make_comparison(
        [entry("a", {"m.x": [1.0]})], [UnscoredSubmission("broken", "refused", None, 0, ())]
    ).unscored


def test_nothing_scored_is_refused():
    with pytest.raises(InputError, match="no scorecard"):
        make_comparison([], [UnscoredSubmission("broken", "refused", "c", 0, ())])


# --- best ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("higher", "values", "best"),
    [
        (True, [1.0, 3.0, 2.0], {"b"}),
        (False, [1.0, 3.0, 2.0], {"a"}),
        (None, [1.0, 3.0, 2.0], set()),
        (True, [3.0, 3.0, 2.0], {"a", "b"}),
        (True, [3.0, 3.0, 3.0], set()),
        (True, [3.0, None, None], set()),
        (True, [None, None, None], set()),
    ],
)
def test_best(higher, values, best):
    entries = [
        entry(name, {"m.x": [value, value]}, better={"m.x": higher}) for name, value in zip("abc", values, strict=True)
    ]
    assert best_entries(entries, "m.x", higher) == best


def test_a_number_of_fewer_samples_is_not_the_best():
    entries = [entry("a", {"m.x": [1.0, 2.0]}), entry("b", {"m.x": [9.0, None]}), entry("c", {"m.x": [3.0, 1.0]})]
    assert best_entries(entries, "m.x", True) == {"c"}
    assert best_entries(entries[:2], "m.x", True) == set()  # nobody of equal coverage to be better than


# --- numbers ---------------------------------------------------------------------------------------------------------


def test_columns_by_role_and_cells_with_reasons():
    first = make_scorecard(20, 1)
    second = make_scorecard(20, 2)
    fewer = {name: score for name, score in second.metrics.items() if name != "identity.strict"}
    comparison = make_comparison(
        [ComparedEntry("a", first), ComparedEntry("b", second.model_copy(update={"metrics": fewer}))]
    )
    roles = [column.score.role for column in comparison.columns]
    assert roles == sorted(roles, key=["ranked", "secondary", "diagnostic"].index)
    columns = {column.id: column for column in comparison.columns}
    assert comparison.cell(comparison.entries[1], columns["identity.strict"]).reason == NOT_REQUESTED
    assert comparison.cell(comparison.entries[0], columns["ssim.gray"]).reason == "no_reference_video"
    # Of 20 videos two can't be decoded, two are missing, two have no face.
    assert comparison.cell(comparison.entries[0], columns["sync.joonson.lse_c"]).gaps == (
        ("missing_video", 2),
        ("no_face", 2),
        ("not_decodable", 2),
    )
    assert not columns["fid.pytorch"].per_video


GROUPS = [{"place": word, "age": age} for word, age in (("far", "old"), ("far", "new"), ("near", "old"))]


def test_breakdown_by_hand():
    entries = [
        entry("a", {"m.x": [1.0, 3.0, 7.0]}, groups=GROUPS),
        entry("b", {"m.x": [5.0, None, 4.0]}, groups=GROUPS),
        entry("c", {"m.x": [None, None, 4.0]}, groups=GROUPS),
        entry("d", {"m.x": [2.0, 2.0, 2.0]}, groups=GROUPS),
    ]
    comparison = make_comparison(entries)
    age, place = comparison.breakdowns(comparison.columns[0])
    assert (age.name, place.name) == ("age", "place")
    assert place.values == ("far", "near")
    a, b, c, d = place.lines
    assert (a.means, a.worst, a.gap) == (((2.0, 2), (7.0, 1)), "far", 5.0)
    assert (b.means, b.worst, b.gap) == (((5.0, 1), (4.0, 1)), "near", 1.0)
    assert (c.means, c.worst, c.gap) == (((None, 0), (4.0, 1)), None, None)
    assert (d.worst, d.gap) == (None, 0.0)


@pytest.mark.parametrize(("higher", "worst"), [(True, "far"), (False, "near"), (None, None)])
def test_the_worst_group_follows_the_direction(higher, worst):
    entries = [entry("a", {"m.x": [1.0, 3.0, 7.0]}, groups=GROUPS, better={"m.x": higher})]
    comparison = make_comparison(entries)
    assert comparison.breakdowns(comparison.columns[0])[1].lines[0].worst == worst


def test_samples_on_which_entries_differ_most():
    entries = [entry("a", {"m.x": [1.0, 1.0, 1.0, None]}), entry("b", {"m.x": [2.0, 9.0, -4.0, 50.0]})]
    assert make_comparison(entries).most_different_samples(3) == [1, 2, 0]
    assert make_comparison([entry("a", {"m.x": [None, None]})]).most_different_samples(5) == [0, 1]


def test_the_chosen_metric():
    entries = [entry("a", {"m.x": [1.0], "psnr.rgb": [2.0]}, whole={"fid.pytorch": 3.0})]
    assert make_comparison(entries).chosen.id == "m.x"
    assert make_comparison(entries, metric="psnr").chosen.id == "psnr.rgb"
    with pytest.raises(UsageError, match="no metric 'psnrr'"):
        make_comparison(entries, metric="psnrr")
    with pytest.raises(UsageError, match="per-video values"):
        make_comparison(entries, metric="fid.pytorch")


def test_json_has_the_numbers_of_the_page():
    entries = [
        entry("a", {"m.x": [1.0, 3.0, 7.0]}, groups=GROUPS, whole={"w.y": 4.0}),
        ComparedEntry("b", small_card("bb", {"m.x": [5.0, None, 4.0]}, groups=GROUPS, whole={"w.y": None}), "a note"),
    ]
    finding = {"rule": "archive.bomb-ratio", "severity": "error"}
    document = make_comparison(entries, [UnscoredSubmission("broken", "refused", "c", 0, (finding,))]).to_json()
    assert json.loads(json.dumps(document, allow_nan=False)) == json.loads(json.dumps(document))
    assert document["testset"] == {"sha256": "ab" * 32, "samples": 3}
    assert document["comparable_with_published"] is True
    first, second = document["entries"]
    assert second["note"] == "a note"
    assert second["submission"]["name"] == "bb"
    assert first["values"]["m.x"]["value"] == pytest.approx(11 / 3)
    assert second["values"]["m.x"] == {
        "value": 4.5,
        "ci95": (4.0, 5.0),
        "n": 2,
        "coverage": pytest.approx(2 / 3),
        "not_applicable": 0,
        "reason": None,
        "missing": {"no_face": 1},
    }
    assert second["values"]["w.y"]["reason"] == "too_few"
    assert second["values"]["w.y"]["value"] is None
    assert document["videos"][1] == {"sample": "s2", "values": {"m.x": {"a": 3.0, "b": None}}}
    assert document["metrics"]["m.x"]["groups"]["place"]["a"] == {
        "means": {"far": {"mean": 2.0, "n": 2}, "near": {"mean": 7.0, "n": 1}},
        "worst": "far",
        "gap": 5.0,
    }
    assert document["unscored"] == [{"name": "broken", "state": "refused", "files": 0, "findings": [finding]}]


# --- files -----------------------------------------------------------------------------------------------------------


def write(path, document):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(document if isinstance(document, str) else json.dumps(document))
    return path


REPORT = {
    "schema": 1,
    "ok": False,
    "challenge": "c",
    "submission": "broken",
    "refused": False,
    "files": [
        {
            "path": "s1.mp4",
            "sample": "s1",
            "verdict": "error",
            "facts": {},
            "findings": [{"rule": "encoding.codec", "severity": "error", "message": "Not H.264.", "found": "hevc"}],
        }
    ],
    "findings": [{"rule": "layout.missing", "severity": "error", "message": "No file.", "sample": "s2"}],
}


def test_folders_files_and_reports_are_read(tmp_path):
    card = small_card("a", {"m.x": [1.0]})
    write(tmp_path / "one" / "scorecard.json", card.to_json())
    write(tmp_path / "two.json", small_card("b", {"m.x": [1.0]}).to_json())
    write(tmp_path / "three.json", REPORT)
    places = [tmp_path / "one", tmp_path / "two.json", tmp_path / "three.json"]
    entries, unscored = load_inputs(places, {tmp_path / "two.json": "Bee"}, {"Bee": "hums"})
    assert entries == [ComparedEntry("a", card), ComparedEntry("Bee", small_card("b", {"m.x": [1.0]}), "hums")]
    (report,) = unscored
    assert (report.name, report.state, report.challenge, report.files) == ("broken", "invalid", "c", 1)
    assert [(finding["rule"], finding["place"]) for finding in report.findings] == [
        ("layout.missing", "s2"),
        ("encoding.codec", "s1.mp4"),
    ]


@pytest.mark.parametrize(
    ("changes", "state"),
    [({"refused": True}, "refused"), ({"ok": True}, "valid"), ({}, "invalid")],
)
def test_states_of_a_report(tmp_path, changes, state):
    assert load_inputs([write(tmp_path / "x.json", {**REPORT, **changes})])[1][0].state == state


def test_a_submission_that_could_not_be_opened(tmp_path):
    error = {"kind": "SubmissionError", "message": "It is a RAR.", "found": "RAR", "expected": "a ZIP", "fix": None}
    write(tmp_path / "team-x.json", {"schema": 1, "ok": False, "error": error})
    _, (report,) = load_inputs([tmp_path / "team-x.json"])
    assert (report.name, report.state, report.challenge) == ("team-x", "refused", None)
    assert report.findings[0]["rule"] == "SubmissionError"
    assert report.findings[0]["message"] == "It is a RAR."
    assert report.findings[0]["fix"] == ""


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("[]", "neither a scorecard nor"),
        ('{"schema": 1}', "neither a scorecard nor"),
        ('{"schema": 2, "metrics": {}}', "schema 2"),
        ('{"schema": 2, "ok": true}', "schema 2"),
        ('{"ok": true}', "damaged: the key 'schema' is missing"),
        ('{"schema": 1, "ok": true, "files": [{"path": 3}]}', "damaged: 'files.0.path': must be text"),
        ('{"schema": 1, "ok": false, "error": {}}', "damaged: the key 'error.kind' is missing"),
    ],
)
def test_other_files_are_refused_with_a_sentence(tmp_path, text, words):
    with pytest.raises(InputError, match=words):
        load_inputs([write(tmp_path / "x.json", text)])


def test_two_of_one_name_are_refused(tmp_path):
    places = [write(tmp_path / name, small_card("a", {"m.x": [1.0]}).to_json()) for name in ("1.json", "2.json")]
    with pytest.raises(InputError, match="Two submissions are called 'a'"):
        load_inputs(places)
    entries, _ = load_inputs(places, {places[1]: "b"})
    assert [found.name for found in entries] == ["a", "b"]
