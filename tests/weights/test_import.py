"""Bringing weights from a stick: right, wrong, extra, missing, renamed and hostile files."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import hostile_zips
import pytest
from builders.pulls import Recorder
from weights_server import manifest, noise, role, sha256

from evalkit.errors import InputError, StorageError
from evalkit.weights.download import PARTS
from evalkit.weights.imports import ImportReport, UnreadableError, import_candidates, import_weights
from evalkit.weights.manifest import Backbones, load_backbones

A, B, C = noise(50_000, 1), noise(60_000, 2), noise(70_000, 3)


@pytest.fixture
def stick(tmp_path: Path) -> Path:
    path = tmp_path / "stick"
    path.mkdir()
    return path


def backbones(tmp_path: Path, **changes: Any) -> Backbones:
    roles = {"a": role("a.onnx", A), "b": role("b.pth", B), "c": role("c.bin", C, **changes.pop("c", {}))}
    return load_backbones(manifest(tmp_path, roles, **changes))


def verdicts(report: ImportReport) -> dict[str, str]:
    return {Path(seen.path.replace(":", "/")).name: seen.verdict for seen in report.seen}


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.is_file() and path.suffix != ".json")


def zip_of(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def test_a_folder_with_right_renamed_wrong_and_extra_files(
    tmp_path: Path, folder: Path, stick: Path, progress: Recorder
) -> None:
    (stick / "deep" / "er").mkdir(parents=True)
    (stick / "deep" / "er" / "whatever it is called").write_bytes(A)
    (stick / "b.pth").write_bytes(noise(60_000, 9))  # the right size, another content
    (stick / "readme.txt").write_bytes(b"hello")
    (stick / "same size").write_bytes(noise(70_000, 9))
    report = import_weights(backbones(tmp_path), [stick], folder, progress)
    assert verdicts(report) == {
        "whatever it is called": "imported",
        "b.pth": "wrong",
        "readme.txt": "extra",
        "same size": "extra",
    }
    assert report.missing == ["b.pth", "c.bin"]
    assert names(folder) == ["a.onnx"]
    assert (folder / "a.onnx").read_bytes() == A
    (wrong,) = report.of("wrong")
    assert sha256(noise(60_000, 9)) in wrong.detail
    assert sha256(B) in wrong.detail
    assert list((folder / PARTS).iterdir()) == []


def test_links_are_not_followed(tmp_path: Path, folder: Path, stick: Path, progress: Recorder) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "a.onnx").write_bytes(A)
    (stick / "a.onnx").symlink_to(tmp_path / "outside" / "a.onnx")
    (stick / "folder").symlink_to(tmp_path / "outside")
    report = import_weights(backbones(tmp_path), [stick], folder, progress)
    assert report.seen == []
    assert names(folder) == []


def test_a_file_of_the_wrong_size_under_a_known_name(
    tmp_path: Path, folder: Path, stick: Path, progress: Recorder
) -> None:
    (stick / "a.onnx").write_bytes(A[:-1])
    report = import_weights(backbones(tmp_path), [stick], folder, progress)
    (wrong,) = report.of("wrong")
    assert wrong.detail == "49,999 bytes and not 50,000"
    assert names(folder) == []


def test_what_is_there_is_left_alone(tmp_path: Path, folder: Path, stick: Path, progress: Recorder) -> None:
    (stick / "x").write_bytes(A)
    chosen = backbones(tmp_path)
    import_weights(chosen, [stick], folder, progress)
    before = (folder / "a.onnx").stat()
    report = import_weights(chosen, [stick / "x", zip_of(tmp_path / "x.zip", {"y/z": A})], folder, progress)
    assert [seen.verdict for seen in report.seen] == ["there", "there"]
    after = (folder / "a.onnx").stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_a_wrong_file_in_the_weights_folder_is_replaced(
    tmp_path: Path, folder: Path, stick: Path, progress: Recorder
) -> None:
    folder.mkdir()
    (folder / "a.onnx").write_bytes(b"broken")
    (stick / "x").write_bytes(A)
    report = import_weights(backbones(tmp_path), [stick], folder, progress)
    assert verdicts(report) == {"x": "imported"}
    assert (folder / "a.onnx").read_bytes() == A


def test_one_content_may_play_two_files(tmp_path: Path, folder: Path, stick: Path, progress: Recorder) -> None:
    chosen = load_backbones(manifest(tmp_path, {"a": role("a.onnx", A), "b": role("b.onnx", A)}))
    (stick / "x").write_bytes(A)
    report = import_weights(chosen, [stick], folder, progress)
    assert report.seen[0].files == ("a.onnx", "b.onnx")
    assert (folder / "a.onnx").read_bytes() == (folder / "b.onnx").read_bytes() == A


def test_a_zip_is_searched(tmp_path: Path, folder: Path, progress: Recorder) -> None:
    path = zip_of(tmp_path / "stick.zip", {"models/x.onnx": A, "b.pth": noise(60_000, 9), "notes": b"x"})
    report = import_weights(backbones(tmp_path), [path], folder, progress)
    assert verdicts(report) == {"x.onnx": "imported", "b.pth": "wrong", "notes": "extra"}
    assert names(folder) == ["a.onnx"]


def test_a_weights_file_that_is_itself_a_zip_is_one_file(tmp_path: Path, folder: Path, progress: Recorder) -> None:
    """PyTorch's checkpoints are ZIPs."""
    path = zip_of(tmp_path / "renamed", {"archive/data.pkl": b"x", "a.onnx": A})
    chosen = load_backbones(manifest(tmp_path, {"net": role("net.pth", path.read_bytes()), "a": role("a.onnx", A)}))
    report = import_weights(chosen, [path], folder, progress)
    assert report.of("imported")[0].files == ("net.pth",)
    assert (folder / "net.pth").read_bytes() == path.read_bytes()
    assert report.missing == ["a.onnx"]


