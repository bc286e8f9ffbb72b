"""The test sets of the IPVG challenges: folders of 2025, eval.json of 2026."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from builders.testsets import FACIAL, Write, _event, _json, refused

from evalkit.testsets.loading import load_testset

# IPVG 2025


def test_the_folder_of_ipvg_2025(people: Write) -> None:
    prompts = [f"prompt{n}.txt" for n in range(1, 11)]
    folder = people(
        id010=["image.jpg", *prompts], id002=["image.PNG", "prompt1.txt"], id1=["image.webp", "prompt1.txt"]
    )
    testset = load_testset(folder)
    assert testset.format == "ipvg2025"
    # By number, not by letter: id1, id002, id010, and prompt2 before prompt10.
    assert [sample.id for sample in testset] == [
        *("id1/prompt1", "id002/prompt1"),
        *(f"id010/prompt{n}" for n in range(1, 11)),
    ]
    last = testset.samples[-1]
    assert (last.identity, last.prompt, last.text) == ("id010", "prompt10", "id010 prompt10.txt")
    assert last.reference_images == ("id010/image.jpg",)
    assert testset.path(last.reference_images[0]).is_file()


def test_200_people_with_5_prompts_are_1000_samples(people: Write) -> None:
    names = ["image.png", *(f"prompt{n}.txt" for n in range(1, 6))]
    testset = load_testset(people(**{f"id{n:03}": names for n in range(1, 201)}))
    assert len(testset) == 200 * 5
    assert testset.samples[0].id == "id001/prompt1"
    assert testset.samples[-1].id == "id200/prompt5"


def test_several_images_of_one_person_are_all_references(people: Write) -> None:
    (sample,) = load_testset(people(id001=["image10.png", "image2.png", "image1.jpeg", "prompt1.txt"]))
    assert sample.reference_images == ("id001/image1.jpeg", "id001/image2.png", "id001/image10.png")


def test_what_is_no_person_is_left_out(people: Write) -> None:
    folder = people(
        id001=["image.png", "prompt1.txt", "._image.png", ".prompt2.txt", "notes.txt", "prompts.txt", "prompt_old.txt"],
        empty=[],
        docs=["read.me"],
        _cache=["x.npz"],
    )
    (folder / ".hidden").mkdir()
    (folder / ".hidden" / "image.png").write_text("x")
    (folder / "README.txt").write_text("x")
    (folder / "id001" / "image.jpg").mkdir()
    (sample,) = load_testset(folder)
    assert sample.id == "id001/prompt1"
    assert sample.reference_images == ("id001/image.png",)


def test_folders_with_strange_digits_are_read_too(people: Write) -> None:
    names = ["image.png", "prompt1.txt"]
    folder = people(**{"\u00b2": names, "\u0663": names, "id1": names, "id01": names, "id": names, "7": names})
    ids = [sample.identity for sample in load_testset(folder)]
    # Digits are 0-9: 7 stands at the start; id has none; id01 and id1 are equal numbers, in the order of their letters.
    assert ids == ["7", "id", "id01", "id1", "\u00b2", "\u0663"]


@pytest.mark.parametrize(
    ("files", "words"),
    [
        (["prompt1.txt"], "id002 has no image.*. Expected image.* and prompt1.txt, prompt2.txt ..."),
        (["prompt1.txt", "image.gif"], "id002 has no image.*."),
        (["image.png"], "id002 has no prompt1.txt."),
        (["image.png", "Prompt1.TXT"], "id002 has no prompt1.txt."),
        (["image.png", "prompt1.txt", "prompt3.txt"], "Found prompt1.txt, prompt3.txt; expected prompt2.txt."),
        (["image.png", "prompt2.txt"], "Found prompt2.txt; expected prompt1.txt."),
        (["image.png", "prompt0.txt", "prompt1.txt"], "Found prompt0.txt, prompt1.txt; expected prompt1.txt."),
        (["image.png", "prompt1.txt", "prompt01.txt"], "are not numbered 1, 2, 3 ..."),
    ],
)
def test_a_person_without_an_image_or_with_lost_prompts(people: Write, files: list[str], words: str) -> None:
    assert words in refused(people(id001=["image.png", "prompt1.txt"], id002=files))


def test_prompts_have_text(people: Write) -> None:
    folder = people(id001=["image.png", "prompt1.txt"])
    prompt = folder / "id001" / "prompt1.txt"
    prompt.write_bytes(b"\xef\xbb\xbf  A man waves.\r\n")
    assert load_testset(folder).samples[0].text == "A man waves."
    prompt.write_text(" \n")
    assert f"The prompt {prompt} is empty." in refused(folder)
    prompt.write_bytes(b"caf\xe9")
    assert f"The prompt {prompt} is not UTF-8 text" in refused(folder)


SEQUENTIAL = [
    {
        "img_paths": ["a.png", "b.png"],
        "class_label": ["person", "dog"],
        "global_prompt": "A man and his dog",
        "temporal_captions": [_event(), _event(start=2.5, end=5, description="walks", index=1)],
    },
    {"img_paths": ["c.png"], "class_label": "cat", "global_prompt": "A cat", "temporal_captions": [_event()]},
    {"img_paths": ["d.png"], "global_prompt": "A cup", "temporal_captions": [_event()]},
]


def test_the_facial_track(tmp_path: Path) -> None:
    file = _json(tmp_path, FACIAL)
    testset = load_testset(tmp_path)
    assert testset.format == "ipvg2026-facial"
    assert [sample.id for sample in testset] == [str(n) for n in range(1, 12)]
    assert testset.samples[9].text == "prompt 10"
    assert testset.samples[9].reference_images == ("images/10.png",)
    assert load_testset(file).sha256 == testset.sha256
    assert testset.root == load_testset(file).root == tmp_path


def test_the_sequential_track(tmp_path: Path) -> None:
    testset = load_testset(_json(tmp_path, SEQUENTIAL, "test.json"))
    assert testset.format == "ipvg2026-sequential"
    first, second, third = testset
    assert first.reference_images == ("a.png", "b.png")
    assert [(e.start, e.end, e.description) for e in first.timeline or ()] == [(0, 2.5, "waves"), (2.5, 5, "walks")]
    assert (first.groups, second.groups, third.groups) == ({"class": "dog+person"}, {"class": "cat"}, {})
    assert third.text == "A cup"


def test_an_object_of_entries_is_read_in_the_order_of_its_numbers(tmp_path: Path) -> None:
    entries = {str(n): FACIAL[n - 1] for n in (10, 2, 1)}
    assert [sample.text for sample in load_testset(_json(tmp_path, entries))] == ["prompt 1", "prompt 2", "prompt 10"]
    entries = {"b": FACIAL[1], "a": FACIAL[0]}
    assert [sample.text for sample in load_testset(_json(tmp_path, entries))] == ["prompt 2", "prompt 1"]


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ("x", "not an object. Found str"),
        ({"img": "a.png"}, "the key 'prompt' is missing. Expected img, prompt"),
        ({"prompt": "x"}, "the key 'img' is missing. Expected img, prompt"),
        ({"img": 5, "prompt": "x"}, "'img.0': must be text. Found 5."),
        ({"img": ["a.png"], "prompt": "x"}, "'img.0': must be text."),
        ({"img": "../a.png", "prompt": "x"}, "'img.0': a path must be relative"),
        ({"img": "/a.png", "prompt": "x"}, "'img.0': a path must be relative"),
        ({"img": "a.png", "prompt": 5}, "'prompt': must be text. Found 5."),
    ],
)
def test_faults_of_the_facial_track_name_the_entry_and_its_own_keys(tmp_path: Path, entry: Any, words: str) -> None:
    file = _json(tmp_path, [FACIAL[0], entry])
    assert f"{file}, entry 2: {words}" in refused(file)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"img_paths": "a.png"}, "'img_paths': must be a list. Found 'a.png'."),
        ({"img_paths": ["a.png", "../b"]}, "'img_paths.1': a path must be relative"),
        ({"global_prompt": 5}, "'global_prompt': must be text. Found 5."),
        ({"temporal_captions": [_event(), _event(end=0)]}, "'temporal_captions.1': an event must end after it starts"),
        ({"temporal_captions": [{"start": 0, "end": 1}]}, "the key 'temporal_captions.0.description' is missing."),
        ({"temporal_captions": "waves"}, "'temporal_captions': must be a list. Found 'waves'."),
        ({"temporal_captions": ["waves"]}, "'temporal_captions.0': must be a set of keys"),
    ],
)
def test_faults_of_the_sequential_track_name_the_entry_and_its_own_keys(
    tmp_path: Path, changes: dict[str, Any], words: str
) -> None:
    file = _json(tmp_path, [SEQUENTIAL[0], {**SEQUENTIAL[1], **changes}])
    assert f"{file}, entry 2: {words}" in refused(file)


def test_an_entry_of_the_other_track_lacks_keys(tmp_path: Path) -> None:
    file = _json(tmp_path, [FACIAL[0], SEQUENTIAL[0]])
    assert f"{file}, entry 1: the key 'img_paths' is missing." in refused(file)


@pytest.mark.parametrize("labels", [5, {"a": 1}, [5, None], True])
def test_strange_class_labels_are_only_labels(tmp_path: Path, labels: Any) -> None:
    (sample,) = load_testset(_json(tmp_path, [{**SEQUENTIAL[0], "class_label": labels}]))
    assert set(sample.groups) == {"class"}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is not JSON. Found Expecting value"),
        ("[", "is not JSON"),
        ("5", "is not a test set. Found int; expected a list of entries"),
        ('"x"', "is not a test set. Found str"),
        ("[" * 100_000, "is not JSON. Found nested too deeply"),
        ("[NaN]", "is not JSON. Found NaN is not a JSON value"),
        ("[]", "is empty. Expected at least one sample"),
        ("{}", "is empty. Expected at least one sample"),
        ('{"data": [1]}', "entry 1: not an object. Found list"),
    ],
)
def test_files_that_are_no_eval_json(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "eval.json").write_text(text)
    assert words in refused(tmp_path)
