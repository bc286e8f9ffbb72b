"""Shards and their merge: the scorecard of one machine, and parts that must not be believed."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import shapes
from builders.runs import FILES, events, without_timing
from PIL import Image

from evalkit.cluster import part_file
from evalkit.cluster.part_file import PartFile, Record, write_part
from evalkit.errors import InputError, UsageError
from evalkit.progress import Progress
from evalkit.workers.messages import encode


def everything(part: PartFile) -> list[tuple[Any, str, Record]]:
    return [(phase, sample, part.read(phase, sample)) for phase, sample in part]


def forged(part: Path, to: Path, change: Callable[[Record], Record], phase: str = "video") -> Path:
    """Write a part like another, with one record of ``phase`` changed and all digests right."""
    source = PartFile(part)
    records = everything(source)
    at = next(i for i, (kind, _, record) in enumerate(records) if kind == phase and record.keys)
    records[at] = (*records[at][:2], change(records[at][2]))
    write_part(to, source.shard, source.samples, source.identity, records)
    return to


def test_a_merge_is_the_run_of_one_machine(runs, tmp_path: Path) -> None:
    card = runs.merge(*reversed(runs.parts), out=tmp_path / "merged")
    assert without_timing(tmp_path / "merged") == without_timing(runs.root / "one")
    for name in ("per_video.csv", "per_video.parquet"):
        assert (tmp_path / "merged" / name).read_bytes() == (runs.root / "one" / name).read_bytes()
    assert {file.name for file in (tmp_path / "merged").iterdir()} == FILES
    assert "data:image/jpeg" in (tmp_path / "merged" / "report.html").read_text(), "filmstrips come from the parts"
    verdicts = {video.sample: video.verdict for video in card.videos}
    assert (verdicts["d02"], verdicts["d04"]) == ("missing", "error")
    assert card.metrics["psnr.rgb"].n == 3


def test_a_shard_reads_its_own_samples_alone(runs) -> None:
    parts = [PartFile(path) for path in runs.parts]
    own = [{sample for phase, sample in part if phase == "video"} for part in parts]
    assert sorted(sample for share in own for sample in share) == ["d01", "d03", "d04", "d05"]
    for part in parts:
        assert {sample for _, sample in part} <= part.samples
    for index, part in enumerate(parts, 1):
        digests = {
            hashlib.sha256((runs.testset / "videos" / f"{name}.mp4").read_bytes()).hexdigest() for name in part.samples
        }
        stored = sum(1 for _ in (runs.root / f"cache{index}" / "faces_reference").rglob("*.npz"))
        readable = {sample for phase, sample in part if phase == "video"}
        assert stored == len(readable), "references of the shard's own samples only"
        assert len(digests) == len(part.samples)


def test_a_shard_writes_the_same_part_again_from_its_cache(runs, tmp_path: Path) -> None:
    part = tmp_path / "again.part"
    part.write_bytes(b"what was there before")
    written = runs.shard("2/3", part, cache=runs.root / "cache2")
    assert written.size == part.stat().st_size
    first, again = PartFile(runs.parts[1]), PartFile(part)
    for (kind, sample, old), (_, _, new) in zip(everything(first), everything(again), strict=True):
        untimed = dict.fromkeys(("decodes", "seconds", "features", "networks"), None)
        assert old.keys == new.keys
        pairs = [dataclasses.replace(record.answer, **untimed) for record in (old, new)]
        assert [encode(("ok", one, False))[0] for one in pairs[:1]] == [
            encode(("ok", one, False))[0] for one in pairs[1:]
        ]
        for name, arrays in old.answer.arrays.items():
            for array in arrays:
                np.testing.assert_array_equal(arrays[array], new.answer.arrays[name][array], f"{kind} {sample} {name}")
    assert not list(tmp_path.glob(".*")), "no temporary file is left"


def test_one_shard_is_enough(runs, tmp_path: Path) -> None:
    runs.shard("1/1", tmp_path / "all.part", cache=runs.root / "one" / "cache")
    runs.merge(tmp_path / "all.part", out=tmp_path / "merged")
    assert without_timing(tmp_path / "merged") == without_timing(runs.root / "one")


def test_a_failure_in_a_shard_is_kept_and_not_tried_again(runs, tmp_path: Path) -> None:
    class Warnings(Progress):
        said: ClassVar[list[str]] = []

        def warn(self, line: str) -> None:
            self.said.append(line)

    at = next(index for index, part in enumerate(map(PartFile, runs.parts)) if ("video", "d01") in part)
    late = tmp_path / "late.part"
    written = runs.shard(f"{at + 1}/3", late, timeout=0.001)
    assert set(written.failures.values()) == {"timeout"}
    parts = [*runs.parts[:at], late, *runs.parts[at + 1 :]]
    card = runs.merge(*parts, out=tmp_path / "merged", progress=Warnings())
    unread = {video.sample for video in card.videos if any("timeout" in why for why in video.reasons.values())}
    assert "d01" in unread
    assert unread == set(written.failures) - {"d02"}, "what has no video can't be late"
    assert {sample: line["kind"] for sample, line in events(tmp_path / "merged", "failure").items()} == dict.fromkeys(
        unread, "timeout"
    )
    assert len(Warnings.said) == 1 and f"shard {at + 1}/3" in Warnings.said[0]
    runs.shard(f"{at + 1}/3", late)
    runs.merge(*parts, out=tmp_path / "merged")
    assert without_timing(tmp_path / "merged") == without_timing(runs.root / "one")


def test_missing_and_repeated_shards_are_named(runs, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"2 shards of 3 are missing: 1, 3\."):
        runs.merge(runs.parts[1])
    shutil.copy(runs.parts[1], tmp_path / "copy.part")
    with pytest.raises(InputError, match=r"Shard 2/3 is there twice.*2\.part.*copy\.part"):
        runs.merge(*runs.parts, tmp_path / "copy.part")
    runs.shard("1/2", tmp_path / "half.part", cache=runs.root / "one" / "cache")
    with pytest.raises(InputError, match="different numbers of shards"):
        runs.merge(*runs.parts, tmp_path / "half.part")
    with pytest.raises(InputError, match="does not exist"):
        runs.merge(*runs.parts[:2], tmp_path / "none.part")
    with pytest.raises(UsageError, match="no parts"):
        runs.merge()


@pytest.mark.parametrize(
    ("options", "word"),
    [({"metrics": ["psnr"]}, "metrics:"), ({"limit": 4}, "samples: 5, here 4"), ({"device": "cuda"}, "device:")],
)
def test_parts_of_another_run_are_refused(runs, options: dict[str, Any], word: str) -> None:
    with pytest.raises(InputError, match=f"another run.*{word}"):
        runs.merge(*runs.parts, **options)


def test_parts_of_another_submission_or_version_are_refused(runs, tmp_path: Path) -> None:
    other = shapes.write_submission(tmp_path / "other.zip", 5, 0.4, shapes.unchanged, 96)
    with pytest.raises(InputError, match=r"1\.part.*submission: [0-9a-f]{64}, here [0-9a-f]{64}"):
        dataclasses.replace(runs, zip=other).merge(*runs.parts)
    source = PartFile(runs.parts[0])
    old = {**source.identity, "package numpy": "1.0", "evalkit": "0.0.1"}
    write_part(tmp_path / "old.part", source.shard, source.samples, old, everything(source))
    with pytest.raises(InputError, match=r"old\.part.*evalkit: 0\.0\.1, here .*package numpy: 1\.0, here 2"):
        runs.merge(tmp_path / "old.part", *runs.parts[1:])


def test_other_reference_files_under_the_same_names_are_noticed(runs, tmp_path: Path) -> None:
    """The digest of a test set is that of its records; the files may differ from node to node."""
    moved = tmp_path / "testset"
    shutil.copytree(runs.testset, moved)
    Image.new("RGB", (96, 96), "red").save(moved / "images" / "d03.png")
    with pytest.raises(InputError, match=r"computed from other files for the sample 'd03'.*reference"):
        dataclasses.replace(runs, testset=moved).merge(*runs.parts)


def test_a_false_answer_ends_the_merge_and_reaches_no_cache(runs, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("EVALKIT_CACHE", str(tmp_path / "users"))

    def more_arrays(record: Record) -> Record:
        arrays = {**record.answer.arrays, "paired_pixels": {"strange": np.zeros(3)}}
        return dataclasses.replace(record, answer=dataclasses.replace(record.answer, arrays=arrays))

    def other_file(record: Record) -> Record:
        return dataclasses.replace(record, answer=dataclasses.replace(record.answer, sha256="0" * 64))

    def other_keys(record: Record) -> Record:
        return dataclasses.replace(record, keys={**record.keys, "paired_pixels": "0" * 64})

    scored = [any(one.keys for kind, _, one in everything(PartFile(part)) if kind == "video") for part in runs.parts]
    at = scored.index(True)
    for change, words in (
        (more_arrays, "paired_pixels.*declares"),
        (other_file, "about another file"),
        (other_keys, "computed from other files"),
    ):
        bad = forged(runs.parts[at], tmp_path / "bad.part", change)
        parts = [*runs.parts[:at], bad, *runs.parts[at + 1 :]]
        with pytest.raises(InputError, match=words):
            runs.merge(*parts, out=tmp_path / "merged")
        assert not (tmp_path / "merged" / "scorecard.json").exists()
    assert not (tmp_path / "users").exists(), "a merge leaves the user's cache alone"


def test_damage_anywhere_is_an_error(runs, tmp_path: Path) -> None:
    content = runs.parts[0].read_bytes()
    bad = tmp_path / "bad.part"
    step = max(1, len(content) // 150)
    places = {*range(0, len(content), step), *range(40), *range(len(content) - 60, len(content))}
    for at in sorted(places):
        bad.write_bytes(content[:at] + bytes([content[at] ^ 0xFF]) + content[at + 1 :])
        with pytest.raises(InputError, match="no part of a run, or a damaged one"):
            everything(PartFile(bad))
    for at in sorted(places):
        bad.write_bytes(content[:at])
        with pytest.raises(InputError, match="no part of a run, or a damaged one"):
            PartFile(bad)


def whole(header: Any, table: Any, records: bytes = b"") -> bytes:
    """Return a part with right digests and whatever header and table."""
    head, entries = (one if isinstance(one, bytes) else json.dumps(one).encode() for one in (header, table))
    end = part_file._END.pack(len(entries), hashlib.sha256(head + entries).digest())
    return part_file._MAGIC + part_file._LENGTH.pack(len(head)) + head + records + entries + end


HEADER = {"index": 1, "count": 1, "samples": ["a"], "identity": {}}
ENTRY = {"phase": "video", "sample": "a", "failure": None, "offset": 0, "length": 4, "sha256": "0" * 64}
START = len(whole(HEADER, {"records": []})) - len(b'{"records": []}') - part_file._END.size


@pytest.mark.parametrize(
    ("header", "table"),
    [
        ({**HEADER, "index": 2}, {"records": []}),
        ({**HEADER, "count": 10**9}, {"records": []}),
        ({**HEADER, "count": "1"}, {"records": []}),
        ({**HEADER, "identity": {"evalkit": 1}}, {"records": []}),
        (b'{"index": 1, "index": 1, "count": 1, "samples": [], "identity": {}}', {"records": []}),
        (b"[" * 100_000, {"records": []}),
        (b"\xff", {"records": []}),
        (HEADER, {"records": [{**ENTRY, "offset": START, "length": 5}]}),
        (HEADER, {"records": [{**ENTRY, "offset": START, "sample": "b"}]}),
        (HEADER, {"records": [{**ENTRY, "offset": START, "phase": "__import__"}]}),
        (HEADER, {"records": [{**ENTRY, "offset": START - 4}]}),
        (HEADER, {"records": [{**ENTRY, "offset": START, "failure": "eaten"}]}),
        (HEADER, {"records": [{**ENTRY, "offset": START, "length": 1 << 62}]}),
        (HEADER, {"records": []}),
    ],
)
def test_a_forged_outline_is_refused(tmp_path: Path, header: Any, table: Any) -> None:
    (tmp_path / "x.part").write_bytes(whole(header, table, b"data"))
    with pytest.raises(InputError, match="no part of a run, or a damaged one"):
        PartFile(tmp_path / "x.part")


@pytest.mark.parametrize(
    "record",
    [
        b"\x80\x04\x95garbage, and the start of a pickle",
        b"".join(encode(("ok", ({}, None, "", None), False))),
        b"".join(encode(("ok", ({}, "timeout", "", None), False))),
        b"".join(encode(("ok", [1, 2, 3], False))),
        b"".join(encode(("error", "no", False))),
        b"".join(encode(("ok", ({"a": 1}, None, "", None), False))),
    ],
)
def test_a_forged_record_is_refused(tmp_path: Path, record: bytes) -> None:
    entry = {**ENTRY, "offset": START, "length": len(record), "sha256": hashlib.sha256(record).hexdigest()}
    (tmp_path / "x.part").write_bytes(whole(HEADER, {"records": [entry]}, record))
    opened = PartFile(tmp_path / "x.part")
    with pytest.raises(InputError, match="the record of 'a'"):
        opened.read("video", "a")
