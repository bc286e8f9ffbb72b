"""Which file is meant for which sample; what is not clear is never decided."""

from __future__ import annotations

import pytest

from evalkit.packing.naming import match_names


def targets(*ids):
    return {sample: f"{sample}.mp4" for sample in ids}


@pytest.mark.parametrize(
    ("path", "how"),
    [
        ("d01.mp4", "name"),
        ("d01.mov", "name"),
        ("run/7/d01.webm", "name"),
        ("D01.MP4", "letters"),
        ("d1.mkv", "zeros"),
        ("d001.avi", "zeros"),
        ("d01_result.mp4", "part"),
        ("result-D01 (final).mp4", "part"),
        ("out_d1.mp4", "part"),
        ("d01##speech_3.mp4", "part"),
        ("d01.mp4.mov", "part"),
        ("d01/output.mp4", "folder"),
        ("results/D01/run 2/output.mp4", "folder"),
    ],
)
def test_a_name_that_means_one_sample(path, how):
    found = match_names([path], targets("d01", "d02"))
    assert {sample: (match.path, match.how) for sample, match in found.files.items()} == {"d01": (path, how)}
    assert found.missing == ("d02",)


@pytest.mark.parametrize("path", ["d011.mp4", "xd01.mp4", "id01result.mp4", "d0.mp4", "output.mp4", "d03/output.mp4"])
def test_a_name_that_means_none(path):
    found = match_names([path], targets("d01", "d02"))
    assert (found.files, found.spare) == ({}, {path: "belongs to no sample"})
    assert found.missing == ("d01", "d02")


@pytest.mark.parametrize(
    "paths",
    [
        ("d01.mp4", "d01.mov"),
        ("d01.mp4", "D01.mp4"),
        ("a/d01.mp4", "b/d01.mp4"),
        ("d01.mp4", "d01_result.mp4"),
        ("d01_a.mp4", "d01_b.mp4", "d01/output.mp4"),
    ],
)
def test_several_files_of_one_sample_are_not_decided(paths):
    found = match_names(paths, targets("d01", "d02"))
    assert found.files == {}
    assert found.several_files == {"d01": tuple(sorted(paths))}
    assert found.missing == ("d02",)


def test_a_name_with_two_samples_is_not_decided_unless_both_have_files():
    assert match_names(["d01_to_d02.mp4"], targets("d01", "d02")).several_samples == {"d01_to_d02.mp4": ("d01", "d02")}
    found = match_names(["d01_to_d02.mp4", "d01.mp4", "d02.mp4"], targets("d01", "d02"))
    assert {sample: match.path for sample, match in found.files.items()} == {"d01": "d01.mp4", "d02": "d02.mp4"}
    assert list(found.spare) == ["d01_to_d02.mp4"]
    assert found.several_samples == {}
    half = match_names(["d01_to_d02.mp4", "d01.mp4"], targets("d01", "d02"))
    assert half.several_samples == {"d01_to_d02.mp4": ("d01", "d02")}


def test_the_longest_id_in_a_name_counts():
    found = match_names(["ann_smile_final.mp4", "ann_final.mp4"], targets("ann", "ann_smile", "smile"))
    assert {sample: match.path for sample, match in found.files.items()} == {
        "ann": "ann_final.mp4",
        "ann_smile": "ann_smile_final.mp4",
    }


def test_ids_that_differ_in_case_or_zeros_alone_are_told_apart():
    found = match_names(["a1.mp4", "A1.mov", "a01.mp4"], targets("a1", "A1", "a01"))
    assert {sample: match.path for sample, match in found.files.items()} == {
        "a1": "a1.mp4",
        "A1": "A1.mov",
        "a01": "a01.mp4",
    }
    assert match_names(["a001.mp4"], targets("a1", "a01")).several_samples == {"a001.mp4": ("a1", "a01")}


def test_accents_are_the_same_in_both_encodings():
    found = match_names(["rene\u0301e_1.mp4"], targets("ren\u00e9e", "b"))
    assert found.files["ren\u00e9e"].how == "part"


def test_layouts_with_folders():
    wanted = {"ann/1": "ann/1.mp4", "ann/2": "ann/2.mp4", "bob/1": "bob/1.mp4"}
    found = match_names(["out/ann/1.mp4", "Ann_2_final.mov", "bob/take 1.mp4", "2.mp4"], wanted)
    assert {sample: match.how for sample, match in found.files.items()} == {"ann/1": "name", "ann/2": "part"}
    assert set(found.spare) == {"bob/take 1.mp4", "2.mp4"}


def test_the_challenges_name_comes_before_the_id():
    """The layout {index}.mp4: 2.mp4 is the second sample, although the first one's id is 2."""
    found = match_names(["1.mp4", "2.mp4"], {"2": "1.mp4", "3": "2.mp4"})
    assert {sample: match.path for sample, match in found.files.items()} == {"2": "1.mp4", "3": "2.mp4"}


def test_the_mapping_decides():
    found = match_names(["d01.mp4", "x.mp4", "d02.mp4", "d02_b.mp4"], targets("d01", "d02"), {"d02": "x.mp4"})
    assert {sample: (match.path, match.how) for sample, match in found.files.items()} == {
        "d01": ("d01.mp4", "name"),
        "d02": ("x.mp4", "mapping"),
    }
    assert set(found.spare) == {"d02.mp4", "d02_b.mp4"}


def test_files_come_in_the_order_of_the_test_set_whatever_the_order_of_the_folder():
    ids = [f"s{number}" for number in range(50)]
    paths = [f"{sample}.mp4" for sample in ids]
    assert match_names(paths, targets(*ids)) == match_names(paths[::-1], targets(*ids))
    assert list(match_names(paths[::-1], targets(*ids)).files) == ids