def test_the_manifests_archive_inside_a_folder_is_opened_and_other_zips_are_not(
    tmp_path: Path, folder: Path, stick: Path, progress: Recorder
) -> None:
    known = zip_of(stick / "renamed.bin", {"det/a.onnx": A, "b.pth": B})
    zip_of(stick / "other.zip", {"c.bin": C})
    archives = {"pack.zip": {"sha256": sha256(known.read_bytes()), "bytes": known.stat().st_size}}
    report = import_weights(backbones(tmp_path, archives=archives), [stick], folder, progress)
    assert verdicts(report) == {"a.onnx": "imported", "b.pth": "imported", "other.zip": "extra"}
    assert report.missing == ["c.bin"]


def test_an_archive_of_other_content_under_a_known_name(
    tmp_path: Path, folder: Path, stick: Path, progress: Recorder
) -> None:
    zip_of(stick / "pack.zip", {"a.onnx": A})
    archives = {"pack.zip": {"sha256": "0" * 64, "bytes": 5}}
    report = import_weights(backbones(tmp_path, archives=archives), [stick], folder, progress)
    assert verdicts(report) == {"pack.zip": "wrong"}
    assert "0" * 64 in report.seen[0].detail


# Hostile archives


def everything_under(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def test_names_in_a_zip_choose_no_place(tmp_path: Path, folder: Path, progress: Recorder) -> None:
    """The content is right, the names climb: it lands under the manifest's name and nowhere else."""
    room = tmp_path / "room"
    room.mkdir()
    path = zip_of(room / "evil.zip", {"../../a.onnx": A, "/etc/evalkit-b": B, "..\\c.bin": C})
    before = everything_under(tmp_path)
    chosen = backbones(tmp_path)
    report = import_weights(chosen, [path], folder, progress)
    assert report.missing == []
    assert names(folder) == ["a.onnx", "b.pth", "c.bin"]
    new = set(everything_under(tmp_path)) - set(before) - {"mine.yaml"}
    assert all(name.split("/")[0] == "weights" for name in new)
    assert not Path("/etc/evalkit-b").exists()


def test_a_bomb_is_not_unpacked(tmp_path: Path, folder: Path, progress: Recorder) -> None:
    """20 MB of zeros under a known name, one member stating its size and one lying about it."""
    bomb = zip_of(tmp_path / "bomb.zip", {"a.onnx": bytes(20_000_000), "b.pth": bytes(20_000_000)})
    data = bytearray(bomb.read_bytes())
    size = (20_000_000).to_bytes(4, "little")
    for place in range(len(data)):  # the second member says that it has as many bytes as b.pth should
        if data[place : place + 4] == b"PK\x01\x02" and b"b.pth" in data[place : place + 60]:
            at = data.index(size, place)
            data[at : at + 4] = len(B).to_bytes(4, "little")
    bomb.write_bytes(data)
    offered = {
        Path(offer.shown).name: offer for offer in import_candidates(bomb, lambda path: False, lambda path: False)
    }
    with pytest.raises(UnreadableError, match=r"CRC|not as long as the archive states|The archive contradicts itself"):
        offered["bomb.zip:b.pth"].copy(tmp_path / "copy", len(B))
    assert not (tmp_path / "copy").exists()
    report = import_weights(backbones(tmp_path), [bomb], folder, progress)
    assert verdicts(report) == {"a.onnx": "wrong", "b.pth": "wrong"}
    assert names(folder) == []
    assert list((folder / PARTS).iterdir()) == []


@pytest.mark.parametrize("kind", ["traversal", "absolute", "symlink", "bomb", "duplicate", "encrypted"])
def test_the_six_hostile_kinds_change_nothing(tmp_path: Path, folder: Path, progress: Recorder, kind: str) -> None:
    room = tmp_path / "room"
    room.mkdir()
    path = getattr(hostile_zips, kind)(room / f"{kind}.zip")
    try:
        report = import_weights(backbones(tmp_path), [path], folder, progress)
    except InputError as error:
        assert "can't be opened as a ZIP" in str(error)
    else:
        assert report.of("imported") == []
    assert names(folder) == []
    assert everything_under(room) == [f"{kind}.zip"]


def test_encrypted_members_under_a_known_name_are_wrong(tmp_path: Path, folder: Path, progress: Recorder) -> None:
    path = zip_of(tmp_path / "locked.zip", {"a.onnx": A})
    data = bytearray(path.read_bytes())
    for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(mark) + offset] |= 1
    path.write_bytes(data)
    report = import_weights(backbones(tmp_path), [path], folder, progress)
    assert [seen.verdict for seen in report.seen] == ["wrong"]
    assert names(folder) == []


