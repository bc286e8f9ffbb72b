"""What evalkit takes from a ZIP is what Info-ZIP's unzip, 7-Zip, bsdtar and busybox unpack from it."""

from __future__ import annotations

import io
import random
import shutil
import subprocess
import zipfile
from collections.abc import Callable
from pathlib import Path

import hostile_structures as structures
import hostile_zips as zips
import pytest

from fuzz import zip_differences
from fuzz.differences import Outcome, run_differences
from fuzz.zip_differences import Taken, compare, differences, disagreement, judge
from fuzz.zip_names import SAMPLES, odd_zip
from fuzz.zip_tools import missing_tools

INPUTS = 120
FILES = {f"{sample}.mp4": f"the video {sample}".encode() * 50 for sample in SAMPLES}


@pytest.fixture(scope="module", autouse=True)
def _tools() -> None:
    missing = missing_tools() + [name for name in ("zip",) if shutil.which(name) is None]
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)} (Debian: unzip zip 7zip libarchive-tools busybox)")


def test_no_sample_is_another_file_for_some_program(tmp_path: Path) -> None:
    figures = run_differences("zip-tools", odd_zip, judge, INPUTS, seed=1, suffix=".zip", keep=tmp_path)
    assert figures.clean, figures.failures
    assert figures.inputs == INPUTS
    # Archives that all are alike, or all refused, try nothing.
    assert figures.differing >= INPUTS // 10
    assert min(figures.accepted, figures.refused) >= INPUTS // 5


def test_the_same_seed_makes_the_same_archives() -> None:
    one, two, other = ([odd_zip(dice) for _ in range(20)] for dice in map(random.Random, (5, 5, 6)))
    assert one == two != other


def ascii_for_another_name(path: Path) -> Path:
    """A field gives a name beyond ASCII one in ASCII, which busybox does not read."""
    return zips.raw_zip(path, structures.chinese_name("s01.mp4", header_name=b"\xe9.mp4"))


DIFFERING: tuple[Callable[[Path], Path], ...] = (
    *(zips.empty_name, zips.empty_folder_name, zips.version_collision, zips.by_backslash, structures.cpio_before),
    *(structures.tar_too, structures.image_too, structures.marked_as_folder, structures.marked_as_folder_by_ntfs),
    *(structures.marked_as_label, structures.libarchive_folder),
    *(structures.named_like_another_by_a_field, structures.named_like_another_by_version_0),
    *(structures.named_like_another_in_dos, ascii_for_another_name),
    structures.named_like_another_with_ff,
)


@pytest.mark.parametrize("build", DIFFERING, ids=lambda build: build.__name__)
def test_where_programs_differ_the_archive_or_the_sample_is_refused(
    tmp_path: Path, build: Callable[[Path], Path]
) -> None:
    compared = compare(build(tmp_path / "in.zip"))
    trees = [other.files for other in compared.others.values()]
    assert any(tree != trees[0] for tree in trees)
    assert compared.mine.refusals
    assert compared.faults == []


def test_a_sample_that_is_another_file_for_some_program_is_seen(tmp_path: Path) -> None:
    """Were the rules blind, these would be the faults."""
    others = compare(zips.version_collision(tmp_path / "a.zip")).others
    assert disagreement(others)
    shown = Taken({"s01": ("s01.mp4", b"shown")})
    assert differences(shown, others) == ["unzip gives other contents for 's01.mp4'"]
    others = compare(structures.marked_as_label(tmp_path / "b.zip")).others
    assert differences(Taken({"s01": ("s01.mp4", structures.DATA)}), others) == [
        "unzip leaves out 's01.mp4' without a word"
    ]
    fault = Outcome(True, True, ("a fault",))
    figures = run_differences("t", lambda dice: b"x", lambda path: fault, 3, 1, suffix=".zip", keep=tmp_path / "kept")
    assert (figures.wrong_accepts, figures.differing, figures.differing_taken, figures.clean) == (3, 3, 3, False)
    assert len(list((tmp_path / "kept").iterdir())) == 3


class Pipe(io.BytesIO):
    """Something to write to in which nobody can go back, so that sizes follow the data."""

    def seekable(self) -> bool:
        return False

    def seek(self, *words: int) -> int:
        raise io.UnsupportedOperation

    def tell(self) -> int:
        raise io.UnsupportedOperation


