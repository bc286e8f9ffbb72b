"""Tables of the truth, the test sets made of them, and leaks between training and test."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from detection.conftest import TRUTH, challenge

from evalkit import api
from evalkit.detection.truth_table import read_truth
from evalkit.errors import EvalkitError
from evalkit.testsets.loading import load_testset


def test_a_test_set_keeps_the_truth_from_participants(testset):
    own = {sample.id: sample.truth for sample in testset}
    assert own["f1"].label == "fake"
    assert (own["f1"].generator, own["f1"].driver) == ("maker1", "ben")
    public = load_testset(testset.root / "for-participants")
    assert [sample.id for sample in public] == [sample.id for sample in testset]
    assert all(sample.truth is None for sample in public)
    text = (testset.root / "for-participants" / "samples.jsonl").read_text()
    assert not any(word in text for word in ("fake", "maker", "anna"))


def test_a_test_set_without_truth_has_the_digest_of_before(tmp_path: Path):
    (tmp_path / "samples.jsonl").write_text('{"id": "a"}\n')
    assert "truth" not in load_testset(tmp_path).samples[0].record


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("video_id,label", "id,label"), "no column 'video_id'"),
        (("video_id,label,generator", "video_id,label,generater"), "unknown column 'generater'"),
        (("r1,0", "r1,maybe"), "expected 1 or fake, 0 or real"),
        (("r2,real", "r1,real"), "there twice"),
        (("r1,0,,anna,", "r1,0,maker1,anna,"), "no generator"),
        (("r1,0", "../r1,0"), "r1"),
        (("r1,0", ",0"), "the id is missing"),
        ((TRUTH[TRUTH.index("r1") :], ""), "has no video"),
    ],
)
def test_what_a_table_of_the_truth_may_not_say(tmp_path: Path, change, said):
    (tmp_path / "truth.csv").write_text(TRUTH.replace(*change))
    with pytest.raises(EvalkitError) as error:
        read_truth(tmp_path / "truth.csv")
    assert said in str(error.value)


def test_other_splits_are_the_training(tmp_path: Path):
    lines = TRUTH.splitlines()
    table = [lines[0] + ",split,run", *(f"{line},{'train' if line[0] == 'f' else 'test'},g1" for line in lines[1:])]
    (tmp_path / "truth.csv").write_text("\n".join(table))
    made = api.testset_from_truth(tmp_path / "truth.csv", tmp_path / "made")
    assert made.samples == 3
    assert made.others == {"train": 4}
    again = read_truth(tmp_path / "made" / "train.csv")
    assert [row.sample for row in again] == ["g1/f1", "g1/f2", "g1/f3", "g1/f4"]
    assert again[0].truth.driver == "ben"
    with pytest.raises(EvalkitError, match="not empty"):
        api.testset_from_truth(tmp_path / "truth.csv", tmp_path / "made")
    api.testset_from_truth(tmp_path / "truth.csv", tmp_path / "made", replace=True)


def test_no_cell_of_the_training_is_a_formula(tmp_path: Path):
    table = TRUTH.splitlines()
    lines = [
        table[0] + ",split",
        *(f"{line.replace('anna', '=anna')},train" for line in table[1:-1]),
        table[-1] + ",test",
    ]
    (tmp_path / "truth.csv").write_text("\n".join(lines))
    api.testset_from_truth(tmp_path / "truth.csv", tmp_path / "made")
    text = (tmp_path / "made" / "train.csv").read_text()
    assert "'=anna" in text and ",=anna" not in text
    assert "=anna" in {row.truth.identity for row in read_truth(tmp_path / "made" / "train.csv")}


def checked(testset, tmp_path: Path, train: str | None, **detection: object):
    file = None
    if train is not None:
        file = tmp_path / "list.csv"
        file.write_text("video_id,label,generator,identity,driver,dataset,run\n" + train)
    report = api.check_testset(testset, challenge(detection=detection), train=file)
    return {one.rule: one for one in report.findings}, report


def test_nothing_in_common_is_no_leak(testset, tmp_path: Path):
    found, report = checked(testset, tmp_path, "t1,1,maker9,zoe,yan,,\nt2,0,,zoe,,,\n", disjoint=["video", "person"])
    assert "truth.leak" not in found
    assert report.verdict != "error"


@pytest.mark.parametrize(
    ("train", "detection", "named"),
    [
        ("r1,0,,zoe,,,\n", {"disjoint": ["video"]}, "r1"),
        ("t1,0,,anna,,,\n", {"disjoint": ["person"]}, "anna (t1 and"),
        ("t1,1,maker9,zoe,ben,,\n", {"disjoint": ["person"]}, "ben (t1 and"),  # drives there, is seen here
        ("t1,1,maker1,zoe,zoe,,\n", {"disjoint": ["generator"]}, "maker1"),
    ],
)
def test_a_leak_is_refused_by_name(testset, tmp_path: Path, train, detection, named):
    found, report = checked(testset, tmp_path, train, **detection)
    assert named in found["truth.leak"].found
    assert report.verdict == "error"


def test_held_out_generators_by_run(tmp_path: Path):
    rows = [
        "video_id,label,generator,identity,driver,run",
        *(f"r{at},0,,p{at},,{run}" for run in ("g1", "g2") for at in range(3)),
        *(f"f{at},1,{run},p{at},p{at},{run}" for run in ("g1", "g2") for at in range(3)),
    ]
    (tmp_path / "truth.csv").write_text("\n".join(rows))
    api.testset_from_truth(tmp_path / "truth.csv", tmp_path / "made")
    testset = load_testset(tmp_path / "made")
    good = "t1,1,g2,q1,q1,,g1\nt2,1,g1,q1,q1,,g2\n"
    found, _ = checked(testset, tmp_path, good, held_out_generator=True)
    assert "truth.leak" not in found
    bad = good + "t3,1,g1,q1,q1,,g1\n"
    found, _ = checked(testset, tmp_path, bad, held_out_generator=True)
    assert "g1 (g1/t3" in found["truth.leak"].found
    assert "run 'g1'" in found["truth.leak"].message
    found, _ = checked(testset, tmp_path, "t1,1,g2,q1,q1,,\n", held_out_generator=True)  # for every run
    assert "run 'g2'" in found["truth.leak"].message


def test_runs_are_named_for_their_generator(testset, tmp_path: Path):
    found, _ = checked(testset, tmp_path, "t1,0,,zoe,,,\n", held_out_generator=True)
    assert "truth.run-name" in found


def test_qualities_have_the_same_videos(tmp_path: Path):
    head = "video_id,label,generator,identity,quality,video"
    rows = [f"{q}/{v},{'1,m' if v == 'f' else '0,'},{v},{q},{v}" for q in ("q0", "q1") for v in ("r", "s", "f")]
    (tmp_path / "truth.csv").write_text("\n".join([head, *rows]))
    api.testset_from_truth(tmp_path / "truth.csv", tmp_path / "made")
    rules = {"within": ["quality"], "base": "q0"}
    found, _ = checked(load_testset(tmp_path / "made"), tmp_path, None, **rules)
    assert "truth.qualities" not in found
    assert "truth.no-training-list" in found
    (tmp_path / "truth.csv").write_text("\n".join([head, *rows[:-2], rows[-1]]))
    api.testset_from_truth(tmp_path / "truth.csv", tmp_path / "made", replace=True)
    found, _ = checked(load_testset(tmp_path / "made"), tmp_path, None, **rules)
    assert "such as s" in found["truth.qualities"].found


def test_a_test_set_without_truth_is_no_test_set_for_detectors(tmp_path: Path):
    (tmp_path / "samples.jsonl").write_text(json.dumps({"id": "a"}) + "\n")
    found, report = checked(load_testset(tmp_path), tmp_path, None)
    assert "truth.absent" in found
    assert report.verdict == "error"