def test_a_damaged_member_is_wrong(tmp_path: Path, folder: Path, progress: Recorder) -> None:
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w") as archive:  # stored, so that the damage is in the content
        archive.writestr("a.onnx", A)
    data = bytearray(path.read_bytes())
    data[1000] ^= 1
    path.write_bytes(data)
    report = import_weights(backbones(tmp_path), [path], folder, progress)
    assert [seen.verdict for seen in report.seen] == ["wrong"]
    assert names(folder) == []


# No full digest


def test_a_file_of_unknown_digest_goes_by_its_name_and_is_trusted_once(
    tmp_path: Path, folder: Path, stick: Path, progress: Recorder
) -> None:
    chosen = backbones(tmp_path, c={"sha256": None, "digest": "none"})
    (stick / "another name").write_bytes(C)
    assert import_weights(chosen, [stick], folder, progress).of("imported") == []
    assert progress.warnings == []
    (stick / "another name").rename(stick / "c.bin")
    assert verdicts(import_weights(chosen, [stick], folder, progress)) == {"c.bin": "imported"}
    assert len(progress.warnings) == 1
    assert sha256(C) in progress.warnings[0]
    recorded = json.loads((folder / "trusted.json").read_text())["files"]["c.bin"]
    assert (recorded["sha256"], recorded["digest"]) == (sha256(C), "none")
    (folder / "c.bin").unlink()
    (stick / "c.bin").write_bytes(noise(70_000, 9))
    assert verdicts(import_weights(chosen, [stick], folder, progress)) == {"c.bin": "wrong"}
    assert names(folder) == []
    assert len(progress.warnings) == 1