def by_python(archive: Path, folder: Path, method: int, *, late: bool = False, zip64: bool = False) -> None:
    target = Pipe() if late else io.BytesIO()
    with zipfile.ZipFile(target, "w", method) as written:
        for path in sorted(folder.rglob("*")):
            name = str(path.relative_to(folder))
            if path.is_dir():
                written.mkdir(name)
                continue
            with written.open(zipfile.ZipInfo.from_file(path, name), "w", force_zip64=zip64) as member:
                member.write(path.read_bytes())
    archive.write_bytes(target.getvalue())


def by_program(*command: str, piped: bool = False) -> Callable[[Path, Path], None]:
    def make(archive: Path, folder: Path) -> None:
        names = sorted(path.name for path in folder.iterdir())
        words = [word.format(zip="-" if piped else archive) for word in command]
        done = subprocess.run([*words, *names], cwd=folder, stdout=subprocess.PIPE, check=True, timeout=60,
                              env={"LC_ALL": "C.UTF-8", "PATH": "/usr/local/bin:/usr/bin:/bin"})  # fmt: skip
        if piped:
            archive.write_bytes(done.stdout)

    return make


MAKERS: dict[str, Callable[[Path, Path], None]] = {
    "zipfile, stored": lambda archive, folder: by_python(archive, folder, zipfile.ZIP_STORED),
    "zipfile, deflated": lambda archive, folder: by_python(archive, folder, zipfile.ZIP_DEFLATED),
    "zipfile, Zip64": lambda archive, folder: by_python(archive, folder, zipfile.ZIP_DEFLATED, zip64=True),
    "zipfile, to a pipe": lambda archive, folder: by_python(archive, folder, zipfile.ZIP_DEFLATED, late=True),
    "zip": by_program("zip", "-q", "-r", "{zip}"),
    "zip -X -0": by_program("zip", "-q", "-X", "-0", "-r", "{zip}"),
    "zip, to a pipe": by_program("zip", "-q", "-r", "{zip}", piped=True),
    "7zz": by_program("7zz", "a", "-tzip", "-bso0", "{zip}"),
    "7zz -mcu -mx0": by_program("7zz", "a", "-tzip", "-bso0", "-mcu=on", "-mx0", "{zip}"),
    "bsdtar": by_program("bsdtar", "--format=zip", "-c", "-f", "{zip}"),
    "bsdtar, stored": by_program("bsdtar", "--format=zip", "--options=compression=store", "-c", "-f", "{zip}"),
    "bsdtar, to a pipe": by_program("bsdtar", "--format=zip", "-c", "-f", "{zip}", piped=True),
    "bsdtar, experimental fields": by_program("bsdtar", "--format=zip", "--options=experimental", "-c", "-f", "{zip}"),
}


@pytest.mark.parametrize("around", ["", "team"])
@pytest.mark.parametrize("maker", MAKERS)
def test_an_honest_archive_is_taken_and_is_the_same_for_all(tmp_path: Path, maker: str, around: str) -> None:
    folder = tmp_path / "files"
    (folder / around).mkdir(parents=True)
    for name, data in FILES.items():
        (folder / around / name).write_bytes(data)
    MAKERS[maker](tmp_path / "in.zip", folder)
    compared = compare(tmp_path / "in.zip")
    assert {sample: data for sample, (_, data) in compared.mine.files.items()} == {
        sample: FILES[f"{sample}.mp4"] for sample in SAMPLES
    }
    absent = len(zip_differences.SAMPLES) - len(SAMPLES)
    assert compared.mine.refusals == ("layout.missing",) * absent
    assert compared.faults == []
    complaining = {tool for tool, other in compared.others.items() if other.complained}
    assert complaining <= ({"busybox"} if "Zip64" in maker else set())  # it says that it can't


@pytest.mark.shared
def test_the_real_archives_are_the_same_for_all(shared: Path, tmp_path: Path) -> None:
    """Only lists and attributes matter here, so their contents are cut to a few bytes each."""
    for path in sorted((shared / "data" / "talking-heads" / "submissions").glob("*.zip")):
        place = tmp_path / path.name
        with zipfile.ZipFile(path) as real, zipfile.ZipFile(place, "w") as short:
            for number, info in enumerate(real.infolist()):
                short.writestr(info, f"{path.name} {number}".encode())
        compared = compare(place)
        assert {*compared.mine.refusals} <= {"layout.missing", "layout.no-match"}
        assert compared.faults == []
        trees = [other.files for other in compared.others.values()]
        assert all(tree == trees[0] for tree in trees)
