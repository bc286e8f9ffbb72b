"""None"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from builders.testsets import FACIAL, Write, _event, _json, refused
from hypothesis import given
from hypothesis import strategies as st

from evalkit.errors import TestSetError
from evalkit.jsonio import parse_json
from evalkit.testsets.loading import load_testset
from evalkit.testsets.model import Sample, TestSet, make_sample


@pytest.fixture
def native(tmp_path: Path) -> Write:
    def write(*lines: str | dict[str, Any], end: str = "\n", encoding: str = "utf-8") -> Path:
        text = end.join(line if isinstance(line, str) else json.dumps(line, ensure_ascii=False) for line in lines) + end
        (tmp_path / "samples.jsonl").write_bytes(text.encode(encoding))
        return tmp_path

    return write


# samples.jsonl


def test_a_native_test_set(native: Write) -> None:
    folder = native(
        {"id": "s02", "reference_images": ["images/a.png", "images/b.png"], "audio": "audio/s02.wav", "text": "hello"},
        {"id": "s01", "timeline": [{"start": 0, "end": 1.5, "description": "waves"}], "groups": {"age": "old"}},
        {"id": "p1/q1", "identity": "p1", "prompt": "q1", "reference_video": "videos/x.mp4"},
    )
    testset = load_testset(folder)
    assert [sample.id for sample in testset] == ["s02", "s01", "p1/q1"]  # the published order
    assert len(testset) == 3
    assert testset.format == "native"
    assert testset.path(testset.samples[0].reference_images[1]) == folder / "images" / "b.png"
    assert testset.samples[1].timeline is not None
    assert testset.samples[1].timeline[0].end == 1.5
    assert load_testset(folder / "samples.jsonl").sha256 == testset.sha256
    assert load_testset(str(folder)).root == folder


def test_blank_lines_carriage_returns_and_a_byte_order_mark_are_fine(native: Write) -> None:
    folder = native("", '{"id": "a"}', "   ", '{"id": "b"}', "\t", end="\r\n", encoding="utf-8-sig")
    assert [sample.id for sample in load_testset(folder)] == ["a", "b"]
    assert "line 7" in refused(native("", '{"id": "a"}', "", "", "", "", '{"id": 1}', end="\r\n"))


def test_the_last_line_needs_no_end(tmp_path: Path) -> None:
    (tmp_path / "samples.jsonl").write_text('{"id": "a"}\n{"id": "b"}')
    assert len(load_testset(tmp_path)) == 2


@pytest.mark.parametrize("separator", ["\u2028", "\u2029", "\x85"])
def test_json_may_hold_what_other_formats_take_for_the_end_of_a_line(native: Write, separator: str) -> None:
    folder = native({"id": "a", "text": f"one{separator}two"}, {"id": "b"})
    assert [sample.text for sample in load_testset(folder)] == [f"one{separator}two", None]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("[1]", "not a JSON object. Found list"),
        ('"s01"', "not a JSON object. Found str"),
        ("null", "not a JSON object. Found NoneType"),
        ("s01.mp4", "not a JSON object. Found Expecting value"),
        ('{"id": "a"', "not a JSON object. Found Expecting"),
        ('{"id": "a"} {"id": "b"}', "not a JSON object. Found Extra data"),
        ('{"id": "a", "id": "b"}', "not a JSON object. Found the key 'id' appears twice"),
        ('{"id": "a", "groups": {"x": "1", "x": "2"}}', "the key 'x' appears twice"),
        ('{"id": "a", "timeline": [{"start": NaN, "end": 1, "description": "x"}]}', "NaN is not a JSON value"),
        (
            '{"id": "a", "timeline": [{"start": 0, "end": Infinity, "description": "x"}]}',
            "Infinity is not a JSON value",
        ),
        ('{"id": "a", "x": ' + "[" * 100_000 + "]" * 100_000 + "}", "nested too deeply"),
        ('{"id": ' + "9" * 5000 + "}", "not a JSON object. Found Exceeds the limit"),
        ("{}", "the key 'id' is missing."),
        ('{"ID": "a"}', "unknown key 'ID'."),
        ('{"id": "a", "adio": "x.wav"}', "unknown key 'adio'. Did you mean 'audio'?"),
        ('{"id": "a", "reference_image": "x.png"}', "unknown key 'reference_image'. Did you mean 'reference_images'?"),
        ('{"id": 5}', "'id': must be text. Found 5."),
        ('{"id": null}', "'id': must be text."),
        ('{"id": "\\ud800"}', "'id': must be text, without halves of characters."),
        ('{"id": ""}', "'id'"),
        ('{"id": "' + "a" * 201 + '"}', "'id': must have at most 200 characters"),
        ('{"id": "a", "text": 5}', "'text': must be text. Found 5."),
        ('{"id": "a", "reference_images": "x.png"}', "'reference_images': must be a list. Found 'x.png'."),
        ('{"id": "a", "reference_images": ["x.png", 5]}', "'reference_images.1': must be text. Found 5."),
        ('{"id": "a", "groups": {"age": 5}}', "'groups.age': must be text. Found 5."),
        ('{"id": "a", "groups": []}', "'groups': must be a set of keys with values."),
    ],
)
def test_a_fault_names_the_file_the_line_and_the_key(native: Write, line: str, words: str) -> None:
    folder = native({"id": "first"}, line, {"id": "last"})
    message = refused(folder)
    assert message.startswith(f"{folder / 'samples.jsonl'}, line 2: ")
    assert words in message
    assert len(message) < 600


def test_an_unknown_key_is_named_before_the_missing_one_it_explains(native: Write) -> None:
    assert "unknown key 'idd'. Did you mean 'id'?" in refused(native({"idd": "a"}))


@pytest.mark.parametrize("key", ["audio", "reference_video"])
@pytest.mark.parametrize(
    "path", ["../x.wav", "a/../../x.wav", "a/..", "/etc/passwd", "//x", "..", "", ".", "a\0b"], ids=repr
)
def test_paths_stay_inside_the_folder(native: Write, key: str, path: str) -> None:
    message = refused(native({"id": "a", key: path}))
    assert f"line 1: '{key}': a path must be relative and stay inside the test set's folder." in message


def test_every_reference_image_stays_inside_the_folder(native: Write) -> None:
    message = refused(native({"id": "a", "reference_images": ["ok.png", "/x.png"]}))
    assert "'reference_images.1': a path must be relative" in message
    assert "Found '/x.png'." in message


@pytest.mark.parametrize("path", ["a.wav", "a/b.wav", "./a.wav", "a..b/c.wav", "..a/b", "~/a.wav", "a b\u00e9.wav"])
def test_ordinary_paths_are_fine(path: str) -> None:
    assert make_sample({"id": "a", "audio": path}, "here").audio == path


@pytest.mark.parametrize(
    "id_",
    [
        *("../x", "..", ".", "a/../b", "a/./b", "/a", "a/", "a//b", "/", " a", "a ", "a /b", "a\\b", "..\\x"),
        *("a\nb", "a\0b", "a\x1b[2J", "a\u202eb", "a\u200bb"),
    ],
    ids=repr,
)
def test_an_id_can_not_leave_the_folder_it_is_put_into(id_: str) -> None:
    with pytest.raises(TestSetError, match=r"^line 3: 'id': must be usable in a file's name: no backslash"):
        make_sample({"id": id_}, "line 3")
    with pytest.raises(ValueError, match="must be usable in a file's name"):
        Sample(id=id_)


@pytest.mark.parametrize(
    "id_", ["s01", "id001/prompt1", "a.b+c", "a (1)", "...", "..a", "\u8996\u983b", "a{b}", "$(x)", "-x"]
)
def test_other_ids_are_fine(id_: str) -> None:
    assert make_sample({"id": id_}, "here").id == id_


@pytest.mark.parametrize("key", ["identity", "prompt"])
def test_parts_of_an_id_are_one_name_each(key: str) -> None:
    assert make_sample({"id": "a", key: "id001"}, "here").model_dump()[key] == "id001"
    with pytest.raises(TestSetError, match=f"'{key}': must be the name of one file or folder, without '/'"):
        make_sample({"id": "a", key: "a/b"}, "here")
    for value in ("..", ".", "", "a\\b", "a\nb"):
        with pytest.raises(TestSetError, match=f"'{key}'"):
            make_sample({"id": "a", key: value}, "here")


def test_ids_are_unique(native: Write) -> None:
    message = refused(native({"id": "a"}, {"id": "b"}, {"id": "a"}))
    assert "has the sample 'a' 2 times. Expected unique ids" in message


@pytest.mark.parametrize("lines", [[], [""], ["", " ", ""]])
def test_an_empty_test_set(native: Write, lines: list[str]) -> None:
    assert "is empty. Expected at least one sample" in refused(native(*lines))


@pytest.mark.parametrize(
    ("event", "words"),
    [
        (_event(start=-0.1), "'timeline.1.start': must be at least 0. Found -0.1."),
        (_event(end=0), "'timeline.1': an event must end after it starts, found 0.0 to 0.0."),
        (_event(start=3), "'timeline.1': an event must end after it starts, found 3.0 to 2.5."),
        (_event(end=float("nan")), "'timeline.1.end': must be a finite number."),
        (_event(end=float("inf")), "'timeline.1.end': must be a finite number."),
        (_event(start="soon"), "'timeline.1.start': must be a number"),
        (_event(description=5), "'timeline.1.description': must be text. Found 5."),
        ({"start": 0, "end": 1}, "the key 'timeline.1.description' is missing."),
        (_event(strat=1), "unknown key 'timeline.1.strat'. Did you mean 'start'?"),
        ("waves", "'timeline.1': must be a set of keys with values. Found 'waves'."),
    ],
)
def test_a_timeline_is_made_of_events_that_go_forward(event: Any, words: str) -> None:
    with pytest.raises(TestSetError) as caught:
        make_sample({"id": "a", "timeline": [_event(), event]}, "here")
    assert str(caught.value).startswith("here: ")
    assert words in str(caught.value)


def test_events_may_overlap_and_leave_gaps() -> None:
    sample = make_sample({"id": "a", "timeline": [_event(), _event(start=1), _event(start=9, end=10)]}, "here")
    assert [(event.start, event.end) for event in sample.timeline or ()] == [(0, 2.5), (1, 2.5), (9, 10)]


def test_a_number_too_large_for_a_double_is_no_time(native: Write) -> None:
    folder = native('{"id": "a", "timeline": [{"start": 0, "end": 1e999, "description": "x"}]}')
    assert "'timeline.0.end': must be a finite number" in refused(folder)


# Wrong places


def test_wrong_files_and_folders(tmp_path: Path) -> None:
    assert "does not exist. Check --testset." in refused(tmp_path / "none")
    assert "does not exist" in refused(Path("a" * 5000))
    assert "does not exist" in refused(Path("a\0b"))
    empty = refused(tmp_path)
    assert "is not a test set. Found 0 folders, none with an image and prompts" in empty
    assert "expected samples.jsonl, eval.json, or folders idNNN with image.* and prompt1.txt" in empty
    (tmp_path / "videos").mkdir()
    assert "Found 1 folders, none with" in refused(tmp_path)
    (tmp_path / "team.zip").write_bytes(b"PK\x03\x04\xff\xfe")
    assert "team.zip is not UTF-8 text" in refused(tmp_path / "team.zip")
    (tmp_path / "list.csv").write_text("id,audio\ns01,a.wav\n")
    assert "list.csv, line 1: not a JSON object" in refused(tmp_path / "list.csv")


def test_a_folder_that_can_not_be_read(people: Write, request: pytest.FixtureRequest) -> None:
    folder = people(id001=["image.png", "prompt1.txt"])
    (folder / "id001").chmod(0)
    request.getfixturevalue("unprivileged")
    assert "can't be read. Found Permission denied" in refused(folder)


def test_samples_jsonl_comes_before_the_other_forms(native: Write) -> None:
    folder = native({"id": "a"})
    _json(folder, FACIAL)
    assert load_testset(folder).format == "native"
    assert load_testset(folder / "eval.json").format == "ipvg2026-facial"


# The record


def test_a_limit_takes_the_first_samples(native: Write) -> None:
    testset = load_testset(native(*({"id": f"s{n}"} for n in range(5))))
    assert [sample.id for sample in testset.limited(2)] == ["s0", "s1"]
    assert testset.limited(2).root == testset.root
    assert len(testset.limited(99)) == 5
    assert testset.limited(None) is testset


def test_the_digest_is_of_the_records_not_of_their_writing(native: Write) -> None:
    one = load_testset(native('{"id": "a", "text": "x"}', '{"id": "b"}')).sha256
    assert load_testset(native("", '{"text":"\\u0078","id":"a"}', '{"id": "b", "audio": null}')).sha256 == one
    assert load_testset(native('{"id": "b"}', '{"id": "a", "text": "x"}')).sha256 != one
    assert load_testset(native('{"id": "a", "text": "y"}', '{"id": "b"}')).sha256 != one


@given(st.recursive(st.none() | st.booleans() | st.floats() | st.text(max_size=9), lambda x: st.lists(x, max_size=3)))
def test_strict_json_reads_what_json_writes(data: Any) -> None:
    text = json.dumps(data)
    if "NaN" in text or "Infinity" in text:
        try:
            parse_json(text)
        except ValueError as error:
            assert "not a JSON value" in str(error)
        return
    assert parse_json(text) == data


@given(st.text(st.one_of(st.characters(), st.sampled_from("/.\\ ab")), max_size=30))
def test_no_id_leads_out_of_a_folder(text: str) -> None:
    try:
        sample = make_sample({"id": text}, "here")
    except TestSetError as error:
        assert str(error).startswith("here: 'id'")
        return
    assert os.path.normpath(f"/answers/{sample.id}.mp4") == f"/answers/{text}.mp4"


@given(
    st.dictionaries(
        st.sampled_from([*Sample.model_fields, "x"]), st.none() | st.integers() | st.text() | st.lists(st.text())
    )
)
def test_any_record_is_a_sample_or_a_test_set_error(record: dict[str, Any]) -> None:
    try:
        sample = make_sample(record, "here")
    except TestSetError as error:
        assert str(error).startswith("here: ")
        assert "\n" not in str(error)
    else:
        assert isinstance(TestSet(Path(), (sample,)).sha256, str)


# The real ones


@pytest.mark.shared
def test_the_shared_test_sets_load(shared: Path) -> None:
    heads = load_testset(shared / "data" / "talking-heads" / "testset")
    generated = load_testset(shared / "data" / "generated" / "testset" / "samples.jsonl")
    assert [sample.id for sample in heads] == [f"s{n:02}" for n in range(1, 21)]  # the clips of the data set
    assert [sample.id for sample in generated] == [f"g{n:02}" for n in range(1, 8)]
    for testset in (heads, generated):
        for sample in testset:
            named = [*sample.reference_images, *filter(None, (sample.audio, sample.reference_video))]
            assert named
            assert all(testset.path(relative).is_file() for relative in named)
    assert all(sample.reference_video for sample in heads)
    assert not any(sample.reference_video for sample in generated)  # no ground truth exists