@pytest.mark.parametrize(("prefix", "verdict"), [(sha256(C)[:8], "imported"), ("00000000", "wrong")])
def test_a_prefix_must_fit(
    tmp_path: Path, folder: Path, stick: Path, progress: Recorder, prefix: str, verdict: str
) -> None:
    chosen = backbones(tmp_path, c={"sha256": None, "sha256_prefix": prefix, "digest": "prefix"})
    (stick / "c.bin").write_bytes(C)
    assert verdicts(import_weights(chosen, [stick], folder, progress)) == {"c.bin": verdict}
    assert len(progress.warnings) == (verdict == "imported")


def test_a_page_under_the_name_is_not_trusted(tmp_path: Path, folder: Path, stick: Path, progress: Recorder) -> None:
    chosen = backbones(tmp_path, c={"sha256": None, "digest": "none", "bytes": None})
    (stick / "c.bin").write_bytes(b"<!DOCTYPE html><title>Not found</title>")
    report = import_weights(chosen, [stick], folder, progress)
    assert verdicts(report) == {"c.bin": "wrong"}
    assert "a web page" in report.seen[0].detail
    assert progress.warnings == []


# The machine


def test_a_path_that_is_not_there(tmp_path: Path, folder: Path, progress: Recorder) -> None:
    with pytest.raises(InputError, match=r"none can't be read\. Found No such file") as caught:
        import_weights(backbones(tmp_path), [tmp_path / "none"], folder, progress)
    assert caught.value.exit_code == 1


def test_a_broken_zip_that_was_named(tmp_path: Path, folder: Path, progress: Recorder) -> None:
    path = tmp_path / "x.zip"
    path.write_bytes(b"PK\x03\x04" + bytes(100))
    with pytest.raises(InputError, match="can't be opened as a ZIP"):
        import_weights(backbones(tmp_path), [path], folder, progress)


def test_unreadable_corners_of_a_stick_are_passed_over(
    tmp_path: Path, folder: Path, stick: Path, progress: Recorder, request: pytest.FixtureRequest
) -> None:
    (stick / "lost+found").mkdir()
    (stick / "lost+found").chmod(0)
    (stick / "b.pth").write_bytes(B)
    (stick / "b.pth").chmod(0)
    (stick / "a").write_bytes(A)
    (stick / "link").symlink_to("/etc")
    folder.mkdir()
    folder.chmod(0o777)
    chosen = backbones(tmp_path)
    request.getfixturevalue("unprivileged")
    report = import_weights(chosen, [stick], folder, progress)
    assert verdicts(report) == {"a": "imported", "b.pth": "wrong"}


def test_a_read_only_weights_folder(
    tmp_path: Path, folder: Path, stick: Path, progress: Recorder, request: pytest.FixtureRequest
) -> None:
    (stick / "a").write_bytes(A)
    folder.mkdir()
    folder.chmod(0o555)
    chosen = backbones(tmp_path)
    request.getfixturevalue("unprivileged")
    with pytest.raises(StorageError, match="can't be written"):
        import_weights(chosen, [stick], folder, progress)


def test_a_full_disk_leaves_nothing(
    tmp_path: Path, tiny_disk: Callable[[int], Path], stick: Path, progress: Recorder
) -> None:
    small = tiny_disk(64)
    (stick / "c").write_bytes(C)
    with pytest.raises(StorageError, match="no space left"):
        import_weights(backbones(tmp_path), [stick], small, progress)
    assert names(small) == []
    assert list((small / PARTS).iterdir()) == []


def test_what_a_killed_process_left_is_cleared(tmp_path: Path, folder: Path, stick: Path, progress: Recorder) -> None:
    (folder / PARTS).mkdir(parents=True)
    (folder / PARTS / ".import-0011223344556677").write_bytes(b"half")
    (folder / PARTS / "a.onnx").write_bytes(b"a fetch goes on from here")
    import_weights(backbones(tmp_path), [stick], folder, progress)
    assert [path.name for path in (folder / PARTS).iterdir()] == ["a.onnx"]


# Tar archives


def tar_of(
    path: Path, members: dict[str, bytes], change: Callable[[tarfile.TarInfo], None] = lambda info: None
) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            change(info)
            archive.addfile(info, io.BytesIO(content) if info.isreg() else None)
    return path


