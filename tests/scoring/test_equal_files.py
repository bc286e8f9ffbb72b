"""Equal files in a submission: what reads the video alone is computed once, whatever the workers and the cache."""

from __future__ import annotations

import json
import zipfile
import zlib
from pathlib import Path

import pytest
import shapes
from builders.runs import events, values, without_timing

from evalkit import api
from evalkit.media.encode import write_video
from evalkit.metrics.features.base import Item
from evalkit.scoring import engine
from evalkit.scoring.equal_files import in_turn
from evalkit.scoring.jobs import NOT_UNPACKED, Job
from evalkit.submission.members import Member
from evalkit.submission.references import MemberRef

COPIES = 6
OF_THE_VIDEO = {"frame_difference", "filmstrip"}
OF_BOTH = {"paired_pixels", "fingerprint"}  # the fingerprint hears the sample's speech


@pytest.fixture(scope="module")
def testset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return six samples; the last two have the same references."""
    folder = shapes.write_testset(tmp_path_factory.mktemp("copies") / "testset", COPIES, 0.6, 64)
    rows = [json.loads(line) for line in (folder / "samples.jsonl").read_text().splitlines()]
    rows[5] |= {name: rows[4][name] for name in ("reference_images", "audio", "reference_video")}
    (folder / "samples.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return folder


@pytest.fixture(scope="module")
def clip(testset: Path) -> bytes:
    """Return a video of the first sample."""
    path = testset.parent / "clip.mp4"
    write_video(path, shapes.shape_frames(1, 15, 64), shapes.FPS, shapes.tone(1, 0.6), shapes.RATE, crf=30)
    return path.read_bytes()


def submitted(place: Path, videos: list[bytes]) -> Path:
    """Write the videos as a ZIP, or as a folder where ``place`` has no suffix."""
    names = [f"d{number:02}.mp4" for number in range(1, len(videos) + 1)]
    if place.suffix:
        with zipfile.ZipFile(place, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, video in zip(names, videos, strict=True):
                archive.writestr(zipfile.ZipInfo(name, (2026, 1, 1, 0, 0, 0)), video)
        return place
    place.mkdir()
    for name, video in zip(names, videos, strict=True):
        (place / name).write_bytes(video)
    return place


def score(team: Path, testset: Path, out: Path, **options: object):
    settings = {"metrics": ["psnr", "temporal.flicker"], "workers": 2, "cache": out / "cache", **options}
    return api.score(team, "talking-head", testset, out=out, **settings)


def computed(out: Path) -> list[set[str]]:
    return [set(line["computed"]) for _, line in sorted(events(out).items())]


@pytest.mark.parametrize(
    ("name", "workers", "fresh"), [("team.zip", 1, False), ("team.zip", 2, True), ("team", 2, False), ("team", 1, True)]
)
def test_copies_of_a_clip_are_computed_once(
    testset: Path, clip: bytes, tmp_path: Path, name: str, workers: int, fresh: bool
) -> None:
    team = submitted(tmp_path / name, [clip] * COPIES)
    out = tmp_path / "out"
    if fresh:
        score(team, testset, out)
        (out / "log.jsonl").unlink()
    score(team, testset, out, workers=workers, fresh=fresh)
    found = computed(out)
    assert found[0] == OF_THE_VIDEO | OF_BOTH
    assert found[1:5] == [OF_BOTH] * 4
    assert found[5] == set(), "its references are those of the fifth"


def test_the_numbers_are_those_of_videos_computed_one_by_one(
    testset: Path, clip: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    team = submitted(tmp_path / "team.zip", [clip] * COPIES)
    score(team, testset, tmp_path / "once", workers=1)
    monkeypatch.setattr(engine, "in_turn", list)
    apart = {}
    for number in (1, 2, COPIES):
        out = tmp_path / f"apart-{number}"
        one = tmp_path / f"one-{number}.zip"
        with zipfile.ZipFile(one, "w") as archive:
            archive.writestr(f"d{number:02}.mp4", clip)
        apart |= {
            sample: found for sample, found in values(score(one, testset, out)).items() if sample == f"d{number:02}"
        }
        assert computed(out) == [OF_THE_VIDEO | OF_BOTH]
    together = values(score(team, testset, tmp_path / "together", workers=1))
    assert {sample: together[sample] for sample in apart} == apart
    assert without_timing(tmp_path / "once") == without_timing(tmp_path / "together")
    assert all(None not in row.values() for row in apart.values())


def test_equal_checksums_of_different_bytes_are_no_copies(testset: Path, clip: bytes, tmp_path: Path) -> None:
    other = tmp_path / "other.mp4"
    write_video(other, shapes.shape_frames(2, 15, 64), shapes.FPS, shapes.tone(2, 0.6), shapes.RATE, crf=30)
    first, second = padded(clip, other.read_bytes())
    assert (zlib.crc32(first), len(first)) == (zlib.crc32(second), len(second))
    assert first != second
    videos = [first, second, first, second, first, first]
    score(submitted(tmp_path / "team.zip", videos), testset, tmp_path / "out", workers=1)
    assert computed(tmp_path / "out")[:4] == [OF_THE_VIDEO | OF_BOTH, OF_THE_VIDEO | OF_BOTH, OF_BOTH, OF_BOTH]
    alone = score(submitted(tmp_path / "alone", videos), testset, tmp_path / "other-out", workers=1)
    rows = json.loads((tmp_path / "out" / "scorecard.json").read_text())["videos"]
    assert {row["sample"]: row["values"] for row in rows} == values(alone)
    assert rows[0]["values"]["temporal.flicker"] != rows[1]["values"]["temporal.flicker"]


def test_what_an_earlier_run_cached_is_not_taken_for_fresh(testset: Path, clip: bytes, tmp_path: Path) -> None:
    team = submitted(tmp_path / "team.zip", [clip] * COPIES)
    out = tmp_path / "out"
    score(team, testset, out)
    before = {path: path.stat().st_mtime_ns for path in (out / "cache").rglob("*.npz")}
    score(team, testset, out, fresh=True)
    features = {path for path in before if path.parts[-3] in OF_THE_VIDEO | OF_BOTH | {"facts"}}
    assert features
    assert all(path.stat().st_mtime_ns > before[path] for path in features)


def test_the_order_of_jobs() -> None:
    def job(crc: int, references: str, size: int = 9) -> Job:
        member = Member("a", b"a", size, size, "file", crc=crc)
        item = Item(references, NOT_UNPACKED, reference_video=Path(references))
        return Job(references, MemberRef(Path("t.zip"), member, None), item)

    jobs = [job(1, "r"), job(2, "r"), job(1, "s"), job(1, "s"), job(1, "r"), job(1, "r", size=8), job(2, "t")]
    assert [one.after for one in in_turn(jobs)] == [None, None, 0, 2, 0, None, 1]


def padded(first: bytes, second: bytes) -> tuple[bytes, bytes]:
    """Return both with a box at the end that nobody reads, so that size and CRC-32 are equal."""
    size = max(len(first), len(second)) + 16

    def with_box(video: bytes) -> bytes:
        length = size - len(video)
        return video + length.to_bytes(4, "big") + b"free" + bytes(length - 8)

    one, other = with_box(first), with_box(second)
    return one, other[:-4] + last_bytes(other[:-4], zlib.crc32(one)).to_bytes(4, "little")


def last_bytes(start: bytes, wanted: int) -> int:
    """Return the four bytes that give ``start`` a CRC-32: it is linear in them, so Gauss solves for them."""
    base = zlib.crc32(start + bytes(4))
    rows = [(zlib.crc32(start + (1 << bit).to_bytes(4, "little")) ^ base, 1 << bit) for bit in range(32)]
    left, found = wanted ^ base, 0
    for bit in range(32):
        pivot = next(at for at, (value, _) in enumerate(rows) if value >> bit & 1)
        value, source = rows.pop(pivot)
        rows = [(v ^ value, s ^ source) if v >> bit & 1 else (v, s) for v, s in rows]
        if left >> bit & 1:
            left, found = left ^ value, found ^ source
    return found