def test_a_tar_archive_is_searched_and_its_names_choose_no_place(
    tmp_path: Path, folder: Path, progress: Recorder
) -> None:
    """As a package of Python code comes: its files in folders, here with names that would lead outside too."""
    members = {"package-1.0/a.onnx": A, "../../outside/b": B, "package-1.0/readme": b"hello"}
    report = import_weights(backbones(tmp_path), [tar_of(tmp_path / "p-1.0.tar.gz", members)], folder, progress)
    assert sorted(verdicts(report).values()) == ["extra", "imported", "imported"]
    assert report.missing == ["c.bin"]
    assert names(folder) == ["a.onnx", "b.pth"]
    assert (folder / "b.pth").read_bytes() == B
    assert not (tmp_path / "outside").exists()
    assert list((folder / PARTS).iterdir()) == []


def test_links_in_a_tar_archive_are_not_followed(tmp_path: Path, folder: Path, progress: Recorder) -> None:
    (tmp_path / "target").write_bytes(A)

    def as_link(info: tarfile.TarInfo) -> None:
        info.type, info.linkname, info.size = tarfile.SYMTYPE, str(tmp_path / "target"), 0

    report = import_weights(
        backbones(tmp_path), [tar_of(tmp_path / "p.tar.gz", {"a.onnx": A}, as_link)], folder, progress
    )
    assert report.seen == []
    assert names(folder) == []


def test_a_gzip_file_that_is_no_tar_archive_is_one_file(tmp_path: Path, folder: Path, progress: Recorder) -> None:
    packed = gzip.compress(A)
    single = load_backbones(manifest(tmp_path, {"a": role("a.gz", packed)}))
    (tmp_path / "words.gz").write_bytes(packed)
    assert verdicts(import_weights(single, [tmp_path / "words.gz"], folder, progress)) == {"words.gz": "imported"}
    (tmp_path / "other.gz").write_bytes(gzip.compress(B))
    assert verdicts(import_weights(single, [tmp_path / "other.gz"], folder, progress)) == {"other.gz": "extra"}


def test_a_tar_archive_that_breaks_off_keeps_what_came_before(tmp_path: Path, folder: Path, progress: Recorder) -> None:
    whole = tar_of(tmp_path / "p.tar.gz", {"a.onnx": A, "b.pth": B}).read_bytes()
    (tmp_path / "p.tar.gz").write_bytes(whole[: len(A) + 5_000])
    with pytest.raises(InputError, match="tar archive"):
        import_weights(backbones(tmp_path), [tmp_path / "p.tar.gz"], folder, progress)
    assert names(folder) == ["a.onnx"]
    assert list((folder / PARTS).iterdir()) == []


@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.GNUTYPE_LONGNAME])
def test_a_tar_header_that_states_a_huge_size_is_refused(
    tmp_path: Path, folder: Path, progress: Recorder, kind: bytes
) -> None:
    """tarfile would read all of it into memory; here 32 MiB of zeros, a few KiB when packed."""
    huge = tarfile.TarInfo("x")
    huge.type, huge.size = kind, 32 * 1024**2
    good = tarfile.TarInfo("a.onnx")
    good.size = len(A)
    padding = bytes(-len(A) % 512)
    content = good.tobuf() + A + padding + huge.tobuf() + bytes(32 * 1024**2)
    (tmp_path / "p.tar.gz").write_bytes(gzip.compress(content))
    with pytest.raises(InputError, match="more than 16 MiB"):
        import_weights(backbones(tmp_path), [tmp_path / "p.tar.gz"], folder, progress)


def test_a_tar_member_that_is_larger_than_any_archive_is_refused(
    tmp_path: Path, folder: Path, progress: Recorder
) -> None:
    huge = tarfile.TarInfo("x")
    huge.size = 2**40
    (tmp_path / "p.tar.gz").write_bytes(gzip.compress(huge.tobuf(tarfile.GNU_FORMAT) + bytes(5000)))
    with pytest.raises(InputError, match="64 GiB"):
        import_weights(backbones(tmp_path), [tmp_path / "p.tar.gz"], folder, progress)
    assert names(folder) == []
